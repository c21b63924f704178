//! Words about the content of databases and of files. Files are opened here, as the user who gives the word; records
//! go over the client socket, as with 4.17's tool, so that a database of any size passes.

mod backup;
mod content;
mod database;
mod file;
mod lines;
mod records;

use ctdb_protocol::console::command::DataCommand;
use ctdb_protocol::console::options::Options;
use ctdb_protocol::console::render::{Report, render};
use ctdb_protocol::console::{Refusal, Reply};

use crate::client::{Client, ClientError};
use crate::config::Environment;

/// What a word has to say.
type Answered = Result<Box<dyn Report>, Refusal>;

/// Carries out the command.
pub(super) fn answer(command: &DataCommand, options: &Options) -> Reply {
    let mut notes = Vec::new();
    let answered = match command {
        DataCommand::Dump(db) => records::dump(options, db),
        DataCommand::Backup { db, file } => backup::make(options, db, file),
        DataCommand::Restore { file, name } => backup::restore(options, file, name.as_deref()),
        DataCommand::DumpBackup(file) => backup::dump(file),
        DataCommand::Wipe(db) => content::wipe(options, db),
        DataCommand::Fetch { db, key } => records::fetch(options, db, key),
        DataCommand::Store { db, key, value } => {
            records::change(options, db, &[(key.clone(), value.clone())])
        }
        DataCommand::Transaction { db, file } => {
            lines::read(file.as_deref()).and_then(|(changes, remarks)| {
                notes = remarks;
                records::change(options, db, &changes)
            })
        }
        DataCommand::FetchFromFile { tdb, key, file } => file::fetch(tdb, key, file.as_deref()),
        DataCommand::StoreInFile {
            tdb,
            key,
            value,
            rsn,
            dmaster,
            flags,
        } => file::store(tdb, key, value, (*rsn, *dmaster, *flags)),
    };
    let mut reply = match answered {
        Ok(report) => Reply::text(render(&*report, options)),
        Err(refusal) => refusal.into(),
    };
    reply.notes.splice(0..0, notes);
    reply
}

/// A connection to the daemon of this machine.
fn connect(options: &Options) -> Result<Client, Refusal> {
    let environment = Environment::of_process(Vec::new()).map_err(Refusal::new)?;
    let mut client = Client::connect(environment.layout.socket).map_err(refused)?;
    client.set_timeout(options.max_runtime);
    Ok(client)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the end of a chain of results"
)]
fn refused(error: ClientError) -> Refusal {
    Refusal::new(error.to_string())
}
