//! Where the console is, and the token for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use ctdb_protocol::settings::CONSOLE_PORT;

use crate::config::{Environment, Layout, SystemHost, load};

/// A console.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Its address.
    pub(super) address: SocketAddr,
    token_file: PathBuf,
}

impl Place {
    /// The console that `--console` names, else `CTDB_CONSOLE`, else the configuration.
    pub(super) fn find(named: Option<&str>) -> Result<Self, String> {
        let environment = Environment::of_process(Vec::new())?;
        let token_file = token_file(&environment.layout);
        let variable = std::env::var("CTDB_CONSOLE")
            .ok()
            .filter(|text| !text.is_empty());
        let named = named.map(str::to_owned).or(variable);
        let address = match named {
            Some(text) => parse(&text)?,
            None => configured(&environment),
        };
        Ok(Self {
            address: reachable(address),
            token_file,
        })
    }

    /// The token, if this user may read it.
    pub(super) fn token(&self) -> Option<String> {
        let text = std::fs::read_to_string(&self.token_file).ok()?;
        Some(text.trim().to_owned())
    }
}

fn token_file(layout: &Layout) -> PathBuf {
    layout.run.join("console.token")
}

/// A configuration that the daemon would refuse (it may run with an older one) does not stop the tool.
fn configured(environment: &Environment) -> SocketAddr {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, CONSOLE_PORT));
    load(environment, &SystemHost).map_or(default, |loaded| loaded.settings.console_listen)
}

/// `ADDRESS:PORT`, `NAME:PORT`, or an address alone.
fn parse(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok((address, CONSOLE_PORT).into());
    }
    let invalid =
        |reason: &dyn std::fmt::Display| format!("Invalid console address {text}: {reason}");
    let mut found = text.to_socket_addrs().map_err(|error| invalid(&error))?;
    found.next().ok_or_else(|| invalid(&"no such host"))
}

/// A daemon that listens everywhere is reached through the loopback interface.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    (ip, address.port()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, address) in [
            ("127.0.0.2", "127.0.0.2:4380"),
            ("127.0.0.2:99", "127.0.0.2:99"),
            ("::1", "[::1]:4380"),
            ("[::1]:99", "[::1]:99"),
        ] {
            assert_eq!(parse(text).expect(text).to_string(), address);
        }
        assert!(parse("127.0.0.1:x").is_err());
        let any = "0.0.0.0:4380".parse().expect("address");
        assert_eq!(reachable(any).to_string(), "127.0.0.1:4380");
    }
}
