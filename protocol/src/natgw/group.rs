//! The file of a group: `ADDRESS [follower-only]` a line.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// Today's word, and the older one.
const FOLLOWER_ONLY: [&str; 2] = ["follower-only", "slave-only"];

/// A node of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its private address.
    pub address: IpAddr,
    /// The word that keeps it from being the gateway, as it stands in the file; empty: it may be one.
    pub option: String,
}

impl Member {
    /// It is never the gateway.
    pub const fn is_follower_only(&self) -> bool {
        !self.option.is_empty()
    }
}

/// See the module: the members in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group(pub Vec<Member>);

impl Group {
    /// Reads the file; the error names the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut members = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let mut words = line.split_whitespace();
            let Some(word) = words.next().filter(|word| !word.starts_with('#')) else {
                continue;
            };
            let number = index + 1;
            let address = word.parse().map_err(|_| {
                format!(
                    "line {number}: \"{word}\" is no address: a node's private address belongs here"
                )
            })?;
            let option = words.next().unwrap_or_default();
            let known = option.is_empty() || FOLLOWER_ONLY.contains(&option);
            if !known || words.next().is_some() {
                return Err(format!(
                    "line {number}: Invalid options \"{option}\": follower-only or nothing belongs after {address}"
                ));
            }
            members.push(Member {
                address,
                option: option.to_string(),
            });
        }
        Ok(Self(members))
    }

    /// The member of that address.
    pub fn member(&self, address: IpAddr) -> Option<&Member> {
        self.0.iter().find(|member| member.address == address)
    }

    /// Its addresses without order: what makes it the same group as another one.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut addresses: Vec<IpAddr> = self.0.iter().map(|member| member.address).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }
}
