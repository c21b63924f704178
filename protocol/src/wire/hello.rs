//! The first frame on a link, in both directions, and its acceptance.

use super::bytes::Bytes;
use crate::id::{Instance, Pnn};
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// Version of the node protocol; nodes of different versions refuse each other.
pub const VERSION: u16 = 10;
/// First field of a hello, so that a stranger is recognised at once ("CTDR").
pub const MAGIC: u32 = 0x4354_4452;

/// The release of CTDB that this one stands for towards clients: major and minor number. What clients on
/// different nodes agree on among themselves may differ between releases.
pub const RELEASE: Release = Release::new(4, 17);

/// A release of CTDB: major number in the upper 16 bits, minor number in the lower ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release(pub u32);

impl Release {
    /// From its two numbers.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self(((major as u32) << 16) | minor as u32)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 >> 16, self.0 & 0xffff)
    }
}

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Lane {
    /// Keepalives, elections, recovery, takeover.
    Control,
    /// Records and client messages.
    Data,
}

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`MAGIC`].
    pub magic: u32,
    /// [`VERSION`].
    pub version: u16,
    /// [`RELEASE`].
    pub release: Release,
    /// Optional abilities, a bit each; unknown bits are ignored.
    pub features: u64,
    /// What the link is for.
    pub lane: Lane,
    /// `[cluster] name`; both sides must have the same.
    pub cluster: String,
    /// The node that the sender claims to be.
    pub pnn: Pnn,
    /// The node that the sender believes to speak to.
    pub peer: Pnn,
    /// The sender's life.
    pub instance: Instance,
    /// The composition the sender belongs to; another one than ours means that it joins.
    pub generation: u32,
    /// Room for a proof of the cluster key; empty today.
    pub key_proof: Bytes,
}

/// What a node checks a hello against.
#[derive(Clone, Debug)]
pub struct Expected<'a> {
    /// Our `[cluster] name`.
    pub cluster: &'a str,
    /// Our own number.
    pub own: Pnn,
    /// The address that the nodes file gives for the claimed number, if it gives one.
    pub claimed_address: Option<IpAddr>,
    /// The address the connection really has.
    pub real_address: IpAddr,
}

impl Hello {
    /// Why nodes of different releases do not talk, unless `AllowMixedVersions` is set: the sentence to log
    /// on both sides.
    pub fn check_release(&self, own: Release) -> Result<(), String> {
        if self.release == own {
            return Ok(());
        }
        Err(format!(
            "release {} there, {own} here: run the same on all nodes (or set AllowMixedVersions)",
            self.release
        ))
    }

    /// Checks the hello of a peer; the error is the sentence to log on both sides.
    pub fn check(&self, expected: &Expected<'_>) -> Result<(), String> {
        if self.magic != MAGIC {
            return Err(String::from(
                "not a ctdb node: check what else uses this port",
            ));
        }
        if self.version != VERSION {
            return Err(format!(
                "protocol version {} here, {VERSION} there: install the same release on all nodes",
                self.version
            ));
        }
        if self.cluster != expected.cluster {
            return Err(format!(
                "cluster name '{}', expected '{}': compare [cluster] name on both nodes",
                self.cluster, expected.cluster
            ));
        }
        if self.pnn == expected.own {
            return Err(format!(
                "it claims to be node {}, which is this node",
                self.pnn
            ));
        }
        if self.peer != expected.own {
            return Err(format!(
                "it takes this node for node {}, but it is node {}: compare the nodes files",
                self.peer, expected.own
            ));
        }
        match expected.claimed_address {
            None => Err(format!(
                "it claims to be node {}, which the nodes file does not have",
                self.pnn
            )),
            Some(address) if address != expected.real_address => Err(format!(
                "it claims to be node {} ({address}), but connects from {}: compare the nodes files",
                self.pnn, expected.real_address
            )),
            Some(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            magic: MAGIC,
            version: VERSION,
            release: RELEASE,
            features: 0,
            lane: Lane::Control,
            cluster: String::from("c"),
            pnn: Pnn(1),
            peer: Pnn(0),
            instance: Instance(7),
            generation: 99,
            key_proof: Bytes::default(),
        }
    }

    fn check(hello: &Hello) -> Result<(), String> {
        let address = IpAddr::from([10, 0, 0, 2]);
        hello.check(&Expected {
            cluster: "c",
            own: Pnn(0),
            claimed_address: (hello.pnn == Pnn(1)).then_some(address),
            real_address: address,
        })
    }

    #[test]
    fn another_generation_is_no_reason_to_refuse() {
        assert_eq!(check(&hello()), Ok(()));
    }

    #[test]
    fn releases_must_be_the_same() {
        let mut other = hello();
        assert_eq!(other.check_release(RELEASE), Ok(()));
        other.release = Release::new(5, 17);
        let error = other.check_release(RELEASE).expect_err("another one");
        assert!(
            error.starts_with("release 5.17 there, 4.17 here"),
            "{error}"
        );
    }

    #[test]
    fn each_mismatch_is_named() {
        type Spoil = fn(&mut Hello);
        let cases: [(Spoil, &str); 6] = [
            (|h| h.magic = 1, "not a ctdb node"),
            (|h| h.version = u16::MAX, "protocol version"),
            (|h| h.cluster = String::from("x"), "cluster name 'x'"),
            (|h| h.pnn = Pnn(0), "which is this node"),
            (|h| h.peer = Pnn(2), "takes this node for node 2"),
            (|h| h.pnn = Pnn(5), "does not have"),
        ];
        for (spoil, expected) in cases {
            let mut bad = hello();
            spoil(&mut bad);
            let error = check(&bad).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
    }
}
