//! The lease gate: nftables rules that let traffic of the public addresses pass only while the lease is alive.
//!
//! A table `netdev ctdb` has an ingress and an egress chain per public interface. While the interface's element in the
//! set `lease` is alive, everything passes; otherwise IP, ARP and neighbour discovery of the addresses in the address
//! sets is dropped, in both directions, raw sockets included. All else is untouched, and so are all other tables.
//!
//! Measured on Linux 6.18: the gate is shut within 5 ms of the element's timeout, whatever this process does; a refresh
//! costs the same for one address and for 900. The table is built through the `nft` program (one atomic batch);
//! refreshing, shutting and changing addresses are raw nfnetlink transactions.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use netlink_sys::protocols::NETLINK_NETFILTER;
use rustix::io::Errno;

use super::error::{NetError, Result};
use super::gate_check::{self, Fingerprint};
use super::gate_rules;
use super::gate_wire::Transaction;
use super::link;
use super::nft;
use super::socket::NetlinkSocket;

/// Addresses changed in one transaction: stays below the default socket send buffer.
const ADDRESSES_PER_BATCH: usize = 1000;

/// How long a block of addresses lasts that nobody ends.
const BLOCK_MS: u64 = 5_000;

/// What the gate guards.
#[derive(Debug, Clone, Default)]
pub struct GateConfig {
    /// The public interfaces. One that does not exist yet is guarded from the next `verify` after its arrival on.
    pub interfaces: Vec<String>,
    /// All public addresses that this node may ever hold, not only those it holds now.
    pub addresses: Vec<IpAddr>,
}

/// What `verify` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateState {
    /// All as we built it.
    Intact,
    /// Somebody had changed it, or an interface came or went; it was built again and is shut.
    Rebuilt,
}

/// The gate of this network namespace. Dropping it leaves the table: without refreshes it stays shut.
pub struct Gate {
    socket: NetlinkSocket,
    interfaces: Vec<String>,
    addresses: BTreeSet<IpAddr>,
    installed: Vec<String>,
    fingerprint: Fingerprint,
}

impl Gate {
    /// Finds out whether a gate can work here: the `nft` program, and a kernel with netdev ingress and egress hooks.
    /// The batch is only checked, nothing is changed.
    pub fn probe() -> Result<()> {
        nft::run(&["-c"], &gate_rules::ruleset(&["lo".to_owned()]))
    }

    /// Builds the table (replacing one left behind by an earlier process), shut.
    pub fn open(config: &GateConfig) -> Result<Self> {
        let mut interfaces = config.interfaces.clone();
        interfaces.sort();
        interfaces.dedup();
        for interface in &interfaces {
            gate_rules::check_name(interface)?;
        }
        let mut gate = Self {
            socket: NetlinkSocket::open(NETLINK_NETFILTER, "nftables")?,
            interfaces,
            addresses: config.addresses.iter().copied().collect(),
            installed: Vec::new(),
            fingerprint: Fingerprint::default(),
        };
        gate.rebuild()?;
        Ok(gate)
    }

    /// The port by which notifications name this gate's own transactions.
    pub fn port(&self) -> u32 {
        self.socket.port()
    }

    /// The interfaces that are guarded now.
    pub fn guarded(&self) -> &[String] {
        &self.installed
    }

