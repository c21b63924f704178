//! Files: names, flags, sizes, and what is refused.

use super::helper::Helper;
use super::{OWN, Scratch, value};
use crate::records::{Database, DbTable, OpenError, Store, StoreConfig, db_id};
use ctdb_protocol::id::DbId;
use ctdb_protocol::wire::message::DbKind;
use ctdb_tdb::TdbFlags;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn ids_are_those_of_the_seed_daemon() {
    let known = [
        ("g_lock.tdb", 0x4d2a_432b),
        ("locking.tdb", 0x7a19_d84d),
        ("brlock.tdb", 0x4e66_c2b2),
        ("leases.tdb", 0x0691_6e77),
        ("secrets.tdb", 0x7132_c184),
        ("smbXsrv_open_global.tdb", 0x66f7_1b8c),
        ("testv.tdb", 0xeded_a68a),
    ];
    for (name, id) in known {
        assert_eq!(db_id(name), DbId(id), "{name}");
    }
}

#[test]
fn files_have_the_seed_daemons_names_flags_and_sizes() {
    let scratch = Scratch::new("sizes");
    let plain = StoreConfig {
        mutexes: false,
        ..scratch.config()
    };
    let cases = [
        (
            "v.tdb",
            DbKind::Volatile,
            scratch.config(),
            0x1c41,
            4_401_968,
            "volatile",
        ),
        ("p.tdb", DbKind::Volatile, plain, 0xc41, 400_176, "volatile"),
        (
            "r.tdb",
            DbKind::Replicated,
            scratch.config(),
            0xc41,
            400_176,
            "volatile",
        ),
        (
            "s.tdb",
            DbKind::Persistent,
            scratch.config(),
            0x400,
            400_176,
            "persistent",
        ),
    ];
    for (name, kind, config, flags, size, dir) in cases {
        let database = Database::open(&config, name, kind).expect("open");
        let entry = database.entry();
        assert_eq!(
            entry.path,
            scratch.path().join(dir).join(format!("{name}.{OWN}"))
        );
        assert_eq!(entry.open_flags, flags, "{name}");
        // How the daemon alone keeps it open does not concern clients.
        let own = database.tdb().flags().bits() & 0x1fff & !TdbFlags::NOMMAP.bits();
        assert_eq!(own, flags, "{name}");
        let metadata = fs::metadata(&entry.path).expect("exists");
        assert_eq!(metadata.len(), size, "{name}");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn file_that_a_left_over_process_uses_is_refused() {
    let scratch = Scratch::new("left_over");
    let config = scratch.config();
    let first = Database::open(&config, "v.tdb", DbKind::Volatile).expect("open");
    let path = first.entry().path.clone();
    let mut helper = Helper::open(&path);
    drop(first);
    helper.ask("store key");
    let refused = Database::open(&config, "v.tdb", DbKind::Volatile).expect_err("refused");
    assert!(matches!(refused, OpenError::LeftOver { .. }), "{refused}");
    let text = refused.to_string();
    assert!(
        text.contains(&path.display().to_string()) && text.contains("fuser"),
        "{text}"
    );
    drop(helper);
    let again = Database::open(&config, "v.tdb", DbKind::Volatile).expect("cleared");
    assert!(again.tdb().is_empty().expect("readable"));
}

#[test]
fn persistent_files_are_attached_at_the_start_by_their_shards() {
    let scratch = Scratch::new("start");
    let config = scratch.config();
    for name in ["secrets.tdb", "registry.tdb", "passdb.tdb"] {
        let database = Database::open(&config, name, DbKind::Persistent).expect("open");
        database
            .tdb()
            .store(b"key", &value(1, OWN, name.as_bytes()))
            .expect("store");
    }
    let dir = &config.persistent_dir;
    for other in ["passdb.tdb.9", "notes.txt", "backup.3"] {
        fs::write(dir.join(other), "x").expect("write");
    }
    fs::write(dir.join("broken.tdb.3"), vec![b'x'; 5_000]).expect("write");
    let table = DbTable::new();
    let mut failures = Vec::new();
    let mut stores = Vec::new();
    for shard in 0..2 {
        let config = StoreConfig {
            shard,
            shards: 2,
            ..config.clone()
        };
        let mut store = Store::new(config, table.clone());
        failures.extend(store.attach_persistent());
        for database in store.iter() {
            assert_eq!(database.entry().id.0 as usize % 2, shard);
            let is_broken = database.entry().name == "broken.tdb";
            assert_eq!(
                database.tdb().exists(b"key").expect("readable"),
                !is_broken,
                "content is kept"
            );
        }
        stores.push(store);
    }
    let mut names: Vec<_> = table.list().into_iter().map(|entry| entry.name).collect();
    names.sort();
    assert_eq!(
        names,
        ["broken.tdb", "passdb.tdb", "registry.tdb", "secrets.tdb"]
    );
    assert!(failures.is_empty(), "{failures:?}");
    let reason = config.health.reason("broken.tdb").expect("unhealthy");
    assert!(
        reason.contains("broken.tdb.3.corrupted."),
        "the admin is told where it is: {reason}"
    );
}

#[test]
fn names_that_are_no_file_names_are_refused() {
    let scratch = Scratch::new("names");
    let long = "x".repeat(300);
    for name in ["", "../passwd", "a/b", ".hidden", "nul\0", &long] {
        let refused = Database::open(&scratch.config(), name, DbKind::Volatile);
        assert!(matches!(refused, Err(OpenError::BadName { .. })), "{name}");
    }
}

#[test]
fn damaged_persistent_file_is_set_aside_as_it_is() {
    let scratch = Scratch::new("damaged");
    let config = scratch.config();
    let path = config.path("secrets.tdb", DbKind::Persistent);
    let whole = {
        let database = Database::open(&config, "secrets.tdb", DbKind::Persistent).expect("open");
        let value = value(1, OWN, b"secret");
        database.tdb().store(b"key", &value).expect("store");
        drop(database);
        fs::read(&path).expect("read")
    };
    let mut bad_magic = whole.clone();
    bad_magic[0] = b'x';
    let mut bad_record = whole.clone();
    let key = whole.windows(6).rposition(|bytes| bytes == b"secret");
    // Over the head of the record, which stands before its key.
    let head = key.expect("stored") - 24 - 3 - 24;
    bad_record[head..head + 24].fill(0xff);
    for damaged in [bad_magic, bad_record] {
        fs::write(&path, &damaged).expect("write");
        let database = Database::open(&config, "secrets.tdb", DbKind::Persistent).expect("open");
        assert!(database.tdb().is_empty().expect("readable"));
        let reason = config.health.reason("secrets.tdb").expect("unhealthy");
        let moved = reason.split('\'').nth(1).expect("names the file");
        assert!(moved.starts_with(path.to_str().expect("text")), "{moved}");
        assert_eq!(fs::read(moved).expect("read"), damaged);
        fs::remove_file(moved).expect("its name has but seconds");
        config.health.set("secrets.tdb", None).expect("noted");
    }
}
