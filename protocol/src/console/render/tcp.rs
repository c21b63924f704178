//! TCP connections to public addresses: `gettickles`.

use super::{Report, line, put_fields};
use crate::client::sockaddr::{Connection, SockAddr};
use crate::console::json::Value;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// `gettickles`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tickles {
    /// The public address.
    pub address: IpAddr,
    /// Its connections.
    pub connections: Vec<Connection>,
}

fn ip(end: &SockAddr) -> String {
    end.ip().map_or_else(String::new, |ip| ip.to_string())
}

fn end(end: &SockAddr) -> String {
    let ip = end.ip().map(|ip| SocketAddr::new(ip, end.port()));
    ip.map_or_else(String::new, |end| end.to_string())
}

impl Report for Tickles {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        line!(out, "Connections for IP: {}", self.address);
        line!(out, "Num connections: {}", self.connections.len());
        for connection in &self.connections {
            let (source, destination) = (end(&connection.src), end(&connection.dst));
            line!(out, "SRC: {source}   DST: {destination}");
        }
    }

    fn machine(&self, out: &mut Vec<u8>, separator: char, _verbose: bool) {
        // 4.17's spelling of the third heading.
        let heading = ["Source IP", "Port", "Destiation IP", "Port"];
        put_fields(out, separator, heading);
        for Connection { src, dst } in &self.connections {
            let ports = [src, dst].map(|end| end.port().to_string());
            put_fields(out, separator, [&*ip(src), &ports[0], &ip(dst), &ports[1]]);
        }
    }

    fn json(&self) -> Value {
        let side = |end: &SockAddr| {
            Value::object([
                ("address", ip(end).into()),
                ("port", u32::from(end.port()).into()),
            ])
        };
        let connection = |connection: &Connection| {
            Value::object([
                ("source", side(&connection.src)),
                ("destination", side(&connection.dst)),
            ])
        };
        Value::object([
            ("address", self.address.to_string().into()),
            (
                "connections",
                Value::list(self.connections.iter().map(connection)),
            ),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::options::{Format, Options};
    use crate::console::render::render;

    fn tickles() -> Tickles {
        let end = |text: &str| text.parse::<SocketAddr>().expect("a literal").into();
        let connection = |src, dst| Connection {
            src: end(src),
            dst: end(dst),
        };
        Tickles {
            address: "10.0.0.31".parse().expect("a literal"),
            connections: alloc::vec![
                connection("10.0.0.9:50000", "10.0.0.31:445"),
                connection("[fd88::9]:7", "[fd88::31]:2049"),
            ],
        }
    }

    fn shown(format: Format) -> String {
        let options = Options {
            format,
            ..Options::default()
        };
        String::from_utf8(render(&tickles(), &options)).expect("text")
    }

    #[test]
    fn all_forms() {
        assert_eq!(
            shown(Format::Human),
            "Connections for IP: 10.0.0.31\nNum connections: 2\n\
             SRC: 10.0.0.9:50000   DST: 10.0.0.31:445\nSRC: [fd88::9]:7   DST: [fd88::31]:2049\n"
        );
        assert_eq!(
            shown(Format::Machine('|')),
            "|Source IP|Port|Destiation IP|Port|\n|10.0.0.9|50000|10.0.0.31|445|\n\
             |fd88::9|7|fd88::31|2049|\n"
        );
        let json: serde_json::Value = serde_json::from_str(&shown(Format::Json)).expect("JSON");
        assert_eq!(json["connections"][1]["destination"]["port"], 2049);
    }
}
