//! `docs/log.md` is written from the enum of notices; `CTDB_BLESS=1` writes it anew.

use ctdb_protocol::notice::TABLE;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/log.md");

fn page() -> String {
    let mut page = String::from(
        "# Log records\n\n\
         Every change of state is one record with a stable name. Monitoring should match the name (`event` in JSON \
         lines, the first word in the brackets of a text line), not the words. Levels are those of the seed manual, \
         EMERG (-3) to DEBUG (4). This page is written from the enum in `protocol/src/notice.rs` by \
         `CTDB_BLESS=1 cargo test -p ctdb-protocol --test log_table`.\n\n\
         | name | level | text | meaning |\n|---|---|---|---|\n",
    );
    for (name, level, text, meaning) in TABLE {
        let text = text.replace('|', "\\|");
        let _ = writeln!(page, "| `{name}` | {level} | {text} | {meaning} |");
    }
    page
}

#[test]
fn the_page_is_up_to_date() {
    if std::env::var_os("CTDB_BLESS").is_some() {
        std::fs::write(PAGE, page()).expect("the page is written");
    }
    assert_eq!(std::fs::read_to_string(PAGE).expect("docs/log.md"), page());
}

#[test]
fn names_are_unique_and_dotted() {
    let names: BTreeSet<&str> = TABLE.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names.len(), TABLE.len());
    assert!(
        names
            .iter()
            .all(|name| name.contains('.') && !name.contains(' '))
    );
}
