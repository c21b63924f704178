//! nfnetlink batches for the gate's sets. Pure.
//!
//! Figures from `linux/netfilter/nfnetlink.h` and `nf_tables.h`; numbers in attributes are big-endian.

use std::net::IpAddr;

use super::gate_rules::{SET_LEASE, SET_ND, SET_V4, SET_V6, TABLE};
use super::wire::{self, Writer};

const SUBSYS_NFTABLES: u16 = 10;
const NFPROTO_NETDEV: u8 = 5;
/// Length of `struct nfgenmsg`.
pub(crate) const NFGEN_LEN: usize = 4;

const MSG_BATCH_BEGIN: u16 = 0x10;
const MSG_BATCH_END: u16 = 0x11;
pub(crate) const NEWTABLE: u16 = kind(0);
pub(crate) const GETTABLE: u16 = kind(1);
const DELTABLE: u16 = kind(2);
pub(crate) const NEWCHAIN: u16 = kind(3);
pub(crate) const GETCHAIN: u16 = kind(4);
const DELCHAIN: u16 = kind(5);
const DELRULE: u16 = kind(8);
const DELSET: u16 = kind(11);
pub(crate) const NEWSETELEM: u16 = kind(12);
pub(crate) const GETSETELEM: u16 = kind(13);
const DELSETELEM: u16 = kind(14);

/// In tables, chains, rules, sets and elements alike, attribute 1 is the name of the table.
pub(crate) const ATTR_TABLE: u16 = 1;
const ATTR_SET: u16 = 2;
const ATTR_ELEMENTS: u16 = 3;
const ATTR_ELEMENT: u16 = 1;
const ATTR_KEY: u16 = 1;
const ATTR_TIMEOUT: u16 = 4;
const ATTR_DATA_VALUE: u16 = 1;

/// Elements in one message: an attribute's length has 16 bits.
const ELEMENTS_PER_MESSAGE: usize = 500;

/// Length of an interface name as the kernel compares it.
const IFNAMSIZ: usize = 16;

const fn kind(message: u16) -> u16 {
    (SUBSYS_NFTABLES << 8) | message
}

/// The header of a message about our table.
pub(crate) const NETDEV_HEADER: [u8; NFGEN_LEN] = [NFPROTO_NETDEV, 0, 0, 0];

/// True for messages that tell of something taken away from our table.
pub(crate) fn takes_away(message: &wire::Message<'_>) -> bool {
    matches!(
        message.kind,
        DELTABLE | DELCHAIN | DELRULE | DELSET | DELSETELEM
    ) && message.payload.first() == Some(&NFPROTO_NETDEV)
        && wire::find(message.payload, NFGEN_LEN, ATTR_TABLE)
            .is_some_and(|name| wire::text(name) == TABLE)
}

/// Builds one transaction; each message gets the next sequence number, and the last one asks for the answer.
pub(crate) struct Transaction {
    writer: Writer,
    seq: u32,
}

impl Transaction {
    pub(crate) fn new(first_seq: u32) -> Self {
        let mut transaction = Self {
            writer: Writer::default(),
            seq: first_seq,
        };
        transaction.frame(MSG_BATCH_BEGIN);
        transaction
    }

    fn frame(&mut self, kind: u16) {
        self.writer.message(kind, wire::FLAG_REQUEST, self.seq);
        let [high, low] = SUBSYS_NFTABLES.to_be_bytes();
        self.writer.raw(&[0, 0, high, low]);
        self.seq += 1;
    }

    /// Sets the life of the interfaces' elements, whether they exist or not.
    ///
    /// Adding again does not change the life time of an element (before Linux 6.12), and deleting a missing one would
    /// undo the transaction: so add, delete, add.
    pub(crate) fn refresh(&mut self, interfaces: &[String], timeout_ms: u64) {
        let keys: Vec<Vec<u8>> = interfaces.iter().map(|name| name_key(name)).collect();
        self.elements(NEWSETELEM, SET_LEASE, &keys, Some(timeout_ms));
        self.elements(DELSETELEM, SET_LEASE, &keys, None);
        self.elements(NEWSETELEM, SET_LEASE, &keys, Some(timeout_ms));
    }

    /// Empties the lease set.
    pub(crate) fn flush(&mut self) {
        self.start(DELSETELEM, SET_LEASE);
    }

    /// Puts addresses into a pair of sets, for so long, or takes them out.
    pub(crate) fn block(&mut self, sets: [&str; 2], timeout_ms: Option<u64>, addresses: &[IpAddr]) {
        let kind = timeout_ms.map_or(DELSETELEM, |_| NEWSETELEM);
        let (v4, v6): (Vec<&IpAddr>, Vec<&IpAddr>) = addresses.iter().partition(|ip| ip.is_ipv4());
        for (set, list) in sets.into_iter().zip([v4, v6]) {
            let keys: Vec<Vec<u8>> = list.into_iter().map(address_key).collect();
            self.elements(kind, set, &keys, timeout_ms);
        }
    }

