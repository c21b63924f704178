//! `smnotify`: tells the lock manager of an NFS client that a server has restarted, for `statd-callout`.
//!
//! The message is `SM_NOTIFY` of the network status monitor (X/Open XNFS chapter 11: program 100024, version 1,
//! procedure 6) in an ONC RPC call (RFC 5531), over UDP. The client's port mapper tells the port (RFC 1833).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::process::ExitCode;
use std::time::Duration;

use super::getopt::words;

const USAGE: &str = "\
Usage: smnotify --client=HOST --ip=ADDRESS --server=NAME --stateval=NUMBER [--clientport=PORT] [--sendport=PORT]

  -c, --client=HOST      the NFS client to tell
      --clientport=PORT  the port of its status monitor; default: what its port mapper says
  -i, --ip=ADDRESS       the address of this machine to send from
      --sendport=PORT    the port to send from
  -s, --server=NAME      the server that restarted, by the name that the client used
      --stateval=NUMBER  its state: odd when it is up";

/// Options with a letter.
const LETTERS: [(&str, &str); 3] = [("-c", "client"), ("-i", "ip"), ("-s", "server")];
const NAMES: [&str; 6] = [
    "client",
    "clientport",
    "ip",
    "sendport",
    "server",
    "stateval",
];

const PORT_MAPPER: Call = Call {
    program: 100_000,
    version: 2,
    procedure: 3,
};
const SM_NOTIFY: Call = Call {
    program: 100_024,
    version: 1,
    procedure: 6,
};
const PORT_MAPPER_PORT: u16 = 111;
const IPPROTO_UDP: u32 = 17;
/// Calls are repeated: a datagram may be lost.
const TRIES: u32 = 4;
const WAIT: Duration = Duration::from_millis(500);
/// Most bytes of an answer.
const ANSWER_MAX: usize = 1_024;

/// Runs the program.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let words = words(arguments);
    if words
        .iter()
        .any(|word| word == "-?" || word == "--help" || word == "--usage")
    {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    match Order::read(&words).and_then(|order| {
        order
            .carry_out()
            .map_err(|error| format!("{}: {error}", order.client))
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("smnotify: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is to be sent, and how.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    client: String,
    client_port: Option<u16>,
    ip: IpAddr,
    send_port: u16,
    server: String,
    state: u32,
}

impl Order {
    fn read(words: &[String]) -> Result<Self, String> {
        let mut values: BTreeMap<&str, &str> = BTreeMap::new();
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (word, None),
            };
            let letter = LETTERS
                .iter()
                .find(|(letter, _)| *letter == name)
                .map(|(_, name)| *name);
            let name = letter.or_else(|| name.strip_prefix("--"));
            let name = name.and_then(|name| NAMES.into_iter().find(|known| *known == name));
            let name = name.ok_or_else(|| format!("unknown option {word}\n{USAGE}"))?;
            let value = value.or_else(|| words.next());
            values.insert(
                name,
                value.ok_or_else(|| format!("{word} needs a value\n{USAGE}"))?,
            );
        }
        let need = |name| {
            values
                .get(name)
                .copied()
                .ok_or_else(|| format!("{name} is not specified: give --{name}=…"))
        };
        let port = |name| -> Result<Option<u16>, String> {
            let port = values.get(name).map(|text| text.parse());
            port.transpose().map_err(|_| format!("--{name} is no port"))
        };
        Ok(Self {
            client: need("client")?.to_owned(),
            client_port: port("clientport")?,
            ip: need("ip")?
                .parse()
                .map_err(|_| String::from("--ip is no address"))?,
            send_port: port("sendport")?.unwrap_or(0),
            server: need("server")?.to_owned(),
            state: need("stateval")?
                .parse()
                .map_err(|_| String::from("--stateval is no number"))?,
        })
    }

    fn carry_out(&self) -> io::Result<()> {
        let client = self.client_address()?;
        let socket = UdpSocket::bind((self.ip, self.send_port))?;
        let port = match self.client_port {
            Some(port) => port,
            None => port_of_monitor(&socket, client)?,
        };
        let mut arguments = Vec::new();
        put_text(&mut arguments, &self.server);
        put(&mut arguments, self.state);
        SM_NOTIFY.call(&socket, SocketAddr::new(client, port), &arguments)?;
        Ok(())
    }

    fn client_address(&self) -> io::Result<IpAddr> {
        let found = (self.client.as_str(), 0).to_socket_addrs()?;
        let mut usable = found
            .map(|at| at.ip())
            .filter(|ip| ip.is_ipv4() == self.ip.is_ipv4());
        let none = || io::Error::other(format!("no address of the family of {}", self.ip));
        usable.next().ok_or_else(none)
    }
}

fn port_of_monitor(socket: &UdpSocket, client: IpAddr) -> io::Result<u16> {
    let mut arguments = Vec::new();
    for number in [SM_NOTIFY.program, SM_NOTIFY.version, IPPROTO_UDP, 0] {
        put(&mut arguments, number);
    }
    let answer = PORT_MAPPER.call(
        socket,
        SocketAddr::new(client, PORT_MAPPER_PORT),
        &arguments,
    )?;
    let port = number(&answer, 0).and_then(|port| u16::try_from(port).ok());
    match port {
        Some(port) if port > 0 => Ok(port),
        _ => Err(io::Error::other("its port mapper knows no status monitor")),
    }
}

/// A remote procedure.
#[derive(Clone, Copy)]
struct Call {
    program: u32,
    version: u32,
    procedure: u32,
}

impl Call {
    /// Calls it; answers its result.
    fn call(self, socket: &UdpSocket, to: SocketAddr, arguments: &[u8]) -> io::Result<Vec<u8>> {
        let id = std::process::id() ^ self.program;
        let request = self.request(id, arguments);
        socket.set_read_timeout(Some(WAIT))?;
        for _ in 0..TRIES {
            socket.send_to(&request, to)?;
            let mut buffer = [0; ANSWER_MAX];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                if from == to && number(&buffer[..length], 0) == Some(id) {
                    return result(&buffer[..length]);
                }
            }
        }
        Err(io::Error::other(format!("no answer from {to}")))
    }

    fn request(self, id: u32, arguments: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Call, RPC version 2; neither credentials nor a verifier.
        for number in [
            id,
            0,
            2,
            self.program,
            self.version,
            self.procedure,
            0,
            0,
            0,
            0,
        ] {
            put(&mut bytes, number);
        }
        bytes.extend_from_slice(arguments);
        bytes
    }
}

