//! How long addresses are silent.

use std::io::{ErrorKind, Read, Result};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use serde_json::{Value, json};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::frame::{echo, echo_tag};
use super::stop::Stop;

/// Between two questions.
const PERIOD: Duration = Duration::from_millis(10);
/// Silence at the end that counts as an outage not yet over, in seconds.
const STILL_OUT_S: f64 = 0.5;

/// The longest silence of one address.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gap {
    /// Its length in seconds.
    pub length_s: f64,
    /// When it began, in seconds from the start.
    pub at_s: f64,
    /// The address did not answer any more at the end.
    pub still_out: bool,
}

/// The gap of each address; `None` if it never answered.
#[derive(Debug, Clone, PartialEq)]
pub struct OutageReport(pub Vec<(IpAddr, Option<Gap>)>);

impl OutageReport {
    /// One JSON object: `{"10.0.0.1": {"gap_s": .., "at_s": .., "still_out": ..}, "10.0.0.2": null}`.
    pub fn to_json(&self) -> Value {
        let entry = |gap: &Gap| json!({ "gap_s": gap.length_s, "at_s": gap.at_s, "still_out": gap.still_out });
        self.0
            .iter()
            .map(|(ip, gap)| (ip.to_string(), gap.as_ref().map_or(Value::Null, entry)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    /// Reads what `to_json` wrote.
    pub fn from_json(value: &Value) -> Option<Self> {
        let gap = |entry: &Value| {
            Some(Gap {
                length_s: entry["gap_s"].as_f64()?,
                at_s: entry["at_s"].as_f64()?,
                still_out: entry["still_out"].as_bool()?,
            })
        };
        let read = |(ip, entry): (&String, &Value)| Some((ip.parse().ok()?, gap(entry)));
        value
            .as_object()?
            .iter()
            .map(read)
            .collect::<Option<_>>()
            .map(Self)
    }
}

/// The replies of one address.
#[derive(Debug, Clone, Copy, Default)]
struct Track {
    last_s: Option<f64>,
    longest: (f64, f64),
}

impl Track {
    fn replied(&mut self, at_s: f64) {
        if let Some(last) = self.last_s
            && at_s - last > self.longest.0
        {
            self.longest = (at_s - last, last);
        }
        self.last_s = Some(at_s);
    }

    fn gap(&self, end_s: f64) -> Option<Gap> {
        let last = self.last_s?;
        let (length_s, at_s) = if end_s - last > self.longest.0 {
            (end_s - last, last)
        } else {
            self.longest
        };
        let still_out = end_s - last > STILL_OUT_S;
        Some(Gap {
            length_s,
            at_s,
            still_out,
        })
    }
}

struct Pinger {
    socket: Socket,
    version6: bool,
    ident: u16,
}

impl Pinger {
    fn open(version6: bool) -> Result<Self> {
        let (domain, protocol) = if version6 {
            (Domain::IPV6, Protocol::ICMPV6)
        } else {
            (Domain::IPV4, Protocol::ICMPV4)
        };
        let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
        socket.set_nonblocking(true)?;
        let ident = std::process::id() as u16;
        Ok(Self {
            socket,
            version6,
            ident,
        })
    }

    /// A send that fails is a question without an answer, nothing more.
    fn ask(&self, ip: IpAddr, seq: u16, tag: u16) {
        let packet = echo(self.version6, self.ident, seq, tag);
        let _ = self
            .socket
            .send_to(&packet, &SockAddr::from(SocketAddr::new(ip, 0)));
    }

    /// The tags of the replies that are there.
    fn replies(&self) -> Result<Vec<u16>> {
        let mut buffer = [0; 256];
        let mut tags = Vec::new();
        loop {
            match (&self.socket).read(&mut buffer) {
                Ok(count) => tags.extend(echo_tag(self.version6, self.ident, &buffer[..count])),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(tags),
                // An ICMP error for one of the addresses.
                Err(error) if error.kind() != ErrorKind::Interrupted => return Ok(tags),
                Err(_) => {}
            }
        }
    }
}

/// Asks all addresses every 10 ms until `stop`.
pub fn outage(addresses: &[IpAddr], stop: &Stop) -> Result<OutageReport> {
    let mut tracks = vec![Track::default(); addresses.len()];
    let mut pingers = Vec::new();
    for version6 in [false, true] {
        if addresses.iter().any(|ip| ip.is_ipv6() == version6) {
            pingers.push(Pinger::open(version6)?);
        }
    }
    println!("READY");
    let start = Instant::now();
    let (mut next, mut seq) = (start, 0_u16);
    while !stop.reached() {
        if Instant::now() >= next {
            seq = seq.wrapping_add(1);
            for (tag, ip) in addresses.iter().enumerate() {
                let pinger = pingers
                    .iter()
                    .find(|pinger| pinger.version6 == ip.is_ipv6());
                if let Some(pinger) = pinger {
                    pinger.ask(*ip, seq, tag as u16);
                }
            }
            next += PERIOD;
        }
        wait_readable(&pingers, next.saturating_duration_since(Instant::now()));
        for pinger in &pingers {
            let tags = pinger.replies()?;
            let at_s = start.elapsed().as_secs_f64();
            for tag in tags {
                if let Some(track) = tracks.get_mut(usize::from(tag)) {
                    track.replied(at_s);
                }
            }
        }
    }
    let end_s = start.elapsed().as_secs_f64();
    let gaps = addresses.iter().zip(&tracks);
    Ok(OutageReport(
        gaps.map(|(ip, track)| (*ip, track.gap(end_s))).collect(),
    ))
}

fn wait_readable(pingers: &[Pinger], limit: Duration) {
    let mut fds: Vec<PollFd<'_>> = pingers
        .iter()
        .map(|pinger| PollFd::new(&pinger.socket, PollFlags::IN))
        .collect();
    let limit = Timespec::try_from(limit).ok();
    // An interrupted wait is a short one.
    let _ = poll(&mut fds, limit.as_ref());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_counts_and_one_at_the_end_is_still_out() {
        let mut track = Track::default();
        assert_eq!(track.gap(1.0), None);
        for at in [0.0, 0.01, 1.5, 1.51, 2.0] {
            track.replied(at);
        }
        let gap = track.gap(2.1).unwrap();
        assert!(
            (gap.length_s - 1.49).abs() < 1e-9 && (gap.at_s - 0.01).abs() < 1e-9 && !gap.still_out
        );
        let gap = track.gap(9.0).unwrap();
        assert!((gap.length_s - 7.0).abs() < 1e-9 && gap.still_out);
    }

    #[test]
    fn the_report_survives_json() {
        let gap = Gap {
            length_s: 0.5,
            at_s: 1.0,
            still_out: false,
        };
        let report = OutageReport(vec![
            ("10.0.0.1".parse().unwrap(), Some(gap)),
            ("fd00::1".parse().unwrap(), None),
        ]);
        assert_eq!(OutageReport::from_json(&report.to_json()), Some(report));
    }
}
