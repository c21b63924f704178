//! What the tool answers without a daemon.

use ctdb_actors::console::without_daemon;
use ctdb_protocol::console::command::Command;
use ctdb_protocol::console::render::node::ListNodes;
use ctdb_protocol::console::render::render;
use ctdb_protocol::console::render::simple::{Lines, Single};
use ctdb_protocol::console::words::{WORDS, Word};
use ctdb_protocol::console::{Reply, Request};

use super::{data, event};
use crate::config::{Environment, SystemHost, load_nodes};

/// The answer to a command that needs no daemon.
pub(super) fn answer(request: &Request) -> Option<Reply> {
    let options = &request.options;
    Some(match &request.command {
        Command::Version => Reply::text(render(
            &Single::text("version", env!("CARGO_PKG_VERSION")),
            options,
        )),
        Command::Help(verb) => {
            let words = WORDS
                .iter()
                .filter(|word| verb.is_none_or(|verb| verb == word.verb));
            Reply::text(render(
                &Lines(words.map(Word::help_line).collect()),
                options,
            ))
        }
        Command::ListNodes => match nodes() {
            Ok(nodes) => Reply::text(render(&ListNodes { nodes }, options)),
            Err(message) => Reply::default().failed(1, message),
        },
        Command::Event(command) => event::answer(command, options),
        Command::Data(command) => data::answer(command, options),
        Command::Auth(_) | Command::Quit => {
            Reply::default().failed(1, "This command works in a session only")
        }
        command => return without_daemon(command, options),
    })
}

fn nodes() -> Result<Vec<(u32, String)>, String> {
    let environment = Environment::of_process(Vec::new())?;
    let nodes = load_nodes(&environment, &SystemHost).map_err(|refused| refused.to_string())?;
    let nodes = (0..).zip(&nodes);
    let live = nodes.filter(|(_, node)| !node.deleted);
    Ok(live
        .map(|(pnn, node)| (pnn, node.address.to_string()))
        .collect())
}
