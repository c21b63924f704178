//! The first events of a node: `init` before a database is open, `setup` once clients may connect.

use super::BootError;
use super::control::keep_monitor;
use crate::context::NodeContext;
use crate::duty::monitor::Beginning;
use crate::supervise::Supervisor;
use ctdb_protocol::monitor;
use tokio::sync::watch;

/// Waits for those events.
pub(super) struct Beginnings {
    stage: watch::Receiver<Beginning>,
    listening: watch::Sender<bool>,
}

impl Beginnings {
    /// Starts the monitor, and with it `init`.
    pub(super) fn start(context: &NodeContext, supervisor: &Supervisor) -> Self {
        let (sender, stage) = watch::channel(Beginning::Init);
        let (listening, heard) = watch::channel(false);
        keep_monitor(context, supervisor, &sender, &heard);
        Self { stage, listening }
    }

    /// Until `init` has ended; false if a shutdown was asked for before.
    pub(super) async fn initialised(
        &mut self,
        shutdown: &mut watch::Receiver<bool>,
    ) -> Result<bool, BootError> {
        self.past(&Beginning::Init, shutdown).await
    }

    /// Clients may connect: until `setup` has ended; false if a shutdown was asked for before.
    pub(super) async fn set_up(
        &mut self,
        context: &NodeContext,
        shutdown: &mut watch::Receiver<bool>,
    ) -> Result<bool, BootError> {
        self.listening.send_replace(true);
        context.post.monitor.send(monitor::io::Input::Listening);
        self.past(&Beginning::Setup, shutdown).await
    }

    async fn past(
        &mut self,
        stage: &Beginning,
        shutdown: &mut watch::Receiver<bool>,
    ) -> Result<bool, BootError> {
        tokio::select! {
            reached = self.stage.wait_for(|reached| reached != stage) => match reached.as_deref() {
                Ok(Beginning::Failed(reason)) => Err(BootError::Event(reason.clone())),
                _ => Ok(true),
            },
            _ = shutdown.wait_for(|asked| *asked) => Ok(false),
        }
    }
}
