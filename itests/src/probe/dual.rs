//! Whether two nodes answer for one address at once.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use pnet::datalink::{self, Channel, Config, DataLinkSender, NetworkInterface};
use serde_json::{Value, json};

use super::frame::Own;
use super::spans::Spans;
use super::stop::Stop;

/// Between two rounds of questions.
const PERIOD: Duration = Duration::from_millis(20);
/// Two rounds: what is shorter cannot be told from a hand-over, in seconds.
const RESOLUTION_S: f64 = 0.04;

/// For how long two nodes answered for an address at once.
#[derive(Debug, Clone, PartialEq)]
pub struct DualReport {
    /// The longest of all addresses in seconds; 0 below the resolution of 40 ms.
    pub longest_s: f64,
    /// The addresses with an overlap.
    pub addresses: Vec<(IpAddr, f64)>,
}

impl DualReport {
    fn new(spans: &BTreeMap<IpAddr, Spans>) -> Self {
        let addresses: Vec<(IpAddr, f64)> = spans
            .iter()
            .map(|(ip, spans)| (*ip, spans.longest_overlap_s()))
            .filter(|(_, overlap_s)| *overlap_s > RESOLUTION_S)
            .collect();
        let longest_s = addresses.iter().map(|entry| entry.1).fold(0.0, f64::max);
        Self {
            longest_s,
            addresses,
        }
    }

    /// One JSON object: `{"dual_s": .., "addresses": {"10.0.0.1": ..}}`.
    pub fn to_json(&self) -> Value {
        let entry = |(ip, overlap_s): &(IpAddr, f64)| (ip.to_string(), json!(overlap_s));
        let addresses: serde_json::Map<_, _> = self.addresses.iter().map(entry).collect();
        json!({ "dual_s": self.longest_s, "addresses": addresses })
    }

    /// Reads what `to_json` wrote.
    pub fn from_json(value: &Value) -> Option<Self> {
        let read = |(ip, overlap): (&String, &Value)| Some((ip.parse().ok()?, overlap.as_f64()?));
        let addresses = value["addresses"].as_object()?;
        Some(Self {
            longest_s: value["dual_s"].as_f64()?,
            addresses: addresses.iter().map(read).collect::<Option<_>>()?,
        })
    }
}

fn own(interface: &NetworkInterface) -> Result<Own> {
    let mac = interface
        .mac
        .ok_or_else(|| Error::other("interface without a MAC"))?;
    let ipv4 = interface.ips.iter().find_map(|net| match net.ip() {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    });
    // The global one where there is one: a link-local source would do, but only within the scope.
    let ipv6 = interface.ips.iter().filter_map(|net| match net.ip() {
        IpAddr::V6(ip) => Some(ip),
        IpAddr::V4(_) => None,
    });
    Ok(Own {
        mac: mac.octets(),
        ipv4,
        ipv6: ipv6.max_by_key(|ip| !ip.is_unicast_link_local()),
        ident: std::process::id() as u16,
    })
}

/// Asks all addresses, and every MAC that ever answered, each 20 ms until `stop`.
pub fn dual(name: &str, addresses: &[IpAddr], stop: &Stop) -> Result<DualReport> {
    let interface = datalink::interfaces()
        .into_iter()
        .find(|interface| interface.name == name)
        .ok_or_else(|| Error::other(format!("no interface {name}")))?;
    let own = own(&interface)?;
    let config = Config {
        read_timeout: Some(Duration::from_millis(2)),
        read_buffer_size: 2048,
        ..Config::default()
    };
    let Channel::Ethernet(mut sender, mut receiver) = datalink::channel(&interface, config)? else {
        return Err(Error::other(format!("{name} is no Ethernet interface")));
    };
    let mut spans: BTreeMap<IpAddr, Spans> =
        addresses.iter().map(|ip| (*ip, Spans::default())).collect();
    println!("READY");
    let start = Instant::now();
    let (mut next, mut seq) = (start, 0_u16);
    while !stop.reached() {
        if Instant::now() >= next {
            next += PERIOD;
            seq = seq.wrapping_add(1);
            ask(&own, &spans, seq, sender.as_mut());
        }
        match receiver.next() {
            Ok(frame) => {
                if let Some((ip, mac)) = own.answer(frame)
                    && mac != own.mac
                    && let Some(spans) = spans.get_mut(&ip)
                {
                    spans.answered(mac, start.elapsed().as_secs_f64());
                }
            }
            Err(error) if error.kind() == ErrorKind::TimedOut => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(DualReport::new(&spans))
}

fn ask(own: &Own, spans: &BTreeMap<IpAddr, Spans>, seq: u16, sender: &mut dyn DataLinkSender) {
    for (ip, spans) in spans {
        let echoes = spans.holders().filter_map(|mac| own.echo_to(mac, *ip, seq));
        for frame in own.question(*ip).into_iter().chain(echoes) {
            // A full queue costs one question.
            let _ = sender.send_to(&frame, None);
        }
    }
}
