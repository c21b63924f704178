//! What the guard process does when the worker died: nobody may be answered any more, and nothing may stay behind.
//!
//! Needs nothing of the worker but the list of addresses it may have held. First the gate is shut (one transaction,
//! well below a millisecond), then the addresses are deleted, and only then the gate's table goes.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::address::{Addresses, HeldAddress, Outcome};
use super::connections::Connections;
use super::error::{NetError, Result};
use super::gate;
use super::lvs_nft;
use super::{nft, route_keeper, sysctl, table_names, translation};
use ctdb_protocol::leftover::Leftover;

/// What was done.
#[derive(Debug, Default)]
pub struct Cleanup {
    /// A gate was found and shut.
    pub gate_shut: bool,
    /// The addresses that were present and are deleted now.
    pub removed: Vec<HeldAddress>,
    /// Everything that went wrong.
    pub failures: Vec<NetError>,
}

/// Shuts the gate and deletes the given addresses, on whatever interface they are and with whatever prefix.
///
/// The table stays, shut, if an address could not be deleted.
pub fn release_all(addresses: &[HeldAddress]) -> Cleanup {
    let mut done = Cleanup::default();
    match gate::shut_any() {
        Ok(found) => done.gate_shut = found,
        Err(error) => done.failures.push(error),
    }
    if let Err(error) = remove_present(addresses, &mut done) {
        done.failures.push(error);
    }
    // Connections that outlived their address would disturb the clients when it comes back.
    if let Err(error) = end_connections(&done.removed) {
        done.failures.push(error);
    }
    // Where an LVS address is, it is on loopback too. Its rules go while the gate still keeps clients out.
    if addresses.iter().any(|address| address.interface == "lo") {
        done.failures.extend(lvs_nft::remove_table().err());
    }
    if done.gate_shut && done.failures.is_empty() {
        done.failures.extend(gate::remove_table().err());
    }
    done
}

fn end_connections(removed: &[HeldAddress]) -> Result<()> {
    let addresses: BTreeSet<IpAddr> = removed.iter().map(|address| address.ip).collect();
    if addresses.is_empty() {
        return Ok(());
    }
    let mut kernel = Connections::open()?;
    let connections = kernel.of(&addresses)?;
    kernel.destroy(&connections).1
}

/// Takes away what else the worker left; answers everything that went wrong.
pub fn remove_leftovers(leftovers: &[Leftover]) -> Vec<NetError> {
    let remove = |leftover: &Leftover| match leftover {
        Leftover::Routing(scope) => route_keeper::remove_all(scope),
        Leftover::TableNames => {
            table_names::remove().map_err(|source| NetError::io("names of routing tables", source))
        }
        Leftover::Switch { name, value } => sysctl::put_back(name, value),
        Leftover::Address { address, interface } => remove_address(*address, interface),
        Leftover::Table { family, name } => nft::run(&[], &nft::removal(family, name)),
        Leftover::Chains { six } => translation::remove_chains(*six),
    };
    let results = leftovers.iter().map(remove);
    results.filter_map(Result::err).collect()
}

fn remove_address(address: IpAddr, interface: &str) -> Result<()> {
    let held = HeldAddress::passive(address, interface);
    let mut results = Addresses::open()?.remove(&[held]);
    results.pop().map_or(Ok(()), |done| done.map(drop))
}

fn remove_present(addresses: &[HeldAddress], done: &mut Cleanup) -> Result<()> {
    let wanted: BTreeSet<IpAddr> = addresses.iter().map(|address| address.ip).collect();
    let mut kernel = Addresses::open()?;
    let mut present: Vec<HeldAddress> = kernel
        .list()?
        .into_iter()
        .map(|present| present.held)
        .filter(|held| wanted.contains(&held.ip))
        .collect();
    // The kernel lists a primary before its secondaries; the other way round no secondary is promoted in vain.
    present.reverse();
    for (result, address) in kernel.remove(&present).into_iter().zip(present) {
        match result {
            // One that was listed and is not there any more went with its primary.
            Ok(Outcome::Done | Outcome::Unchanged) => done.removed.push(address),
            Err(error) => done.failures.push(error),
        }
    }
    Ok(())
}
