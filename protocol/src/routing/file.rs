//! The file of policy routes: `PUBLIC-ADDRESS NETWORK [GATEWAY]` a line.
//!
//! Blanks are arbitrary. A line whose first word is no public address is ignored, which makes `#` comments work. Host
//! bits of a network do not count.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use ipnet::IpNet;

/// One line that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The public address.
    pub address: IpAddr,
    /// Where to.
    pub network: IpNet,
    /// By whom; none: the network is on the link.
    pub gateway: Option<IpAddr>,
}

/// A line that can't be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {text}")]
pub struct Fault {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong, and what belongs there.
    pub text: String,
}

/// Reads the lines about addresses of which `is_public` knows.
pub fn parse(text: &str, is_public: impl Fn(IpAddr) -> bool) -> Result<Vec<Line>, Fault> {
    each(text, is_public).collect()
}

/// All that is wrong with them.
pub fn faults(text: &str, is_public: impl Fn(IpAddr) -> bool) -> Vec<Fault> {
    each(text, is_public).filter_map(Result::err).collect()
}

fn each(
    text: &str,
    is_public: impl Fn(IpAddr) -> bool,
) -> impl Iterator<Item = Result<Line, Fault>> {
    text.lines().zip(1..).filter_map(move |(text, line)| {
        let mut words = text.split_whitespace();
        let address = words.next().and_then(|word| word.parse().ok());
        let address = address.filter(|address| is_public(*address))?;
        let parsed = parse_rest(address, words);
        Some(parsed.map_err(|text| Fault { line, text }))
    })
}

fn parse_rest<'a>(
    address: IpAddr,
    mut words: impl Iterator<Item = &'a str>,
) -> Result<Line, String> {
    let word = words
        .next()
        .ok_or_else(|| format!("{address}: a network must follow, as 192.168.1.0/24"))?;
    let network = network(word)
        .filter(|network| network.addr().is_ipv4() == address.is_ipv4())
        .ok_or_else(|| format!("{address}: \"{word}\" is no network of its family"))?;
    let gateway = words.next().map(|word| {
        let gateway: Option<IpAddr> = word.parse().ok();
        gateway
            .filter(|gateway| gateway.is_ipv4() == address.is_ipv4())
            .ok_or_else(|| format!("{address}: \"{word}\" is no gateway of its family"))
    });
    if let Some(word) = words.next() {
        return Err(format!("{address}: \"{word}\" is too much"));
    }
    Ok(Line {
        address,
        network,
        gateway: gateway.transpose()?,
    })
}

/// A network, host bits or not; an address alone is a network of its own; `default` as ip(8) knows it is none here.
pub fn network(word: &str) -> Option<IpNet> {
    match word.parse::<IpNet>() {
        Ok(net) => Some(net.trunc()),
        Err(_) => word.parse::<IpAddr>().ok().map(IpNet::from),
    }
}
