//! `ctdb manual PROGRAM`: prints the manual page of a program, made from the tables that the programs themselves
//! read, or from the text that they print, so that it can't tell of anything else.

use std::io;

use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use ctdb_protocol::console::Reply;
use ctdb_protocol::console::words::{WORDS, Word};

use super::args;
use crate::daemon::Options;
use crate::helper::{self, Page};

/// Files that the pages of ctdb and ctdbd name.
const FILES: &[(&str, &str)] = &[
    ("/etc/ctdb/ctdb.conf", "the daemon's configuration"),
    (
        "/etc/ctdb/nodes",
        "private addresses of all nodes, one a line",
    ),
    (
        "/etc/ctdb/public_addresses",
        "public addresses that this node may host",
    ),
    ("/etc/ctdb/ctdb.tunables", "tunables that are set at start"),
    (
        "/run/ctdb/ctdbd.socket",
        "where Samba and other clients connect",
    ),
    ("/run/ctdb/console.token", "what unlocks a console session"),
];
const SOURCE: &str = concat!("ctdb ", env!("CARGO_PKG_VERSION"));
const BOOK: &str = "Clustered TDB";

/// The page of the program of that name.
pub(super) fn page(program: Option<&str>) -> Reply {
    let mut text = Vec::new();
    let written = match program {
        Some("ctdb") => tool(&mut text),
        Some("ctdbd") => daemon(&mut text),
        Some(name) => match helper::page(name) {
            Some(page) => small(page, &mut text),
            None => return usage(),
        },
        None => return usage(),
    };
    match written {
        Ok(()) => Reply::text(text),
        Err(error) => Reply::default().failed(1, error.to_string()),
    }
}

fn usage() -> Reply {
    let small = helper::PAGES.map(|page| page.name).join("|");
    Reply::text(format!("Usage: ctdb manual ctdb|ctdbd|{small}\n")).failed(1, "(usage)")
}

/// Of a program that explains itself in a few lines.
fn small(page: &Page, text: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("TH", [page.name, "1", "", SOURCE, BOOK]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("{} - {}", page.name, page.about))]);
    roff.control("SH", ["USAGE"]);
    // As it stands, line by line.
    roff.control("nf", []);
    for line in page.usage.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold("ctdb"), roman("(1), "), bold("ctdbd"), roman("(1)")]);
    roff.to_writer(text)
}

fn tool(text: &mut Vec<u8>) -> io::Result<()> {
    // The table of commands is a section of its own here.
    let man = man(args::command().after_help(None::<&str>));
    man.render_title(text)?;
    man.render_name_section(text)?;
    man.render_synopsis_section(text)?;
    man.render_description_section(text)?;
    man.render_options_section(text)?;
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for word in WORDS {
        roff.control("TP", []);
        roff.text([bold(word.name), roman(format!(" {}", word.arguments))]);
        roff.text([roman(sentence(word))]);
    }
    roff.to_writer(text)?;
    files(&[("ctdbd", "1")], text)
}

fn daemon(text: &mut Vec<u8>) -> io::Result<()> {
    let man = man(Options::command());
    man.render_title(text)?;
    man.render_name_section(text)?;
    man.render_synopsis_section(text)?;
    man.render_description_section(text)?;
    man.render_options_section(text)?;
    files(&[("ctdb", "1")], text)
}

fn man(command: clap::Command) -> Man {
    Man::new(command).section("1").source(SOURCE).manual(BOOK)
}

fn sentence(word: &Word) -> String {
    let mut text = word.help.to_owned();
    if !word.aliases.is_empty() {
        text.push_str("; also ");
        text.push_str(&word.aliases.join(", "));
    }
    text + "."
}

fn files(see: &[(&str, &str)], text: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", ["FILES"]);
    for (path, what) in FILES {
        roff.control("TP", []);
        roff.text([bold(*path)]);
        roff.text([roman(format!("{what}."))]);
    }
    roff.control("SH", ["SEE ALSO"]);
    for (name, section) in see {
        roff.text([bold(*name), roman(format!("({section})"))]);
    }
    roff.to_writer(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(program: &str) -> String {
        String::from_utf8(page(Some(program)).output).expect("text")
    }

    #[test]
    fn pages_name_commands_options_and_files() {
        let tool = text("ctdb");
        for word in WORDS {
            let name = word.name.replace('-', "\\-");
            assert!(tool.contains(&format!("\\fB{name}\\fR")), "{name}");
        }
        let daemon = text("ctdbd");
        for part in ["\\-\\-check", "\\-\\-interactive", "/etc/ctdb/nodes"] {
            assert!(daemon.contains(part), "{part} in\n{daemon}");
        }
        assert!(!daemon.contains("internal"), "{daemon}");
    }

    #[test]
    fn small_programs_have_pages_too() {
        let page = text("onnode");
        assert!(page.contains("onnode \\- runs a command"), "{page}");
        assert!(
            page.contains("PREFIX") && page.contains("\n.nf\n"),
            "{page}"
        );
    }

    #[test]
    fn another_page_is_refused() {
        assert_eq!(page(Some("smbd")).code, 1);
        assert_eq!(page(None).code, 1);
    }
}
