//! The 62 tunables of CTDB 4.17: names, order on the wire, defaults, and one node's values.
//!
//! The order is part of the client protocol (`GET_ALL_TUNABLES` sends all 62 values as `u32`), so
//! the rows below are never moved, and obsolete ones keep their slot. Names are matched without
//! regard to case. A value that the admin wrote down carries a mark, because some of our timings
//! leave 4.17's figures behind until somebody asks for them (see [`crate::timing::Timing`]).
//!
//! Invariant: a [`Tunables`] always holds exactly [`COUNT`] values.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

/// Number of slots on the wire, obsolete ones included.
pub const COUNT: usize = 62;

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Place in the wire order.
    pub id: TunableId,
    /// Name as `ctdb listvars` prints it.
    pub name: &'static str,
    /// 4.17's default.
    pub default: u32,
    /// Still readable by name, but hidden from lists and without any effect.
    pub obsolete: bool,
}

macro_rules! tunables {
    ($($(#[$doc:meta])* $name:ident = $default:literal $($obsolete:ident)?,)*) => {
        /// Names a tunable; the number of the variant is its place on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum TunableId { $($(#[$doc])* $name,)* }

        /// All tunables in wire order.
        pub static TABLE: [Row; COUNT] = [$(Row {
            id: TunableId::$name,
            name: stringify!($name),
            default: $default,
            obsolete: tunables!(@obsolete $($obsolete)?),
        },)*];
    };
    (@obsolete obsolete) => { true };
    (@obsolete) => { false };
}

tunables! {
    /// No effect.
    MaxRedirectCount = 3 obsolete,
    /// Milliseconds between checks of a database's sequence number.
    SeqnumInterval = 1000,
    /// Seconds that a control, a transaction commit or a revoke may take.
    ControlTimeout = 60,
    /// Seconds that a traverse may take.
    TraverseTimeout = 20,
    /// Seconds between keepalives; counts only when set, see the table in `docs/configuration.md`.
    KeepaliveInterval = 5,
    /// Silent intervals after the first before a node counts as lost; counts only when set.
    KeepaliveLimit = 5,
    /// Seconds that a control of the recovery may take.
    RecoverTimeout = 30,
    /// Seconds between two rounds of the leader's own checks.
    RecoverInterval = 1,
    /// Seconds of quiet that end an election without cluster lock; counts only when set.
    ElectionTimeout = 3,
    /// Seconds for one step of a takeover run; the whole run has three times as much.
    TakeoverTimeout = 9,
    /// Seconds between two `monitor` events.
    MonitorInterval = 15,
    /// Seconds between two broadcasts of changed connection lists.
    TickleUpdateInterval = 20,
    /// Seconds for all scripts of one event together.
    EventScriptTimeout = 30,
    /// Timed-out `monitor` events in a row before the node is UNHEALTHY.
    MonitorTimeoutCount = 20,
    /// No effect.
    EventScriptUnhealthyOnTimeout = 0 obsolete,
    /// Seconds after which old misbehaviour is forgiven.
    RecoveryGracePeriod = 120,
    /// Seconds that a ban lasts.
    RecoveryBanPeriod = 300,
    /// Hash chains of a new TDB file.
    DatabaseHashSize = 100_001,
    /// Dead records kept per hash chain.
    DatabaseMaxDead = 5,
    /// Seconds without a new recovery after one succeeded; counts only when set.
    RerecoveryTimeout = 10,
    /// 0 switches bans off.
    EnableBans = 1,
    /// No effect; `IPAllocAlgorithm=0` is its successor.
    DeterministicIPs = 0 obsolete,
    /// No effect.
    ReclockPingPeriod = 60 obsolete,
    /// 1 leaves addresses where they are when a node becomes healthy again.
    NoIPFailback = 0,
    /// No effect; `[failover] disabled` is its successor.
    DisableIPFailover = 0 obsolete,
    /// Accepted and kept.
    VerboseMemoryNames = 0,
    /// Seconds between checks of the recovery duty; 0 switches them off.
    RecdPingTimeout = 60,
    /// Missed checks before the recovery duty is restarted.
    RecdFailCount = 10,
    /// Milliseconds from which a slow operation is logged; 0 switches it off.
    LogLatencyMs = 0,
    /// Milliseconds from which a slow cluster lock is logged.
    RecLockLatencyMs = 1000,
    /// Seconds in recovery after which a node drops its addresses.
    RecoveryDropAllIPs = 120,
    /// No effect.
    VerifyRecoveryLock = 1 obsolete,
    /// Seconds between two vacuum runs of a database.
    VacuumInterval = 10,
    /// Seconds that a vacuum run may take.
    VacuumMaxRunTime = 120,
    /// Free-list entries from which a database is repacked.
    RepackLimit = 10_000,
    /// No effect.
    VacuumLimit = 5000 obsolete,
    /// Packets queued for a client before it is disconnected.
    MaxQueueDropMsg = 1_000_000,
    /// 1 lets a traverse read unhealthy persistent databases.
    AllowUnhealthyDBRead = 0,
    /// Seconds between two samples of the statistics history.
    StatHistoryInterval = 1,
    /// Seconds that an attach may wait for the end of a recovery.
    DeferredAttachTO = 120,
    /// Fast vacuum runs between two full ones; 0 means never full.
    VacuumFastPathCount = 60,
    /// No effect; `IPAllocAlgorithm=2` is its successor.
    LCP2PublicIPs = 1 obsolete,
    /// 0 refuses every attach, as needed before a detach.
    AllowClientDBAttach = 1,
    /// No effect.
    RecoverPDBBySeqNum = 1 obsolete,
    /// No effect.
    DeferredRebalanceOnNodeAdd = 300 obsolete,
    /// 1 lets one migration per record and node stand for all waiting callers.
    FetchCollapse = 1,
    /// Hops from which a record becomes sticky.
    HopcountMakeSticky = 50,
    /// Seconds that a record stays sticky.
    StickyDuration = 600,
    /// Milliseconds that a sticky record is pinned to its node.
    StickyPindown = 200,
    /// 1 forbids every takeover of addresses.
    NoIPTakeover = 0,
    /// Records from which a recovery warns; 0 switches it off.
    DBRecordCountWarn = 100_000,
    /// Bytes of one record from which a recovery warns; 0 switches it off.
    DBRecordSizeWarn = 10_000_000,
    /// Bytes of one database from which a recovery warns; 0 switches it off.
    DBSizeWarn = 100_000_000,
    /// Bytes to allocate at once while pulling a database.
    PullDBPreallocation = 10_485_760,
    /// No effect.
    NoIPHostOnAllDisabled = 1 obsolete,
    /// No effect.
    Samba3AvoidDeadlocks = 0 obsolete,
    /// No effect; `[database] tdb mutexes` is its successor.
    TDBMutexEnabled = 1 obsolete,
    /// Lock attempts that may wait at once for one database.
    LockProcessesPerDB = 200,
    /// Bytes of one message of records in recovery and vacuum.
    RecBufferSizeLimit = 1_000_000,
    /// Bytes read from a socket at one wake-up.
    QueueBufferSize = 1024,
    /// 0 deterministic, 1 non-deterministic, 2 (and anything else) LCP2.
    IPAllocAlgorithm = 2,
    /// 1 switches off the version check between nodes.
    AllowMixedVersions = 0,
}

impl TunableId {
    /// The row of this tunable.
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// Finds a tunable by name, without regard to case; obsolete ones are found too.
    pub fn by_name(name: &str) -> Option<Self> {
        TABLE
            .iter()
            .find(|row| row.name.eq_ignore_ascii_case(name))
            .map(|row| row.id)
    }
}

impl fmt::Display for TunableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().name)
    }
}

