//! The nftables back end of LVS.

use std::net::IpAddr;

use ctdb_protocol::lvs::io::Plan;

use super::error::Result;
use super::gate_rules::check_name;
use super::lvs_rules::{self, CHAIN, Port, TABLE};
use super::nft;

/// The table of this network namespace.
pub(crate) struct NftBalancer {
    address: IpAddr,
    built: Option<(Port, Plan)>,
}

impl NftBalancer {
    /// Finds out whether it can work here; nothing is changed.
    pub(crate) fn probe() -> Result<()> {
        let port = Port {
            interface: "lo".to_owned(),
            mac: [0; 6],
        };
        let any = IpAddr::from([192, 0, 2, 1]);
        nft::run(&["-c"], &lvs_rules::build(any, &port, &Plan::default()))
    }

    /// Nothing is built yet.
    pub(crate) const fn new(address: IpAddr) -> Self {
        let built = None;
        Self { address, built }
    }

    /// Brings the plan into the kernel, in one transaction.
    pub(crate) fn bring(&mut self, port: &Port, plan: &Plan) -> Result<()> {
        check_name(&port.interface)?;
        // Who answers for the address makes no difference here.
        let plan = Plan {
            receives: false,
            ..plan.clone()
        };
        let batch = match &self.built {
            Some((there, told)) if there == port && *told == plan => return Ok(()),
            Some((there, _)) if there == port => lvs_rules::update(&plan),
            _ => lvs_rules::build(self.address, port, &plan),
        };
        // Should it fail, all is built anew at the next attempt.
        self.built = None;
        nft::run(&[], &batch)?;
        self.built = Some((port.clone(), plan));
        Ok(())
    }

    /// Forgets what was built if it is not there any more: somebody flushed the rules, or the interface went.
    pub(crate) fn verify(&mut self) {
        let list = format!("list chain netdev {TABLE} {CHAIN}\n");
        if self.built.is_some() && nft::run(&[], &list).is_err() {
            self.built = None;
        }
    }

    /// Removes the table.
    pub(crate) fn clear(&mut self) -> Result<()> {
        self.built = None;
        remove_table()
    }
}

/// Removes the table, whoever built it.
pub(crate) fn remove_table() -> Result<()> {
    nft::run(&[], &lvs_rules::removal())
}
