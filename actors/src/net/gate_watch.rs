//! A monitor of nftables changes: tells when somebody else took something away from the gate's table.
//!
//! The gate fails open when its table is flushed, so whoever owns it calls `Gate::verify` at once on such an event.

use netlink_sys::protocols::NETLINK_NETFILTER;

use super::error::Result;
use super::gate_wire::takes_away;
use super::socket::Heard;
use super::watch::Watcher;
use super::wire;

/// Notification group of nftables changes (`NFNLGRP_NFTABLES`).
const GROUP_NFTABLES: u32 = 7;

/// What was heard about the gate's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateEvent {
    /// Something of our table was taken away by another process, or events were lost: verify.
    Suspect,
    /// The monitor ended because of this error.
    Failed(String),
}

/// A running monitor; it ends when this is dropped.
#[derive(Debug)]
pub struct GateWatch {
    _thread: Watcher,
}

impl GateWatch {
    /// Starts the monitor. Changes made through `own_port` (see `Gate::port`) are not reported.
    pub fn start(
        own_port: u32,
        mut deliver: impl FnMut(GateEvent) + Send + 'static,
    ) -> Result<Self> {
        let each = move |heard: Result<Heard<'_>>| {
            match heard {
                Ok(Heard::Nothing) => {}
                Ok(Heard::Data(bytes)) => {
                    let foreign = |m: wire::Message<'_>| m.port != own_port && takes_away(&m);
                    if wire::messages(bytes).any(foreign) {
                        deliver(GateEvent::Suspect);
                    }
                }
                Ok(Heard::Overflow) => deliver(GateEvent::Suspect),
                Err(error) => {
                    deliver(GateEvent::Failed(error.to_string()));
                    return false;
                }
            }
            true
        };
        let socket = Watcher::socket(NETLINK_NETFILTER, &[GROUP_NFTABLES])?;
        let thread = Watcher::start("gate-watch", socket, each)?;
        Ok(Self { _thread: thread })
    }
}
