//! The orderly end of a node: nothing it held stays without a server longer than a hand-over takes.

use super::control::ControlPlane;
use crate::context::NodeContext;
use crate::link::peer::EndLink;
use crate::lock::Release;
use crate::log::notice;
use ctdb_protocol::flags::RunState;
use ctdb_protocol::notice::Notice;
use ctdb_protocol::wire::message::ControlMessage;
use ctdb_protocol::{membership, monitor, natgw, takeover};
use std::time::Duration;

/// The plan that hands our addresses over goes out before this node stops to lead.
const LAST_PLAN: Duration = Duration::from_millis(100);
/// The last messages leave the socket buffers.
const LAST_WORDS: Duration = Duration::from_millis(50);

pub(super) async fn orderly(context: &NodeContext, mut control: ControlPlane, reason: &str) {
    notice(
        &context.log,
        &Notice::ShutdownStarted {
            reason: reason.to_string(),
        },
    );
    context.post.takeover.send(takeover::io::Input::Leave);
    context.post.natgw.send(natgw::io::Input::Leave);
    let patience = context
        .settings
        .failover
        .shutdown_failover_timeout
        .max(Duration::from_secs(1));
    // Addresses that can't be removed in time end with their lease.
    let left = async {
        let addresses = control.left.wait_for(|left| *left).await.is_ok();
        addresses && control.natgw_left.wait_for(|left| *left).await.is_ok()
    };
    let left = tokio::time::timeout(patience, left).await;
    if left.is_ok() {
        // The admin's own wait, for services that take long to settle elsewhere.
        tokio::time::sleep(context.settings.failover.shutdown_extra_timeout).await;
    }
    tokio::time::sleep(LAST_PLAN).await;
    context.post.monitor.send(monitor::io::Input::Shutdown);
    context
        .post
        .membership
        .send(membership::io::Input::RunState(RunState::Shutdown));
    // Stops the services; it has its own time limit.
    context.events.close().await;
    tokio::time::sleep(LAST_WORDS).await;
    for peer in context.links.identity.nodes.peers() {
        context.links.send_control(peer, ControlMessage::Goodbye);
    }
    if let Some(lock) = control.lock.borrow().as_ref() {
        let _ = lock.try_send(Release);
    }
    tokio::time::sleep(LAST_WORDS).await;
    for link in control.peers.borrow().values() {
        let _ = link.try_send(EndLink);
    }
    control.kernel.borrow_mut().end();
    if let Some(lvs) = &control.lvs {
        lvs.end();
    }
    if let Some(natgw) = control.natgw.take() {
        natgw.end();
    }
    context.routing.end();
    context.routing.forget();
    notice(&context.log, &Notice::ShutdownDone {});
}
