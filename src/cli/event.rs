//! `event …` and `scriptstatus` without the console: through `eventd.socket`, or in the directory of the scripts, which
//! needs no daemon.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use ctdb_actors::event::ScriptDirectory;
use ctdb_actors::event::command::{answered, on_directory, request};
use ctdb_protocol::console::Reply;
use ctdb_protocol::console::command::EventCommand;
use ctdb_protocol::console::options::Options;
use ctdb_protocol::console::render::render;
use ctdb_protocol::event::packet::{Answer, HEADER_BYTES, Request};
use ctdb_protocol::limits::EVENT_PACKET_BYTES_MAX;

use crate::config::Environment;

/// Carries out the command.
pub(crate) fn answer(command: &EventCommand, options: &Options) -> Reply {
    let layout = match Environment::of_process(Vec::new()) {
        Ok(environment) => environment.layout,
        Err(message) => return Reply::default().failed(1, message),
    };
    let (report, code) = match request(command) {
        None => {
            let directory = ScriptDirectory::installed(&layout.etc, layout.test_mode);
            on_directory(command, &directory)
        }
        Some(request) => {
            let socket = layout.run.join("eventd.socket");
            match ask(&socket, &request, options) {
                Ok(answer) => answered(command, answer),
                Err(error) => {
                    let message = format!("No answer from {}: {error}", socket.display());
                    return Reply::default().failed(1, message);
                }
            }
        }
    };
    Reply::text(render(&report, options)).failed(code, "")
}

fn ask(socket: &Path, request: &Request, options: &Options) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(options.max_runtime))?;
    stream.write_all(&request.to_packet(1))?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let bytes = u32::from_le_bytes(length) as usize;
    if !(HEADER_BYTES..=EVENT_PACKET_BYTES_MAX).contains(&bytes) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut packet = vec![0; bytes];
    packet[..4].copy_from_slice(&length);
    stream.read_exact(&mut packet[4..])?;
    let parsed = Answer::parse(&packet);
    let (_, answer) = parsed.map_err(|error| io::Error::other(error.to_string()))?;
    Ok(answer)
}
