//! The text of the LVS table: which node serves a frame for the LVS address, and on to it. Pure.
//!
//! At the ingress hook of the interface towards the clients, behind the lease gate. Found out on Linux 6.18: the source
//! MAC must be rewritten as well as the destination, or the switch learns the client on the wrong port; `jhash` without
//! a seed takes another one with each load. nft 1.0.6 can't put keys of more than 16 bytes into a map from a packet, takes
//! no raw bytes of a packet for a key that has ports in it, and crashes when it lists a map whose key was declared as a hash.
//! So flows are known by two hashes, which an ICMP error can make of what it quotes as well, and the keys are declared
//! as lengths: numbers of 32 bits, like them.
//!
//! * A frame for another node, which a switch floods while it does not know where that is, is no matter of this one: each
//!   node would pass a copy on.
//! * What another node of the group passed on is served here, whatever this table would say.
//! * A TCP packet that begins a connection goes by the buckets; any other one goes where its flow went before, unless
//!   that node is lost.
//! * ICMP errors go where the flow went that they tell of, else by its bucket. Fragments go by the client's address alone, so
//!   that all of one packet meet.

use std::fmt::Write;
use std::net::IpAddr;

use ctdb_protocol::lvs::buckets;
use ctdb_protocol::lvs::io::Plan;
use ctdb_protocol::lvs::message::Mac;

/// Name of the table (family netdev). It carries nothing else.
pub(crate) const TABLE: &str = "ctdb_lvs";
/// The chain at the hook.
pub(crate) const CHAIN: &str = "in";
/// Behind the lease gate's -500: what it drops is not passed on.
const PRIORITY: i32 = -400;
/// Same on all nodes and for ever: each node must find the same bucket for a flow.
const SEED: u32 = 0x1c7d_b175;
/// The same for the two numbers that a flow is known by.
const FLOW_SEEDS: [u32; 2] = [0x53a9_0d6f, 0x8e21_f4b7];
/// Most flows that are remembered; further ones go by the buckets alone.
const FLOWS_MAX: u32 = 262_144;

/// Where this node's frames go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) interface: String,
    pub(crate) mac: Mac,
}

/// How the packets of an address family are read.
struct Family {
    /// Matches packets to the address.
    to: &'static str,
    /// Client address and both ports.
    flow: &'static str,
    /// The same as an ICMP error quotes it, ports the other way round.
    quoted: &'static str,
    client: &'static str,
    fragment: &'static str,
    error: &'static str,
}

const V4: Family = Family {
    to: "ip daddr",
    flow: "ip saddr . th sport . th dport",
    quoted: "@th,192,32 . @th,240,16 . @th,224,16",
    client: "ip saddr",
    fragment: "ip frag-off & 0x3fff != 0",
    error: "icmp type { destination-unreachable, time-exceeded, parameter-problem }",
};

const V6: Family = Family {
    to: "ip6 daddr",
    flow: "@nh,64,128 . @th,0,16 . @th,16,16",
    quoted: "@th,256,128 . @th,400,16 . @th,384,16",
    client: "@nh,64,128",
    fragment: "exthdr frag exists",
    error: "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem }",
};

/// A batch that removes the table, whether it exists or not.
pub(crate) fn removal() -> String {
    format!("add table netdev {TABLE}\ndelete table netdev {TABLE}\n")
}

