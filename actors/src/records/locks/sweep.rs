//! One look at all mutexes of a file: which are held by the dead, and taking them back.

use super::rounds::{Order, Rounds};
use super::{Wait, Watched};
use crate::log::notice;
use ctdb_protocol::id::DbId;
use ctdb_protocol::notice::Notice;
use ctdb_tdb::{Census, Mutexes, Place, Process, Verdict};
use std::fmt::Write as _;
use std::io;
use std::time::{Duration, Instant};

/// A lock that stays with a live owner is examined after this time where somebody waits, ...
const SUSPECT_SOON: Duration = Duration::from_millis(200);
/// ... else after this.
const SUSPECT: Duration = Duration::from_secs(2);
/// Until the next examination of an owner that is alive.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Until the next one when the last one said nothing.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// A file that is looked at.
pub(super) struct File<'a> {
    pub(super) db: DbId,
    pub(super) watched: &'a Watched,
    mutexes: &'a Mutexes,
    order: &'a Order,
    is_whole_wanted: bool,
}

impl<'a> File<'a> {
    pub(super) fn new(
        db: DbId,
        watched: &'a Watched,
        mutexes: &'a Mutexes,
        order: &'a Order,
    ) -> Self {
        let mut waits = order.waits.range((db, 0)..=(db, u32::MAX));
        Self {
            db,
            watched,
            mutexes,
            order,
            is_whole_wanted: waits.next().is_some(),
        }
    }

    /// Who of us waits for it.
    fn wait(&self, place: Place) -> Option<&Wait> {
        match place {
            Place::Chain(chain) => self.order.waits.get(&(self.db, chain)),
            Place::WholeFile | Place::Freelist => None,
        }
    }

    fn is_urgent(&self, place: Place) -> bool {
        self.order.is_alarmed
            || self.wait(place).is_some()
            || self.is_whole_wanted && !matches!(place, Place::Chain(_))
    }
}

/// A lock that was held at the last look.
#[derive(Debug)]
pub(super) struct Seen {
    owner: u32,
    /// When the owner is examined.
    at: Instant,
    /// Why it was left alone, as the log said.
    told: Option<&'static str>,
}

impl Rounds {
    /// Looks at all mutexes of a file.
    pub(super) fn sweep(&mut self, file: &File<'_>, now: Instant) {
        let mut held = Vec::new();
        file.mutexes.held(|place, owner| held.push((place, owner)));
        let all = (file.db, Place::WholeFile)..=(file.db, Place::Chain(u32::MAX));
        let released: Vec<_> = self
            .seen
            .range(all)
            .map(|(place, _)| *place)
            .filter(|(_, place)| held.binary_search_by_key(place, |(held, _)| *held).is_err())
            .collect();
        for place in released {
            self.seen.remove(&place);
        }
        let mut census = None;
        for (place, owner) in held {
            let is_urgent = file.is_urgent(place);
            let at = now + if is_urgent { SUSPECT_SOON } else { SUSPECT };
            let new = || Seen {
                owner,
                at,
                told: None,
            };
            let seen = self.seen.entry((file.db, place)).or_insert_with(new);
            if seen.owner != owner {
                *seen = new();
            }
            seen.at = seen.at.min(at);
            // Whether it can be dead is known at once, more takes longer to find out.
            if seen.at <= now || Process::of(owner).is_ok_and(|process| process.is_none()) {
                let census = census.get_or_insert_with(|| Census::take(file.mutexes));
                let verdict = match census {
                    Ok(census) => census.examine(file.mutexes, place, owner),
                    Err(error) => Err(io::Error::from(error.kind())),
                };
                self.judge(file, place, owner, &verdict, now);
            }
        }
    }

    /// Acts on what became known of an owner.
    fn judge(
        &mut self,
        file: &File<'_>,
        place: Place,
        owner: u32,
        verdict: &io::Result<Option<Verdict>>,
        now: Instant,
    ) {
        let Some(seen) = self.seen.get_mut(&(file.db, place)) else {
            return;
        };
        seen.at = now + LOOK_AGAIN;
        let left = match verdict {
            Ok(None | Some(Verdict::Holds(_))) => return,
            Ok(Some(Verdict::Unclear(_))) => {
                seen.at = now + ASK_AGAIN;
                return;
            }
            Ok(Some(Verdict::Dead(death))) if !file.order.is_foreign => {
                let (name, what) = (file.watched.name.clone(), self.name_of(file.db, place));
                if file.mutexes.take_back(place, owner) {
                    let (client, reason) = (self.client(owner), death.to_string());
                    let taken = Notice::LockTakenBack {
                        name,
                        what,
                        client,
                        reason,
                    };
                    notice(&self.log, &taken);
                }
                return;
            }
            Ok(Some(Verdict::Dead(_))) => "a client of another PID namespace was here",
            Ok(Some(Verdict::Dangles(_))) => "it closed the file and lives on",
            Ok(Some(Verdict::Foreign(_))) => "a process of another PID namespace uses the file",
            Err(_) => "its process can't be looked at",
        };
        if seen.told != Some(left) {
            seen.told = Some(left);
            let (name, what) = (file.watched.name.clone(), self.name_of(file.db, place));
            let (client, reason) = (self.client(owner), left.to_owned());
            let left = Notice::LockLeft {
                name,
                what,
                client,
                reason,
            };
            notice(&self.log, &left);
        }
    }

    /// A place, and the key if one is known. Whoever waits may have come since the round began.
    fn name_of(&self, db: DbId, place: Place) -> String {
        let state = self.shared.state();
        let wait = match place {
            Place::Chain(chain) => state.waits.get(&(db, chain)),
            Place::WholeFile | Place::Freelist => None,
        };
        match wait {
            Some(wait) => format!("{place} (key {})", hex(&wait.key)),
            None => place.to_string(),
        }
    }

    /// A thread by all that is known of it.
    pub(super) fn client(&self, thread: u32) -> String {
        let process = Process::of(thread).ok().flatten();
        let pid = process.as_ref().map_or(thread, |process| process.pid);
        let known = self.shared.state().client_of(pid);
        let mut name = match process {
            Some(process) => process.to_string(),
            None if known.is_some() => format!("PID {pid}"),
            None => format!("thread {thread}"),
        };
        if let Some(client) = known {
            let _ = write!(name, ", client {client}");
        }
        name
    }
}

/// A key as 4.17 logs it.
pub(super) fn hex(key: &[u8]) -> String {
    key.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}
