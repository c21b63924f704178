//! Each type with what it takes and what it refuses.

use super::*;

#[test]
fn numbers_are_read_as_strtoul_does() {
    for (text, number) in [
        ("5", 5),
        ("0x10", 16),
        ("010", 8),
        ("+7", 7),
        ("5x", 5),
        ("0", 0),
    ] {
        assert_eq!(Number::read(text).expect(text).0, number, "{text}");
    }
    for text in [
        "",
        "abc",
        "-1",
        "3000000000",
        "0x",
        "99999999999999999999999",
    ] {
        assert!(Number::read(text).is_err(), "{text}");
    }
    assert!(Timeout::read("0").is_err());
}

#[test]
fn levels_are_words_beginnings_of_words_and_numbers() {
    let cases = [
        ("NOTICE", notice::Level::Notice),
        ("debug", notice::Level::Debug),
        ("ERR", notice::Level::Err),
        ("E", notice::Level::Err),
        ("EMERG", notice::Level::Emerg),
        ("warn", notice::Level::Warning),
        ("-3", notice::Level::Emerg),
        ("0", notice::Level::Err),
        ("4", notice::Level::Debug),
        ("10", notice::Level::Debug),
    ];
    for (text, level) in cases {
        assert_eq!(Level::read(text).expect(text).0, level, "{text}");
    }
    for text in ["foo", "11", "-4", ""] {
        assert!(Level::read(text).is_err(), "{text}");
    }
    assert!(
        Level::read("NOTCE")
            .expect_err("typo")
            .contains("did you mean \"NOTICE\"")
    );
}

#[test]
fn locations_are_those_of_4_17() {
    assert_eq!(
        Location::read("file:-").expect("valid").0,
        LogLocation::Stderr
    );
    let file = LogLocation::File("/var/log/x".to_owned());
    assert_eq!(Location::read("file:/var/log/x").expect("valid").0, file);
    assert!(Location::read("syslog:foo").is_err());
    assert!(Location::read("bad").is_err());
}

#[test]
fn locks_are_files_or_split_commands() {
    let words = ["/bin/h", "\"a", "b\""].map(str::to_owned).to_vec();
    assert_eq!(
        Lock::read("!/bin/h \"a b\"").expect("valid").0,
        ClusterLock::Command(words)
    );
    assert_eq!(
        Lock::read("/a b").expect("valid").0,
        ClusterLock::File("/a b".to_owned())
    );
    assert!(Lock::read("! ").is_err());
}

#[test]
fn node_list_commands_are_absolute() {
    assert!(
        matches!(NodesList::read("!/bin/cat /x"), Ok(NodesList::Command(words)) if words.len() == 2)
    );
    assert!(NodesList::read("!cat /x").is_err());
}

#[test]
fn script_names_lose_their_directory() {
    assert_eq!(Script::read("/x/y.sh").expect("valid").0, "y.sh");
    assert!(Script::read("/x/").is_err());
}

#[test]
fn wrong_types_are_refused() {
    assert!(Bool::read("maybe").is_err());
    assert!(Bool::read("1").is_err(), "4.17 refuses it too");
    assert!(Address::read("host").is_err());
    assert!(Listen::read("127.0.0.1").is_err());
    assert!(Transport::read("ib").is_err());
    assert!(Shards::read("0").is_err());
    assert!(LogShape::read("xml").is_err());
}
