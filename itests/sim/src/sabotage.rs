//! Bugs planted on purpose, in the simulator's carrying of effects, never in the product: each one proves
//! that an invariant bites.

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The gate stays open three seconds longer than the lease.
    GateOutlivesLease,
    /// The cluster lock is given to everybody.
    LockForEverybody,
    /// Votes are granted by everybody at every time, and every leader believes that all follow it.
    VotesForEverybody,
    /// Node 0's own flags never reach the others again once it was unfit.
    StaleFlags,
    /// The last member misses every `Commit`.
    LostCommit,
    /// Additions of one address never reach the kernel.
    LostAddition,
    /// A node that gives a record away stays its dmaster.
    KeepDmaster,
    /// A node that takes a record stores a low sequence number now and then.
    LowRsn,
    /// A node that takes a record stores it without its data now and then.
    LoseData,
    /// One answer to a client is lost.
    LostReply,
    /// A copy of each input stays in its mailbox.
    LeakingMailbox,
    /// The last node says that it has transactions which it did not store.
    ForgetfulDisk,
    /// In a recovery of a persistent database the oldest content passes for the newest.
    OldestContentWins,
    /// A member says that it discarded its copy of a record that is vacuumed, and keeps it.
    CopiesStay,
    /// The vacuum deletes whatever stands there.
    VacuumOfTheLiving,
    /// A node whose read-only copy is called back goes on reading it.
    CopiesOutliveRevoke,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::GateOutlivesLease,
        Self::LockForEverybody,
        Self::VotesForEverybody,
        Self::StaleFlags,
        Self::LostCommit,
        Self::LostAddition,
        Self::KeepDmaster,
        Self::LowRsn,
        Self::LoseData,
        Self::LostReply,
        Self::LeakingMailbox,
        Self::ForgetfulDisk,
        Self::OldestContentWins,
        Self::CopiesStay,
        Self::VacuumOfTheLiving,
        Self::CopiesOutliveRevoke,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GateOutlivesLease => "gate-outlives-lease",
            Self::LockForEverybody => "lock-for-everybody",
            Self::VotesForEverybody => "votes-for-everybody",
            Self::StaleFlags => "stale-flags",
            Self::LostCommit => "lost-commit",
            Self::LostAddition => "lost-addition",
            Self::KeepDmaster => "keep-dmaster",
            Self::LowRsn => "low-rsn",
            Self::LoseData => "lose-data",
            Self::LostReply => "lost-reply",
            Self::LeakingMailbox => "leaking-mailbox",
            Self::ForgetfulDisk => "forgetful-disk",
            Self::OldestContentWins => "oldest-content-wins",
            Self::CopiesStay => "copies-stay",
            Self::VacuumOfTheLiving => "vacuum-of-the-living",
            Self::CopiesOutliveRevoke => "copies-outlive-revoke",
        }
    }
}