/// The result in an answer: reply, accepted, no verifier, success.
fn result(answer: &[u8]) -> io::Result<Vec<u8>> {
    let refused = || io::Error::other("the call was refused");
    let verifier = number(answer, 16).ok_or_else(refused)? as usize;
    let head = 20 + verifier.next_multiple_of(4);
    let words = [number(answer, 4), number(answer, 8), number(answer, head)];
    if words != [Some(1), Some(0), Some(0)] {
        return Err(refused());
    }
    Ok(answer.get(head + 4..).unwrap_or_default().to_vec())
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(
        bytes.get(at..at.checked_add(4)?)?.try_into().ok()?,
    ))
}

fn put(bytes: &mut Vec<u8>, number: u32) {
    bytes.extend_from_slice(&number.to_be_bytes());
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put(bytes, u32::try_from(text.len()).unwrap_or_default());
    bytes.extend_from_slice(text.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(text: &str) -> Result<Order, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Order::read(&words)
    }

    #[test]
    fn options_as_statd_callout_gives_them() {
        let wanted = Order {
            client: "10.0.0.9".into(),
            client_port: None,
            ip: [10, 0, 0, 31].into(),
            send_port: 0,
            server: "nfs".into(),
            state: 42,
        };
        let long = "--client=10.0.0.9 --ip=10.0.0.31 --server=nfs --stateval=42";
        assert_eq!(order(long), Ok(wanted));
        let short = "-c 10.0.0.9 -i 10.0.0.31 -s nfs --stateval 42 --clientport 700 --sendport=600";
        let ported = order(short).expect("complete");
        assert_eq!((ported.client_port, ported.send_port), (Some(700), 600));
        for (text, error) in [
            ("", "client is not specified"),
            ("--client", "--client needs a value"),
            ("--colour=red", "unknown option --colour=red"),
            ("-c a -i b -s c --stateval=1", "--ip is no address"),
            ("-c a -i ::1 -s c --stateval=x", "--stateval is no number"),
        ] {
            let said = order(text).expect_err(text);
            assert!(said.starts_with(error), "{text}: {said}");
        }
    }

    #[test]
    fn a_notification_reaches_the_port_that_the_client_names() {
        let monitor = UdpSocket::bind("127.0.0.1:0").expect("a port");
        monitor
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("a limit");
        let port = monitor.local_addr().expect("bound").port();
        let answering = std::thread::spawn(move || {
            let mut buffer = [0; 512];
            let (length, from) = monitor.recv_from(&mut buffer).expect("a call");
            let call = buffer[..length].to_vec();
            let mut answer = call[..4].to_vec();
            for number in [1, 0, 0, 0, 0] {
                put(&mut answer, number);
            }
            monitor.send_to(&answer, from).expect("sent");
            call
        });
        let text = format!("-c 127.0.0.1 -i 127.0.0.1 -s nfs1 --stateval=7 --clientport={port}");
        order(&text)
            .expect("complete")
            .carry_out()
            .expect("answered");
        let call = answering.join().expect("no panic");
        let words: Vec<u32> = (0..10).filter_map(|at| number(&call, 4 * at)).collect();
        assert_eq!(words[1..6], [0, 2, 100_024, 1, 6]);
        assert_eq!(call[40..], *b"\0\0\0\x04nfs1\0\0\0\x07");
    }

    #[test]
    fn refusals_are_errors() {
        let answer = |numbers: &[u32]| {
            let mut bytes = Vec::new();
            for number in numbers {
                put(&mut bytes, *number);
            }
            result(&bytes)
        };
        assert_eq!(
            answer(&[9, 1, 0, 0, 0, 0, 77]).expect("accepted"),
            77_u32.to_be_bytes()
        );
        assert_eq!(
            answer(&[9, 1, 0, 0, 4, 0xffff, 0, 77]).expect("with a verifier"),
            77_u32.to_be_bytes()
        );
        for refused in [
            &[9, 1, 0, 0, 0, 3][..],
            &[9, 1, 1, 0],
            &[9, 0, 0, 0, 0, 0],
            &[9],
        ] {
            assert!(answer(refused).is_err(), "{refused:?}");
        }
        assert!(answer(&[9, 1, 0, 0, u32::MAX, 0]).is_err());
    }
}
