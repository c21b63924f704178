//! What the kernel has of our table, to find out whether somebody changed it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rustix::io::Errno;

use super::error::Result;
use super::gate_rules::{SET_ND, SET_V4, SET_V6, TABLE};
use super::gate_wire::{
    ATTR_TABLE, GETCHAIN, GETTABLE, NETDEV_HEADER, NEWCHAIN, NEWSETELEM, NEWTABLE, NFGEN_LEN,
    address_key, element_keys, list_elements,
};
use super::socket::NetlinkSocket;
use super::wire::{self, Writer};

const TABLE_HANDLE: u16 = 4;
const CHAIN_HANDLE: u16 = 2;
/// The number of rules in the chain.
const CHAIN_USE: u16 = 6;

/// Table and chains by the handles that the kernel never gives twice, and each chain's number of rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Fingerprint {
    table: Option<Vec<u8>>,
    chains: BTreeSet<(Vec<u8>, Vec<u8>)>,
}

impl Fingerprint {
    pub(crate) fn chain_count(&self) -> usize {
        self.chains.len()
    }

    /// Reads the present state; a missing table is a fingerprint too.
    pub(crate) fn read(socket: &mut NetlinkSocket) -> Result<Self> {
        let mut found = Self::default();
        let mut request = Writer::default();
        request.message(GETTABLE, wire::FLAG_REQUEST, socket.next_seq());
        request.raw(&NETDEV_HEADER);
        request.text(ATTR_TABLE, TABLE);
        let answer = socket.query(&request.finish(), |message| {
            if message.kind == NEWTABLE {
                let handle = wire::find(message.payload, NFGEN_LEN, TABLE_HANDLE);
                found.table = handle.map(<[u8]>::to_vec);
            }
        });
        match answer {
            Err(error) if error.errno() == Some(Errno::NOENT) => return Ok(Self::default()),
            other => other?,
        }
        let mut request = Writer::default();
        request.message(
            GETCHAIN,
            wire::FLAG_REQUEST | wire::FLAG_DUMP,
            socket.next_seq(),
        );
        request.raw(&NETDEV_HEADER);
        socket.query(&request.finish(), |message| {
            let attribute = |kind| wire::find(message.payload, NFGEN_LEN, kind);
            let ours = attribute(ATTR_TABLE).is_some_and(|name| wire::text(name) == TABLE);
            if message.kind == NEWCHAIN && ours {
                let bytes = |kind| attribute(kind).unwrap_or_default().to_vec();
                found.chains.insert((bytes(CHAIN_HANDLE), bytes(CHAIN_USE)));
            }
        })?;
        Ok(found)
    }
}

/// True if the three address sets hold exactly these addresses.
pub(crate) fn holds(socket: &mut NetlinkSocket, addresses: &BTreeSet<IpAddr>) -> Result<bool> {
    for (set, v4) in [(SET_V4, true), (SET_V6, false), (SET_ND, false)] {
        let wanted: BTreeSet<Vec<u8>> = addresses
            .iter()
            .filter(|ip| ip.is_ipv4() == v4)
            .map(address_key)
            .collect();
        let mut found = BTreeSet::new();
        let request = list_elements(socket.next_seq(), set);
        let answer = socket.query(&request, |message| {
            if message.kind == NEWSETELEM {
                found.extend(element_keys(&message).map(<[u8]>::to_vec));
            }
        });
        match answer {
            Err(error) if error.errno() == Some(Errno::NOENT) => return Ok(false),
            other => other?,
        }
        if found != wanted {
            return Ok(false);
        }
    }
    Ok(true)
}
