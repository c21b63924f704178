//! A timer finer than the runtime's, which rounds up to whole milliseconds: a record is mostly locked
//! for some ten microseconds, and every waiter pays for the rounding.

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::net::unix::pipe;

/// Waits for `pause`; by the runtime's timer where the kernel gives no descriptor.
pub(super) async fn wait(pause: Duration) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn kernel_timer_rings_not_before_its_time() {
        for pause in [Duration::ZERO, Duration::from_micros(300)] {
            let begin = std::time::Instant::now();
            fine_wait(pause).await.expect("the kernel has timers");
            assert!(begin.elapsed() >= pause);
            println!("{pause:?}: {:?}", begin.elapsed());
        }
    }
}
