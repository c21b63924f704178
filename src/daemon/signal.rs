//! Signals as plain values: one thread that waits for them, so that nothing runs in a handler.

use std::io;
use std::sync::mpsc;
use std::thread;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

/// The signals that daemon life knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caught {
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
    /// SIGHUP.
    Hangup,
    /// SIGUSR1.
    User1,
    /// SIGUSR2.
    User2,
}

impl Caught {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Terminate,
        Self::Interrupt,
        Self::Hangup,
        Self::User1,
        Self::User2,
    ];

    /// The kernel's signal.
    pub const fn signal(self) -> Signal {
        match self {
            Self::Terminate => Signal::TERM,
            Self::Interrupt => Signal::INT,
            Self::Hangup => Signal::HUP,
            Self::User1 => Signal::USR1,
            Self::User2 => Signal::USR2,
        }
    }
}

/// Calls `deliver` on a thread of its own for each signal of `which`; returns once they are caught.
///
/// `deliver` may block: further signals of the same kind are merged meanwhile, as the kernel does.
pub fn watch(
    which: &'static [Caught],
    mut deliver: impl FnMut(Caught) + Send + 'static,
) -> io::Result<()> {
    let (installed, outcome) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build()
            {
                Ok(runtime) => runtime,
                Err(error) => return drop(installed.send(Err(error))),
            };
            runtime.block_on(async {
                // A caller may have had SIGCHLD ignored, which would be inherited and make waiting for
                // children useless; a handler, even one that nobody asks, ends that.
                let _children = signal(SignalKind::child());
                let mut streams = Vec::new();
                for caught in which {
                    match signal(SignalKind::from_raw(caught.signal().as_raw())) {
                        Ok(stream) => streams.push((*caught, stream)),
                        Err(error) => return drop(installed.send(Err(error))),
                    }
                }
                if installed.send(Ok(())).is_err() {
                    return;
                }
                loop {
                    let next = std::future::poll_fn(|context| {
                        for (caught, stream) in &mut streams {
                            if stream.poll_recv(context).is_ready() {
                                return std::task::Poll::Ready(*caught);
                            }
                        }
                        std::task::Poll::Pending
                    });
                    deliver(next.await);
                }
            });
        })?;
    outcome
        .recv()
        .map_err(|_| io::Error::other("the signal thread ended"))?
}
