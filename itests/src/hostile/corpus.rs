//! Valid frames to begin with.

const NODE: &str = include_str!("../../../protocol/src/wire/testdata/messages.txt");
const CLIENT: [&str; 2] = [
    include_str!("../../../protocol/src/client/testdata/smbd.hex"),
    include_str!("../../../protocol/src/client/testdata/tool.hex"),
];
/// Number of the control lane's messages, and of the data lane's, behind the length field.
const CONTROL: u8 = 2;
const DATA: u8 = 3;

/// Messages of the two lanes between nodes.
pub(super) struct Lanes {
    pub(super) control: Vec<Vec<u8>>,
    pub(super) data: Vec<Vec<u8>>,
}

pub(super) fn lanes() -> Lanes {
    let frames: Vec<Vec<u8>> = NODE
        .lines()
        .filter_map(|line| from_hex(line.split(' ').nth(1)?))
        .filter(|frame| frame.len() > 4)
        .collect();
    let of = |kind: u8| {
        frames
            .iter()
            .filter(|frame| frame[4] == kind)
            .cloned()
            .collect()
    };
    Lanes {
        control: of(CONTROL),
        data: of(DATA),
    }
}

/// Requests of clients. Those that would end the daemon in order, as they should, are left out.
pub(super) fn requests(harmless: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
    let lines = CLIENT.iter().flat_map(|text| text.lines());
    let sent = lines.filter_map(|line| line.strip_prefix("> "));
    let frames = sent.filter_map(|line| from_hex(line.split(' ').nth(1)?));
    frames.filter(|frame| harmless(frame)).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs =
        (0..text.len() / 2).map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok());
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_valid_frames_of_all_kinds() {
        let lanes = lanes();
        assert!(lanes.control.len() >= 8 && lanes.data.len() >= 10);
        for frame in lanes.control.iter().chain(&lanes.data) {
            let body = ctdb_protocol::wire::codec::decode(&frame[4..]);
            assert!(body.is_ok(), "{body:?}");
        }
        assert!(requests(|_| true).len() >= 30);
    }
}
