//! Tests over all types of the client protocol together.

mod fuzz;
mod golden;
mod sizes;

use alloc::string::String;
use alloc::vec::Vec;

/// Packets recorded between Debian's `ctdb` 4.17.12 and `ctdbd`: `>` to the daemon, `<` from it.
const TOOL: &str = include_str!("../testdata/tool.hex");
/// The same of Debian's `smbd` 4.17.12.
const SMBD: &str = include_str!("../testdata/smbd.hex");

/// One recorded packet.
struct Recorded {
    /// Where it stands, for messages of failed tests.
    place: String,
    to_daemon: bool,
    /// Name of the control, or of another packet type; of the request in case of a reply.
    kind: &'static str,
    bytes: Vec<u8>,
}

/// All recorded packets, in order.
fn recorded() -> Vec<Recorded> {
    let mut packets = Vec::new();
    for (name, text) in [("tool.hex", TOOL), ("smbd.hex", SMBD)] {
        for (index, line) in text.lines().enumerate() {
            let fields: Vec<&'static str> = line.split(' ').collect();
            let &[direction @ ("<" | ">"), kind, digits] = &fields[..] else {
                continue;
            };
            let place = alloc::format!("{name}:{}", index + 1);
            let to_daemon = direction == ">";
            packets.push(Recorded {
                place,
                to_daemon,
                kind,
                bytes: from_hex(digits),
            });
        }
    }
    packets
}

fn from_hex(digits: &str) -> Vec<u8> {
    let digit = |c: u8| (c as char).to_digit(16).expect("hex digit") as u8;
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}