/// What became of a [`Tunables::set`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetOutcome {
    /// The value is stored.
    Set(TunableId),
    /// The value is stored and has no effect; 4.17's `setvar` warns and succeeds.
    Obsolete(TunableId),
    /// No tunable has this name; nothing changed.
    Unknown,
}

/// The live tunables in the order of `LIST_TUNABLES` and `ctdb listvars`.
///
/// That is wire order with one exception of 4.17's source table: `VacuumFastPathCount` comes
/// before `MaxQueueDropMsg`.
pub fn listed() -> impl Iterator<Item = &'static Row> {
    TABLE.iter().filter(|row| !row.obsolete).flat_map(|row| {
        let (first, second) = match row.id {
            TunableId::MaxQueueDropMsg => (Some(TunableId::VacuumFastPathCount.row()), Some(row)),
            TunableId::VacuumFastPathCount => (None, None),
            _ => (Some(row), None),
        };
        first.into_iter().chain(second)
    })
}

/// The answer to `LIST_TUNABLES`: the live names joined by `:`.
pub fn list_text() -> String {
    let mut text = String::new();
    for row in listed() {
        if !text.is_empty() {
            text.push(':');
        }
        text.push_str(row.name);
    }
    text
}

/// The tunable values of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(u32, bool)>", into = "Vec<(u32, bool)>")]
pub struct Tunables {
    values: [u32; COUNT],
    /// Bit per slot: the admin (file or `setvar`) chose this value.
    explicit: u64,
}

impl Default for Tunables {
    fn default() -> Self {
        Self {
            values: core::array::from_fn(|slot| TABLE[slot].default),
            explicit: 0,
        }
    }
}

