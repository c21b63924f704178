//! A node's own flags: it alone decides them (ctdb-features.md 4.1, 4.2).
//!
//! Invariant: [`NodeFlags::BANNED`] is set exactly while a ban timer runs.

use super::config::Config;
use super::view::BanView;
use crate::flags::{Health, NodeFlags};
use crate::time::Instant;
use alloc::string::String;
use core::time::Duration;

/// Flags of this node with the ban timer.
#[derive(Clone, Debug)]
pub(super) struct OwnFlags {
    flags: NodeFlags,
    damped: bool,
    ban: Option<BanView>,
    ban_count: u32,
}

impl OwnFlags {
    /// As a node starts: not healthy until a check has passed.
    pub(super) fn new(config: &Config) -> Self {
        let mut flags = NodeFlags::UNHEALTHY;
        flags.set(NodeFlags::STOPPED, config.start_stopped);
        flags.set(NodeFlags::DISABLED, config.start_disabled);
        Self {
            flags,
            damped: false,
            ban: None,
            ban_count: 0,
        }
    }

    /// The flags.
    pub(super) const fn get(&self) -> NodeFlags {
        self.flags
    }

    /// Sets or clears `flag`; bans have their own functions.
    pub(super) fn set(&mut self, flag: NodeFlags, on: bool) {
        self.flags.set(flag, on);
    }

    /// The monitor's verdict.
    pub(super) fn set_health(&mut self, health: Health) {
        self.flags.set(NodeFlags::UNHEALTHY, health != Health::Fit);
        self.damped = health == Health::Damped;
    }

    /// Whether the node is unhealthy only because its health flaps.
    pub(super) const fn is_damped(&self) -> bool {
        self.damped
    }

    /// Bans this node; a second ban replaces the timer of the first.
    pub(super) fn ban(&mut self, now: Instant, seconds: u32, reason: String) {
        self.flags.insert(NodeFlags::BANNED);
        self.ban = Some(BanView {
            until: now + Duration::from_secs(seconds.into()),
            reason,
        });
        self.ban_count = self.ban_count.saturating_add(1);
    }

    /// Lifts a ban; false if there is none.
    pub(super) fn unban(&mut self) -> bool {
        self.flags.remove(NodeFlags::BANNED);
        self.ban.take().is_some()
    }

    /// Whether a ban has run its time.
    pub(super) fn is_ban_over(&self, now: Instant) -> bool {
        self.ban.as_ref().is_some_and(|ban| ban.until <= now)
    }

    /// The ban, if banned.
    pub(super) const fn current_ban(&self) -> Option<&BanView> {
        self.ban.as_ref()
    }

    /// How often this node was banned.
    pub(super) const fn ban_count(&self) -> u32 {
        self.ban_count
    }
}