    /// Adds or takes away blocked addresses.
    pub(crate) fn addresses(&mut self, add: bool, addresses: &[IpAddr]) {
        let kind = if add { NEWSETELEM } else { DELSETELEM };
        let (v4, v6): (Vec<&IpAddr>, Vec<&IpAddr>) = addresses.iter().partition(|ip| ip.is_ipv4());
        let keys = |list: &[&IpAddr]| list.iter().map(|ip| address_key(ip)).collect::<Vec<_>>();
        self.elements(kind, SET_V4, &keys(&v4), None);
        self.elements(kind, SET_V6, &keys(&v6), None);
        self.elements(kind, SET_ND, &keys(&v6), None);
    }

    /// The bytes to send.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.frame(MSG_BATCH_END);
        self.writer.finish()
    }

    fn start(&mut self, kind: u16, set: &str) {
        let flags = if kind == NEWSETELEM {
            wire::FLAG_CREATE
        } else {
            0
        };
        self.writer
            .message(kind, wire::FLAG_REQUEST | wire::FLAG_ACK | flags, self.seq);
        self.writer.raw(&NETDEV_HEADER);
        self.writer.text(ATTR_TABLE, TABLE);
        self.writer.text(ATTR_SET, set);
        self.seq += 1;
    }

    fn elements(&mut self, kind: u16, set: &str, keys: &[Vec<u8>], timeout_ms: Option<u64>) {
        for chunk in keys.chunks(ELEMENTS_PER_MESSAGE) {
            self.start(kind, set);
            let list = self.writer.nest(ATTR_ELEMENTS);
            for key in chunk {
                let element = self.writer.nest(ATTR_ELEMENT);
                let nest = self.writer.nest(ATTR_KEY);
                self.writer.attribute(ATTR_DATA_VALUE, key);
                self.writer.close(&nest);
                if let Some(timeout_ms) = timeout_ms {
                    self.writer
                        .attribute(ATTR_TIMEOUT, &timeout_ms.to_be_bytes());
                }
                self.writer.close(&element);
            }
            self.writer.close(&list);
        }
    }
}

/// A request that lists the elements of one set.
pub(crate) fn list_elements(seq: u32, set: &str) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.message(GETSETELEM, wire::FLAG_REQUEST | wire::FLAG_DUMP, seq);
    writer.raw(&NETDEV_HEADER);
    writer.text(ATTR_TABLE, TABLE);
    writer.text(ATTR_SET, set);
    writer.finish()
}

/// The keys in an answer to `list_elements`.
pub(crate) fn element_keys<'a>(message: &wire::Message<'a>) -> impl Iterator<Item = &'a [u8]> {
    let list = wire::find(message.payload, NFGEN_LEN, ATTR_ELEMENTS).unwrap_or_default();
    wire::attributes(list, 0).filter_map(|(_, element)| {
        let key = wire::find(element, 0, ATTR_KEY)?;
        wire::find(key, 0, ATTR_DATA_VALUE)
    })
}

fn name_key(interface: &str) -> Vec<u8> {
    let mut key = interface.as_bytes().to_vec();
    key.resize(IFNAMSIZ, 0);
    key
}

pub(crate) fn address_key(ip: &IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_is_begin_add_delete_add_end() {
        let mut transaction = Transaction::new(5);
        transaction.refresh(&["eth1".to_owned()], 400);
        let bytes = transaction.finish();
        let found: Vec<_> = wire::messages(&bytes).map(|m| (m.kind, m.seq)).collect();
        let kinds = [0x10, 0xa0c, 0xa0e, 0xa0c, 0x11];
        assert_eq!(found, kinds.into_iter().zip(5..).collect::<Vec<_>>());
        let add = wire::messages(&bytes).nth(1).unwrap();
        assert!(
            add.payload
                .windows(8)
                .any(|w| w == [0, 0, 0, 0, 0, 0, 1, 0x90])
        );
        assert_eq!(
            element_keys(&add).next(),
            Some(&b"eth1\0\0\0\0\0\0\0\0\0\0\0\0"[..])
        );
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn the_bytes_of_a_flush() {
        let mut transaction = Transaction::new(1);
        transaction.flush();
        let bytes = transaction.finish();
        let expected: &[u8] = &[
            20, 0, 0, 0, 0x10, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, // begin
            44, 0, 0, 0, 14, 10, 5, 0, 2, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, // delete elements
            9, 0, 1, 0, b'c', b't', b'd', b'b', 0, 0, 0, 0, // table
            10, 0, 2, 0, b'l', b'e', b'a', b's', b'e', 0, 0, 0, // set
            20, 0, 0, 0, 0x11, 0, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, // end
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn only_losses_of_our_table_count() {
        let mut writer = Writer::default();
        for (kind, family, table) in [
            (DELTABLE, 5, "ctdb"),
            (DELTABLE, 1, "ctdb"),
            (DELTABLE, 5, "other"),
            (NEWTABLE, 5, "ctdb"),
        ] {
            writer.message(kind, 0, 1);
            writer.raw(&[family, 0, 0, 0]);
            writer.text(ATTR_TABLE, table);
        }
        let bytes = writer.finish();
        let found: Vec<bool> = wire::messages(&bytes).map(|m| takes_away(&m)).collect();
        assert_eq!(found, [true, false, false, false]);
    }
}
