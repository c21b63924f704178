//! The places that records are written to. A place that fails costs its records, never the daemon: they
//! are counted, the place is opened again, and the number is reported there once it works.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::entry::{Entry, Renderer};
use super::queue::dropped_report;
use super::{LogConfig, Syslog, Target};

/// Where syslog listens.
const SYSLOG_SOCKET: &str = "/dev/log";
/// syslog's UDP port.
const SYSLOG_PORT: u16 = 514;
/// Pause between two attempts to open a place that fails.
const RETRY: Duration = Duration::from_secs(1);

/// All places of one log.
pub(super) struct Sinks {
    renderer: Renderer,
    places: Vec<Place>,
}

/// Opens the places that the configuration names.
pub(super) fn open(config: &LogConfig, renderer: &Renderer) -> io::Result<Sinks> {
    let mut places = vec![Place::new(Output::open(&config.target)?)];
    if config.stderr_too && config.target != Target::Stderr {
        places.push(Place::new(Output::Stderr));
    }
    Ok(Sinks {
        renderer: renderer.clone(),
        places,
    })
}

impl Sinks {
    pub(super) fn write(&mut self, batch: &[Arc<Entry>]) {
        for place in &mut self.places {
            for entry in batch {
                place.write(&self.renderer, entry);
            }
        }
    }

    pub(super) fn reopen(&mut self) {
        for place in &mut self.places {
            if let Err(error) = place.output.reopen() {
                // The old file is still open, so this can be read where the rest is.
                let text = format!("cannot reopen the log: {error}");
                let entry = Entry::new(ctdb_protocol::notice::Level::Err, text);
                place.write(&self.renderer, &entry);
            }
        }
    }
}

struct Place {
    output: Output,
    lost: u64,
    failed: Option<Instant>,
}

impl Place {
    const fn new(output: Output) -> Self {
        Self {
            output,
            lost: 0,
            failed: None,
        }
    }

    fn write(&mut self, renderer: &Renderer, entry: &Entry) {
        if self.failed.is_some_and(|failed| failed.elapsed() >= RETRY) {
            // Failing again shows in the next write.
            let _ = self.output.reopen();
            self.failed = Some(Instant::now());
        }
        let report = (self.lost > 0).then(|| dropped_report(self.lost));
        let report = report.map_or(Ok(()), |report| self.output.write(renderer, &report));
        if report.is_ok() {
            self.lost = 0;
        }
        match report.and_then(|()| self.output.write(renderer, entry)) {
            Ok(()) => self.failed = None,
            Err(error) => {
                self.lost += 1;
                // A full socket works again by itself.
                if error.kind() != io::ErrorKind::WouldBlock {
                    self.failed.get_or_insert_with(Instant::now);
                }
            }
        }
    }
}

enum Output {
    File {
        path: PathBuf,
        file: File,
    },
    Stderr,
    Local {
        socket: UnixDatagram,
        path: PathBuf,
    },
    Udp {
        socket: UdpSocket,
        to: SocketAddr,
        modern: bool,
    },
}

impl Output {
    fn open(target: &Target) -> io::Result<Self> {
        match target {
            Target::File(path) => {
                if let Some(directory) = path.parent() {
                    fs::create_dir_all(directory)?;
                }
                Ok(Self::File {
                    file: open_file(path)?,
                    path: path.clone(),
                })
            }
            Target::Stderr => Ok(Self::Stderr),
            Target::Syslog(Syslog::Local) => local(SYSLOG_SOCKET.as_ref(), false),
            Target::Syslog(Syslog::NonBlocking) => local(SYSLOG_SOCKET.as_ref(), true),
            Target::Syslog(Syslog::Udp) => udp(SYSLOG_PORT, false),
            Target::Syslog(Syslog::UdpRfc5424) => udp(SYSLOG_PORT, true),
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        match self {
            Self::File { path, file } => *file = open_file(path)?,
            Self::Local { socket, path } => socket.connect(path)?,
            Self::Stderr | Self::Udp { .. } => {}
        }
        Ok(())
    }

    fn write(&mut self, renderer: &Renderer, entry: &Entry) -> io::Result<()> {
        match self {
            Self::File { file, .. } => write_line(file, renderer.line(entry)),
            Self::Stderr => write_line(&mut io::stderr(), renderer.line(entry)),
            Self::Local { socket, .. } => socket
                .send(renderer.rfc3164(entry, false).as_bytes())
                .map(drop),
            Self::Udp { socket, to, modern } => {
                let datagram = if *modern {
                    renderer.rfc5424(entry)
                } else {
                    renderer.rfc3164(entry, true)
                };
                socket.send_to(datagram.as_bytes(), *to).map(drop)
            }
        }
    }
}

/// One write a line, so that lines of several writers never mix.
fn write_line(output: &mut impl Write, mut line: String) -> io::Result<()> {
    line.push('\n');
    output.write_all(line.as_bytes())
}

fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o644)
        .open(path)
}

fn local(path: &Path, nonblocking: bool) -> io::Result<Output> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(nonblocking)?;
    // A syslog daemon that starts later is found later.
    let _ = socket.connect(path);
    Ok(Output::Local {
        socket,
        path: path.to_path_buf(),
    })
}

fn udp(port: u16, modern: bool) -> io::Result<Output> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(Output::Udp {
        socket,
        to: (Ipv4Addr::LOCALHOST, port).into(),
        modern,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Format;
    use crate::log::entry::Origin;
    use ctdb_protocol::notice::Level;

    fn renderer() -> Renderer {
        Renderer::new(Origin::of_this_process("ctdbd"), Format::Text)
    }

    fn entry(text: &str) -> Entry {
        Entry::new(Level::Notice, text.into())
    }

    #[test]
    fn a_syslog_that_drops_or_is_away_costs_records_which_are_counted() {
        let path = std::env::temp_dir().join(format!("ctdb-log-{}.socket", std::process::id()));
        let _ = fs::remove_file(&path);
        let mut place = Place::new(local(&path, true).unwrap());
        place.write(&renderer(), &entry("nobody listens"));
        assert_eq!(place.lost, 1);
        let listener = UnixDatagram::bind(&path).unwrap();
        place.failed = place
            .failed
            .map(|failed| failed.checked_sub(RETRY).unwrap());
        place.write(&renderer(), &entry("somebody listens"));
        let mut buffer = [0; 1024];
        let mut receive = || {
            let count = listener.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..count]).into_owned()
        };
        let report = receive();
        assert!(report.starts_with("<27>") && report.contains("[Dropped 1 log messages]"));
        assert!(receive().ends_with("]: somebody listens"));
        let mut sent = 0;
        while place.lost == 0 {
            place.write(&renderer(), &entry("flood"));
            sent += 1;
            assert!(sent < 1_000_000, "a full socket must not be waited for");
        }
        assert!(place.failed.is_none(), "full is not broken");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn udp_carries_both_header_forms() {
        let listener = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        for (modern, head) in [(false, "<29>"), (true, "<29>1 ")] {
            let mut place = Place::new(udp(port, modern).unwrap());
            place.write(&renderer(), &entry("hello"));
            let mut buffer = [0; 1024];
            let count = listener.recv(&mut buffer).unwrap();
            let text = String::from_utf8_lossy(&buffer[..count]);
            assert!(text.starts_with(head) && text.ends_with("hello"), "{text}");
        }
    }
}
