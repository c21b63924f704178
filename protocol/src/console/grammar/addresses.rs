//! Commands that change public addresses, and those about TCP connections to them.

use super::{Arguments, address, nodes, number, usage};
use crate::client::sockaddr::Connection;
use crate::console::command::{Command, TcpAction};
use crate::console::reply::Refusal;
use crate::console::words::Verb;
use alloc::format;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// The command, if the verb is one of these.
pub(super) fn command(verb: Verb, arguments: &mut Arguments) -> Result<Option<Command>, Refusal> {
    Ok(Some(match verb {
        Verb::AddIp => {
            let (address, prefix) = address_and_prefix(&arguments.text()?)?;
            Command::AddIp {
                address,
                prefix,
                iface: arguments.text()?,
            }
        }
        Verb::DelIp => Command::DelIp(address(&arguments.text()?)?),
        Verb::MoveIp => {
            let address = address(&arguments.text()?)?;
            let text = arguments.text()?;
            let invalid = |_| Refusal::new(format!("Invalid PNN {text}"));
            let to = text.parse().map_err(invalid)?;
            Command::MoveIp { address, to }
        }
        Verb::ReloadIps => Command::ReloadIps(nodes(arguments)?),
        Verb::GratArp => Command::GratuitousArp {
            address: address(&arguments.text()?)?,
            iface: arguments.text()?,
        },
        Verb::Tickle => tcp(TcpAction::Tickle, arguments)?,
        Verb::AddTickle => tcp(TcpAction::Add, arguments)?,
        Verb::DelTickle => tcp(TcpAction::Remove, arguments)?,
        Verb::GetTickles => Command::GetTickles {
            address: address(&arguments.text()?)?,
            port: match arguments.optional()? {
                Some(text) => Some(number("port", &text)?),
                None => None,
            },
        },
        Verb::CheckTcpPort => Command::CheckTcpPort(arguments.number("port")?),
        _ => return Ok(None),
    }))
}

fn address_and_prefix(text: &str) -> Result<(IpAddr, u8), Refusal> {
    let invalid = || Refusal::new(format!("Invalid IP/Mask {text}"));
    let (ip, prefix) = text.split_once('/').ok_or_else(invalid)?;
    let ip: IpAddr = ip.parse().map_err(|_| invalid())?;
    let longest = if ip.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.parse().ok().filter(|prefix| *prefix <= longest);
    Ok((ip, prefix.ok_or_else(invalid)?))
}

/// Ends of connections in pairs. None at all stands for those on the tool's standard input.
fn tcp(action: TcpAction, arguments: &mut Arguments) -> Result<Command, Refusal> {
    let mut connections = Vec::new();
    while let Some(source) = arguments.optional()? {
        let destination = arguments.optional()?;
        let destination = destination.ok_or_else(|| usage(arguments.word))?;
        connections.push(Connection {
            src: end(&source)?.into(),
            dst: end(&destination)?.into(),
        });
    }
    Ok(Command::Tcp {
        action,
        connections,
    })
}

/// `ADDRESS:PORT`, an IPv6 address with or without brackets.
fn end(text: &str) -> Result<SocketAddr, Refusal> {
    let invalid = || Refusal::new(format!("Invalid IP address {text}"));
    let (ip, port) = text.rsplit_once(':').ok_or_else(invalid)?;
    let ip = ip
        .strip_prefix('[')
        .and_then(|ip| ip.strip_suffix(']'))
        .unwrap_or(ip);
    match (ip.parse(), port.parse()) {
        (Ok(ip), Ok(port)) => Ok(SocketAddr::new(ip, port)),
        _ => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_connections() {
        for (text, expected) in [
            ("10.0.0.1:445", "10.0.0.1:445"),
            ("fd88::1:445", "[fd88::1]:445"),
            ("[fd88::1]:445", "[fd88::1]:445"),
        ] {
            let expected = expected.parse().expect("a literal");
            assert_eq!(end(text).expect(text), expected, "{text}");
        }
        for text in [
            "10.0.0.1",
            "10.0.0.1:",
            "10.0.0.1:65536",
            "host:445",
            ":445",
            "[fd88::1:445",
        ] {
            assert!(end(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_with_their_prefix() {
        for (text, expected) in [
            ("10.0.0.1/24", Some(24)),
            ("10.0.0.1/33", None),
            ("fd88::1/64", Some(64)),
            ("fd88::1/129", None),
            ("10.0.0.1", None),
            ("10.0.0.1/x", None),
        ] {
            let prefix = address_and_prefix(text).ok().map(|(_, prefix)| prefix);
            assert_eq!(prefix, expected, "{text}");
        }
    }
}
