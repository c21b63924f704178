//! Naming who sits on a lock for long, and ending it if the admin allowed that.

use super::holder::Holder;
use super::rounds::{Order, Rounds};
use super::sweep::hex;
use super::{Wait, Watched};
use crate::log::{notice, text};
use ctdb_protocol::id::DbId;
use ctdb_protocol::notice::{Level, Notice};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Most records of one round: behind a lock of the whole database many may wait.
const RECORDS_MAX: usize = 8;

impl Rounds {
    /// Names the waits whose time has come.
    pub(super) fn warn(&mut self, order: &Order, now: Instant) {
        self.named.retain(|place, (since, _)| {
            order
                .waits
                .get(place)
                .is_some_and(|wait| wait.since == *since)
        });
        let mut records = 0;
        for ((db, chain), wait) in &order.waits {
            let waited = now.saturating_duration_since(wait.since);
            let (_, times) = *self.named.get(&(*db, *chain)).unwrap_or(&(wait.since, 0));
            if waited < self.limits.warn_after * (times + 1) || records == RECORDS_MAX {
                continue;
            }
            let Some((_, watched)) = order.databases.iter().find(|(open, _)| open == db) else {
                continue;
            };
            records += 1;
            self.named.insert((*db, *chain), (wait.since, times + 1));
            self.name((*db, *chain), watched, wait, now);
        }
    }

    fn name(&mut self, (_, chain): (DbId, u32), watched: &Watched, wait: &Wait, now: Instant) {
        let waited = now.saturating_duration_since(wait.since);
        let holder = Holder::find(watched, chain);
        let (name, seconds, key) = (watched.name.clone(), waited.as_secs(), hex(&wait.key));
        let text = match &holder {
            Some(holder) => holder.describe(&self.client(holder.thread)),
            None => "its holder changes".to_owned(),
        };
        let stack = holder.as_ref().map_or_else(String::new, Holder::stack);
        notice(
            &self.log,
            &Notice::LockWaiting {
                name,
                seconds,
                key,
                holder: text,
                stack,
            },
        );
        self.run_script(watched);
        if let Some(holder) = holder
            && self.limits.evict_after.is_some_and(|limit| waited >= limit)
        {
            self.evict(watched, chain, &holder);
        }
    }

    /// Runs the admin's script with 4.17's arguments: the waiting process, what it waits for, the file, the
    /// kind of its locks. One at a time.
    fn run_script(&mut self, watched: &Watched) {
        let Some(script) = &self.limits.script else {
            return;
        };
        if let Some(child) = &mut self.script
            && matches!(child.try_wait(), Ok(None))
        {
            return;
        }
        let kind = if watched.mutexes.is_some() {
            "MUTEX"
        } else {
            "FCNTL"
        };
        let mut command = Command::new(script);
        command.arg(std::process::id().to_string()).arg("RECORD");
        command.arg(&watched.path).arg(kind).stdin(Stdio::null());
        match command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
            Ok(child) => self.script = Some(child),
            Err(error) => {
                let said = format_args!("Lock debug script {}: {error}", script.display());
                text(&self.log, Level::Warning, said);
            }
        }
    }

    /// Kills the holder. The kernel then releases the lock, or the next look takes it back.
    fn evict(&self, watched: &Watched, chain: u32, holder: &Holder) {
        let Some(process) = holder.process() else {
            return;
        };
        // The descriptor stays with this process even if its number is used again.
        let Ok(victim) = pidfd_open(process, PidfdFlags::empty()) else {
            return;
        };
        let client = self.client(holder.thread);
        let again = Holder::find(watched, chain);
        if again.is_some_and(|again| again.is_same(holder))
            && pidfd_send_signal(&victim, Signal::KILL).is_ok()
        {
            let name = watched.name.clone();
            notice(&self.log, &Notice::LockHolderKilled { name, client });
        }
    }
}