/// A batch that builds the table anew, without any flow.
pub(crate) fn build(address: IpAddr, port: &Port, plan: &Plan) -> String {
    let Family {
        to,
        flow,
        quoted,
        client,
        fragment,
        error,
    } = if address.is_ipv4() { V4 } else { V6 };
    let (own, interface) = (mac_text(port.mac), &port.interface);
    let bucket = |of: &str| {
        let count = buckets::BUCKETS;
        format!("ether daddr set jhash {of} mod {count} seed {SEED:#x} map @buckets")
    };
    let (by_flow, by_quoted, by_client) = (bucket(flow), bucket(quoted), bucket(client));
    let key = |of: &str| {
        let hash = |seed| format!("jhash {of} mod {} seed {seed:#x}", u32::MAX);
        FLOW_SEEDS.map(hash).join(" . ")
    };
    let (flow, quoted) = (key(flow), key(quoted));
    let mut text = removal();
    let _ = write!(
        text,
        "table netdev {TABLE} {{
  map buckets {{ typeof meta length : ether daddr; }}
  set seats {{ type ether_addr; }}
  map flows {{ typeof meta length . meta length : ether daddr; size {FLOWS_MAX}; flags dynamic,timeout; timeout 1h; }}
  chain send {{
    ether daddr {own} accept
    ether saddr set {own} fwd to \"{interface}\"
  }}
  chain keep {{
    update @flows {{ {flow} : ether daddr }}
    goto send
  }}
  chain begin {{
    {by_flow} goto keep
  }}
  chain error {{
    ether daddr set {quoted} map @flows ether daddr @seats goto send
    {by_quoted} goto send
  }}
  chain fragment {{
    {by_client} goto send
  }}
  chain balance {{
    ether saddr @seats accept
    {fragment} goto fragment
    {error} goto error
    meta l4proto != {{ tcp, udp }} accept
    tcp flags & (syn|ack) == syn goto begin
    ether daddr set {flow} map @flows ether daddr @seats goto keep
    goto begin
  }}
  chain {CHAIN} {{
    type filter hook ingress device \"{interface}\" priority {PRIORITY}; policy accept;
    meta pkttype host {to} {address} goto balance
  }}
}}
"
    );
    text.push_str(&elements(plan));
    text
}

/// A batch that puts another plan into the table; remembered flows stay.
pub(crate) fn update(plan: &Plan) -> String {
    let flush = format!("flush map netdev {TABLE} buckets\nflush set netdev {TABLE} seats\n");
    flush + &elements(plan)
}

fn elements(plan: &Plan) -> String {
    let mut text = String::new();
    // Two nodes with one MAC can't be; nft takes it twice in one batch all the same.
    let seats: Vec<String> = plan.seats.values().map(|mac| mac_text(*mac)).collect();
    if !seats.is_empty() {
        let seats = seats.join(", ");
        let _ = writeln!(text, "add element netdev {TABLE} seats {{ {seats} }}");
    }
    let of_bucket = |(bucket, pnn)| {
        let mac = plan.seats.get(&pnn)?;
        Some(format!("{bucket} : {}", mac_text(*mac)))
    };
    let table = buckets::table(&plan.live).into_iter().enumerate();
    let filled: Vec<String> = table.filter_map(of_bucket).collect();
    if !filled.is_empty() {
        let filled = filled.join(", ");
        let _ = writeln!(text, "add element netdev {TABLE} buckets {{ {filled} }}");
    }
    text
}

fn mac_text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ctdb_protocol::id::Pnn;

    fn plan() -> Plan {
        let seat = |pnn: u8| (Pnn(pnn.into()), [2, 0, 0, 0, 0, pnn]);
        Plan {
            member: true,
            receives: true,
            seats: [0, 1, 2].map(seat).into(),
            live: vec![Pnn(0), Pnn(2)],
        }
    }

    #[test]
    fn every_bucket_has_a_live_node_and_every_seat_is_known() {
        let text = update(&plan());
        assert_eq!(
            text.matches("02:00:00:00:00:01").count(),
            1,
            "as a seat alone"
        );
        let buckets = text.lines().last().expect("lines");
        assert_eq!(buckets.matches(" : 02:").count(), buckets::BUCKETS);
        assert!(buckets.contains("{ 0 : 02:") && buckets.contains(", 4095 : 02:"));
        assert!(!text.contains("flows"), "they stay");
    }

    #[test]
    fn a_table_without_servers_is_whole_too() {
        let port = Port {
            interface: "eth1".into(),
            mac: [2, 0, 0, 0, 0, 9],
        };
        let text = build(IpAddr::from([10, 1, 1, 237]), &port, &Plan::default());
        assert!(text.contains("meta pkttype host ip daddr 10.1.1.237 goto balance"));
        assert!(text.contains("fwd to \"eth1\"") && !text.contains("add element"));
    }
}
