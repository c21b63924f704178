//! Whether the nodes have the same nodes file in force.
//!
//! Every node tells a digest of its file with its state. A peer with another one for `DIFFERS_AFTER` is sent the lines, so
//! that it can name the first that differs; it sends its own. A reload of all nodes takes less.

use crate::hash::wide_key_hash;
use crate::id::Pnn;
use crate::notice::Notice;
use crate::time::Instant;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// The address of each line of a nodes file; none of a line that is commented out.
pub type Lines = Vec<Option<IpAddr>>;

/// For how long files may differ before it is a mistake.
const DIFFERS_AFTER: Duration = Duration::from_secs(3);

#[derive(Clone, Debug, Default)]
struct Peer {
    /// Its digest, while it is connected.
    digest: Option<u64>,
    /// When it is sent the lines here, unless the files agree by then.
    tell_at: Option<Instant>,
    /// The log says that it differs.
    named: bool,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Drift {
    lines: Lines,
    digest: u64,
    peers: BTreeMap<Pnn, Peer>,
}

impl Drift {
    pub(super) fn new(lines: Lines) -> Self {
        Self {
            digest: digest(&lines),
            lines,
            peers: BTreeMap::new(),
        }
    }

    /// The lines in force here.
    pub(super) fn lines(&self) -> Lines {
        self.lines.clone()
    }

    /// What peers are told.
    pub(super) const fn digest(&self) -> u64 {
        self.digest
    }

    /// Another file is in force here.
    pub(super) fn replace(&mut self, now: Instant, lines: Lines) -> Vec<Notice> {
        self.digest = digest(&lines);
        self.lines = lines;
        let own = self.digest;
        let peers = self.peers.iter_mut();
        peers
            .filter_map(|(pnn, peer)| peer.judge(now, own, *pnn))
            .collect()
    }

    /// A peer is connected and tells this digest.
    pub(super) fn hear(&mut self, now: Instant, pnn: Pnn, digest: u64) -> Option<Notice> {
        let own = self.digest;
        let peer = self.peers.entry(pnn).or_default();
        if peer.digest.replace(digest) == Some(digest) {
            return None;
        }
        peer.judge(now, own, pnn)
    }

    /// A peer is lost.
    pub(super) fn lose(&mut self, pnn: Pnn) {
        if let Some(peer) = self.peers.get_mut(&pnn) {
            peer.digest = None;
            peer.tell_at = None;
        }
    }

    /// The peers that are to be sent the lines now.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Pnn> {
        let due = self.peers.iter_mut().filter_map(|(pnn, peer)| {
            peer.tell_at.take_if(|at| *at <= now)?;
            Some(*pnn)
        });
        due.collect()
    }

    /// When to call [`Drift::take_due`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.peers.values().filter_map(|peer| peer.tell_at).min()
    }

    /// A peer's lines came: what the log says, if they are still in force there and not here.
    pub(super) fn compare(&mut self, pnn: Pnn, theirs: &Lines) -> Option<Notice> {
        let peer = self.peers.get_mut(&pnn)?;
        if peer.digest != Some(digest(theirs)) {
            return None;
        }
        let count = self.lines.len().max(theirs.len());
        let differs = |line: &usize| self.lines.get(*line) != theirs.get(*line);
        let line = (0..count).find(differs)?;
        peer.named = true;
        Some(Notice::NodesDiffer {
            peer: pnn,
            line: line as u32,
            there: shown(theirs.get(line)),
            here: shown(self.lines.get(line)),
        })
    }
}

impl Peer {
    /// One of the two digests changed.
    fn judge(&mut self, now: Instant, own: u64, pnn: Pnn) -> Option<Notice> {
        let differs = self.digest.is_some_and(|digest| digest != own);
        self.tell_at = differs.then(|| now + DIFFERS_AFTER);
        let agrees = self.digest == Some(own);
        let news = agrees && core::mem::take(&mut self.named);
        news.then_some(Notice::NodesAgree { peer: pnn })
    }
}

fn digest(lines: &Lines) -> u64 {
    let texts = lines.iter().map(|line| shown(Some(line)) + "\n");
    wide_key_hash(texts.collect::<String>().as_bytes())
}

fn shown(line: Option<&Option<IpAddr>>) -> String {
    match line {
        None => String::from("nothing"),
        Some(None) => String::from("a deleted node"),
        Some(Some(address)) => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Pnn = Pnn(1);

    /// `1`: the node with that last octet; `#`: a deleted one.
    fn lines(text: &str) -> Lines {
        let line = |word: &str| {
            let octet = word.parse().ok()?;
            Some(IpAddr::from([10, 0, 0, octet]))
        };
        text.split(' ').map(line).collect()
    }

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    fn with_peer(own: &str, theirs: &str) -> Drift {
        let mut drift = Drift::new(lines(own));
        assert_eq!(drift.hear(at(0), PEER, digest(&lines(theirs))), None);
        drift
    }

    #[test]
    fn the_first_differing_line_is_named() {
        for (own, theirs, expected) in [
            (
                "1 2 3",
                "1 2 4",
                "node 2 is 10.0.0.4 there and 10.0.0.3 here",
            ),
            (
                "1 2 3",
                "1 # 4",
                "node 1 is a deleted node there and 10.0.0.2 here",
            ),
            ("1 2", "1 2 3", "node 2 is 10.0.0.3 there and nothing here"),
            (
                "1 2 #",
                "1 2",
                "node 2 is nothing there and a deleted node here",
            ),
        ] {
            let mut drift = with_peer(own, theirs);
            let notice = drift.compare(PEER, &lines(theirs)).expect(theirs);
            let said = notice.to_string();
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn it_is_told_once_when_files_differ_for_a_while_and_when_they_agree_again() {
        let mut drift = with_peer("1 2", "1 2 3");
        assert_eq!(drift.deadline(), Some(at(3_000)));
        assert_eq!(drift.take_due(at(2_999)), []);
        assert_eq!(drift.take_due(at(3_000)), [PEER]);
        assert_eq!(drift.deadline(), None);
        assert!(drift.compare(PEER, &lines("1 2 3")).is_some());
        let agree = Notice::NodesAgree { peer: PEER };
        assert_eq!(drift.replace(at(9_000), lines("1 2 3")), [agree]);
        assert_eq!(drift.replace(at(9_000), lines("1 2 3")), []);
    }

    #[test]
    fn a_reload_of_all_nodes_is_no_difference() {
        let mut drift = with_peer("1 2", "1 2");
        assert_eq!(drift.replace(at(1_000), lines("1 2 3")), []);
        assert_eq!(drift.deadline(), Some(at(4_000)));
        let new = digest(&lines("1 2 3"));
        assert_eq!(drift.hear(at(1_200), PEER, new), None);
        assert_eq!(drift.deadline(), None);
    }

    #[test]
    fn a_peer_that_was_away_is_known_to_have_differed() {
        let mut drift = with_peer("1 2", "1 2 3");
        drift.compare(PEER, &lines("1 2 3"));
        drift.lose(PEER);
        assert_eq!(drift.deadline(), None);
        assert_eq!(drift.compare(PEER, &lines("1 2 3")), None, "it is away");
        let agree = Some(Notice::NodesAgree { peer: PEER });
        assert_eq!(drift.hear(at(9_000), PEER, digest(&lines("1 2"))), agree);
    }

    #[test]
    fn lines_that_are_not_in_force_any_more_say_nothing() {
        let mut drift = with_peer("1 2", "1 2 3");
        drift.hear(at(1), PEER, digest(&lines("1 2")));
        assert_eq!(drift.compare(PEER, &lines("1 2 3")), None);
    }
}
