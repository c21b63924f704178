//! The timer of a shard, finer than the runtime's, which rounds up to whole milliseconds: a record is mostly locked
//! for some ten microseconds, and every waiter pays for the rounding.

use ctdb_protocol::time::Instant;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

/// Rings at the earliest of the times that it is set to.
pub(super) struct Alarm {
    timer: OwnedFd,
    at: Option<Instant>,
    /// Of the same timer; whoever waits for the ring has it.
    watched: Option<pipe::Receiver>,
}

impl Alarm {
    /// An alarm that is not set.
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // As far as the runtime is concerned, a descriptor that becomes readable is the end of a pipe.
        let watched = pipe::Receiver::from_owned_fd_unchecked(timer.try_clone()?)?;
        let (at, watched) = (None, Some(watched));
        Ok(Self { timer, at, watched })
    }

    /// Has it ring at `at`, unless it rings before that anyway. Answers what to call [`ring`] with, if nobody waits
    /// for it yet.
    pub(super) fn set(&mut self, at: Instant, now: Instant) -> io::Result<Option<pipe::Receiver>> {
        if self.at.is_some_and(|earlier| earlier <= at) {
            return Ok(None);
        }
        // Zero would mean "never".
        let pause = at.since(now).max(Duration::from_micros(1));
        let never = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let it_value = Timespec {
            tv_sec: i64::try_from(pause.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: pause.subsec_nanos().into(),
        };
        let once = Itimerspec {
            it_interval: never,
            it_value,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        self.at = Some(at);
        Ok(self.watched.take())
    }

    /// It rang: it is set no more.
    pub(super) fn rang(&mut self, watched: pipe::Receiver) {
        self.at = None;
        self.watched = Some(watched);
    }
}

/// Waits until the alarm rings.
pub(super) async fn ring(mut watched: pipe::Receiver) -> pipe::Receiver {
    // Room for more than there is tells the runtime that nothing is left. It never fails; else the ring is too early, which
    // does no harm.
    let _ = watched.read(&mut [0; 16]).await;
    watched
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_rings_each_time_and_not_before_its_time() {
        let mut alarm = Alarm::new().expect("the kernel has timers");
        for pause in [Duration::ZERO, Duration::from_micros(300)] {
            let begin = std::time::Instant::now();
            let at = Instant::ZERO + pause;
            let later = at + Duration::from_secs(600);
            let watched = alarm.set(later, Instant::ZERO).expect("it is set");
            assert!(alarm.set(at, Instant::ZERO).expect("it is set").is_none());
            alarm.rang(ring(watched.expect("nobody waits")).await);
            assert!(begin.elapsed() >= pause);
            println!("{pause:?}: {:?}", begin.elapsed());
        }
    }
}
