//! A timer finer than the runtime's, which rounds up to whole milliseconds: a record is mostly locked
//! for some ten microseconds, and every waiter pays for the rounding.

use crate::clock::Clock;
use ctdb_protocol::time::Instant;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::net::unix::pipe;

/// Rings once at the earliest time it was set to since it last rang.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    set: Option<Instant>,
}

impl Alarm {
    /// Sets it to `at`; the answer is the wait for that, which ends with a call of [`Alarm::rang`].
    /// `None` if it rings as early already. A longer wait that is superseded rings too; nothing is
    /// due then.
    pub(super) fn set(
        &mut self,
        at: Instant,
        clock: Clock,
    ) -> Option<impl Future<Output = ()> + use<>> {
        if self.set.is_some_and(|set| set <= at) {
            return None;
        }
        self.set = Some(at);
        Some(wait(at.since(clock.now())))
    }

    /// It rang.
    pub(super) fn rang(&mut self) {
        self.set = None;
    }
}

/// Falls back to the runtime's timer where the kernel gives no descriptor.
async fn wait(pause: Duration) {
    if fine_wait(pause).await.is_err() {
        tokio::time::sleep(pause).await;
    }
}

async fn fine_wait(pause: Duration) -> io::Result<()> {
    let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
    let timer: OwnedFd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
    // Zero would mean "never".
    let pause = pause.max(Duration::from_micros(1));
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
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &once)?;
    // As far as the runtime is concerned, a descriptor that becomes readable is the end of a pipe.
    pipe::Receiver::from_owned_fd_unchecked(timer)?
        .readable()
        .await
}