    /// Opens the gate, or keeps it open, for `timeout` from now (at least one millisecond), for all interfaces in one
    /// transaction. The time counts from the moment the kernel handles it: re-read the clock afterwards.
    pub fn refresh(&mut self, timeout: Duration) -> Result<()> {
        if self.installed.is_empty() {
            return Ok(());
        }
        let timeout_ms = u64::try_from(timeout.as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        let mut transaction = Transaction::new(self.socket.next_seq());
        transaction.refresh(&self.installed, timeout_ms);
        commit(&mut self.socket, "refresh the lease gate", transaction)
    }

    /// Shuts the gate at once.
    pub fn close_now(&mut self) -> Result<()> {
        let mut transaction = Transaction::new(self.socket.next_seq());
        transaction.flush();
        commit(&mut self.socket, "shut the lease gate", transaction)
    }

    /// Changes what is guarded; answers whether an interface came or went, so that `verify` builds it anew.
    pub fn set_guarded(&mut self, wanted: &GateConfig) -> Result<bool> {
        let mut interfaces = wanted.interfaces.clone();
        interfaces.sort();
        interfaces.dedup();
        for interface in &interfaces {
            gate_rules::check_name(interface)?;
        }
        let changed = interfaces != self.interfaces;
        self.interfaces = interfaces;
        self.set_addresses(&wanted.addresses)?;
        Ok(changed)
    }

    /// Changes the guarded addresses. New ones are guarded before old ones are let go.
    pub fn set_addresses(&mut self, wanted: &[IpAddr]) -> Result<()> {
        let wanted: BTreeSet<IpAddr> = wanted.iter().copied().collect();
        let added: Vec<IpAddr> = wanted.difference(&self.addresses).copied().collect();
        let removed: Vec<IpAddr> = self.addresses.difference(&wanted).copied().collect();
        // Known first: should a part fail, `verify` sees the difference and builds it all again.
        self.addresses = wanted;
        self.change_addresses(true, &added)?;
        self.change_addresses(false, &removed)
    }

    /// Compares the kernel's table with what was built, and builds it again if they differ. A rebuilt gate is shut:
    /// refresh it, if the lease is alive.
    pub fn verify(&mut self) -> Result<GateState> {
        let intact = self.fingerprint.chain_count() == 2 * self.installed.len()
            && self.present_interfaces()? == self.installed
            && Fingerprint::read(&mut self.socket)? == self.fingerprint
            && gate_check::holds(&mut self.socket, &self.addresses)?;
        if intact {
            return Ok(GateState::Intact);
        }
        self.rebuild()?;
        Ok(GateState::Rebuilt)
    }

    /// Builds the table anew, shut.
    pub fn rebuild(&mut self) -> Result<()> {
        self.fingerprint = Fingerprint::default();
        let present = self.present_interfaces()?;
        nft::run(&[], &gate_rules::ruleset(&present))?;
        self.installed = present;
        let all: Vec<IpAddr> = self.addresses.iter().copied().collect();
        self.change_addresses(true, &all)?;
        self.fingerprint = Fingerprint::read(&mut self.socket)?;
        Ok(())
    }

    /// Removes the table: the addresses are no longer guarded.
    pub fn remove(self) -> Result<()> {
        remove_table()
    }

    fn present_interfaces(&self) -> Result<Vec<String>> {
        let present: BTreeSet<String> = link::links()?.into_iter().map(|link| link.name).collect();
        Ok(self
            .interfaces
            .iter()
            .filter(|name| present.contains(*name))
            .cloned()
            .collect())
    }

    fn change_addresses(&mut self, add: bool, addresses: &[IpAddr]) -> Result<()> {
        for chunk in addresses.chunks(ADDRESSES_PER_BATCH) {
            let mut transaction = Transaction::new(self.socket.next_seq());
            transaction.addresses(add, chunk);
            commit(
                &mut self.socket,
                "change the guarded addresses",
                transaction,
            )?;
        }
        Ok(())
    }
}

/// Shuts the gate that some process left behind, without knowing anything about it. False if there is none.
pub fn shut_any() -> Result<bool> {
    let mut socket = NetlinkSocket::open(NETLINK_NETFILTER, "nftables")?;
    let mut transaction = Transaction::new(socket.next_seq());
    transaction.flush();
    match commit(&mut socket, "shut the lease gate", transaction) {
        Ok(()) => Ok(true),
        Err(error) if error.errno() == Some(Errno::NOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What is blocked of an address, whatever the lease says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// All but the resets that this machine sends.
    ButResets,
    /// All that this machine sends.
    Outgoing,
}

impl Block {
    const fn sets(self) -> [&'static str; 2] {
        match self {
            Self::ButResets => gate_rules::SETS_GOING,
            Self::Outgoing => gate_rules::SETS_GONE,
        }
    }

    /// Begins it, until `end`, or for a few seconds. False if there is no gate.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn begin(self, addresses: &[IpAddr]) -> Result<bool> {
        self.commit("block addresses that go", Some(BLOCK_MS), addresses)
    }

    /// Ends it. False if there is no gate, or if it was built anew meanwhile.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn end(self, addresses: &[IpAddr]) -> Result<bool> {
        self.commit("unblock addresses that went", None, addresses)
    }

    fn commit(self, what: &str, timeout_ms: Option<u64>, addresses: &[IpAddr]) -> Result<bool> {
        let mut socket = NetlinkSocket::open(NETLINK_NETFILTER, "nftables")?;
        for chunk in addresses.chunks(ADDRESSES_PER_BATCH) {
            let mut transaction = Transaction::new(socket.next_seq());
            transaction.block(self.sets(), timeout_ms, chunk);
            match commit(&mut socket, what, transaction) {
                Ok(()) => {}
                Err(error) if error.errno() == Some(Errno::NOENT) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// Removes the gate's table, whoever built it.
pub fn remove_table() -> Result<()> {
    nft::run(&[], &gate_rules::removal())
}

fn commit(socket: &mut NetlinkSocket, what: &str, transaction: Transaction) -> Result<()> {
    let answers = socket.exchange(&transaction.finish())?;
    if answers.is_empty() {
        return Err(NetError::Invalid(format!(
            "{what}: the kernel did not answer"
        )));
    }
    match answers.values().find(|errno| **errno != 0) {
        None => Ok(()),
        Some(errno) => Err(NetError::kernel(what, Errno::from_raw_os_error(*errno))),
    }
}