impl Tunables {
    /// The value of a tunable.
    pub fn get(&self, id: TunableId) -> u32 {
        self.values[id as usize]
    }

    /// The value of a tunable by name, without regard to case; obsolete ones answer too.
    pub fn get_by_name(&self, name: &str) -> Option<u32> {
        TunableId::by_name(name).map(|id| self.get(id))
    }

    /// The value, if the admin chose it.
    pub fn explicit(&self, id: TunableId) -> Option<u32> {
        (self.explicit & (1 << id as u32) != 0).then(|| self.get(id))
    }

    /// Stores the admin's choice under a name matched without regard to case.
    pub fn set(&mut self, name: &str, value: u32) -> SetOutcome {
        let Some(id) = TunableId::by_name(name) else {
            return SetOutcome::Unknown;
        };
        self.values[id as usize] = value;
        self.explicit |= 1 << id as u32;
        if id.row().obsolete {
            SetOutcome::Obsolete(id)
        } else {
            SetOutcome::Set(id)
        }
    }

    /// All values in wire order.
    pub fn values(&self) -> &[u32; COUNT] {
        &self.values
    }
}

/// A list of the wrong length came in place of the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} tunable values where {COUNT} belong")]
pub struct WrongCount(usize);

impl TryFrom<Vec<(u32, bool)>> for Tunables {
    type Error = WrongCount;

    fn try_from(list: Vec<(u32, bool)>) -> Result<Self, WrongCount> {
        if list.len() != COUNT {
            return Err(WrongCount(list.len()));
        }
        let mut tunables = Self::default();
        for (slot, (value, explicit)) in list.into_iter().enumerate() {
            tunables.values[slot] = value;
            tunables.explicit |= u64::from(explicit) << slot;
        }
        Ok(tunables)
    }
}

impl From<Tunables> for Vec<(u32, bool)> {
    fn from(tunables: Tunables) -> Self {
        let explicit = tunables.explicit;
        tunables
            .values
            .into_iter()
            .enumerate()
            .map(|(slot, value)| (value, explicit & (1 << slot) != 0))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_stand_where_the_protocol_puts_them() {
        assert_eq!(TABLE[0].name, "MaxRedirectCount");
        assert_eq!(TABLE[4].name, "KeepaliveInterval");
        assert_eq!(TABLE[17].name, "DatabaseHashSize");
        assert_eq!(TABLE[41].name, "LCP2PublicIPs");
        assert_eq!(TABLE[61].name, "AllowMixedVersions");
        assert_eq!(TABLE.iter().filter(|row| row.obsolete).count(), 13);
        assert!(
            TABLE
                .iter()
                .enumerate()
                .all(|(slot, row)| row.id as usize == slot)
        );
    }

    #[test]
    fn the_list_has_the_live_names_in_the_order_of_the_tool() {
        let text = list_text();
        let names: Vec<&str> = text.split(':').collect();
        assert_eq!(names.len(), 49);
        assert_eq!(names[0], "SeqnumInterval");
        let place = |name| names.iter().position(|n| *n == name).expect(name);
        assert_eq!(place("VacuumFastPathCount") + 1, place("MaxQueueDropMsg"));
        assert_eq!(place("RepackLimit") + 1, place("VacuumFastPathCount"));
    }

    #[test]
    fn names_are_matched_without_case_and_setting_leaves_a_mark() {
        let mut tunables = Tunables::default();
        assert_eq!(tunables.explicit(TunableId::MonitorInterval), None);
        assert_eq!(
            tunables.set("MONITORinterval", 7),
            SetOutcome::Set(TunableId::MonitorInterval)
        );
        assert_eq!(tunables.explicit(TunableId::MonitorInterval), Some(7));
        assert_eq!(tunables.get_by_name("monitorinterval"), Some(7));
        assert_eq!(tunables.set("Nonsense", 1), SetOutcome::Unknown);
        assert_eq!(tunables.get_by_name("Nonsense"), None);
    }

    #[test]
    fn obsolete_ones_are_stored_and_said_to_be_so() {
        let mut tunables = Tunables::default();
        assert_eq!(
            tunables.set("vacuumlimit", 9),
            SetOutcome::Obsolete(TunableId::VacuumLimit)
        );
        assert_eq!(tunables.get(TunableId::VacuumLimit), 9);
    }

    #[test]
    fn the_last_slot_keeps_its_mark_through_serde() {
        let mut tunables = Tunables::default();
        tunables.set("AllowMixedVersions", 1);
        let text = serde_json::to_string(&tunables).expect("plain values");
        let back: Tunables = serde_json::from_str(&text).expect("what was just written");
        assert_eq!(back, tunables);
        assert!(serde_json::from_str::<Tunables>("[[1,false]]").is_err());
    }
}
