//! What the running node tells the console directly.

use super::Cluster;
use crate::board::Event;
use crate::context::NodeContext;
use crate::event::Service;
use crate::poison::PoisonCabinet;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::lvs::group::Group;
use ctdb_protocol::natgw::view::NatgwView;
use ctdb_protocol::takeover::io::Input;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;

/// A takeover run that was not answered is asked for again, as 4.17's tool does: the leader may have changed.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// [`Cluster`] of a running node.
pub struct NodeCluster(pub NodeContext);

impl Cluster for NodeCluster {
    fn own(&self) -> u32 {
        self.0.settings.cluster.pnn
    }

    fn leader(&self) -> Option<u32> {
        let leader = self.0.board.standing().leader(Pnn(self.own()));
        leader.map(|pnn| pnn.0)
    }

    fn nodes(&self) -> Vec<(u32, String)> {
        let nodes = (0..).zip(self.0.links.identity.nodes.list());
        nodes
            .filter(|(_, node)| !node.deleted)
            .map(|(pnn, node)| (pnn, node.address.to_string()))
            .collect()
    }

    fn reallocate(&self) -> LocalBoxFuture<'static, ()> {
        let (board, takeover) = (self.0.board.clone(), self.0.post.takeover.clone());
        async move {
            loop {
                let mut events = board.subscribe();
                let request = board.next_request();
                takeover.send(Input::WantRun { request });
                let done = async {
                    loop {
                        match events.recv().await {
                            Ok(Event::RunDone { request: done, .. }) if done == request => return,
                            // The node goes down, and its answer with it.
                            Err(RecvError::Closed) => return,
                            // An answer that was overrun is asked for again.
                            Ok(_) | Err(RecvError::Lagged(_)) => {}
                        }
                    }
                };
                if tokio::time::timeout(ASK_AGAIN, done).await.is_ok() {
                    return;
                }
            }
        }
        .boxed_local()
    }

    fn log_tail(&self, lines: usize) -> Vec<String> {
        self.0.log_handle.tail(lines)
    }

    fn lvs_group(&self) -> Option<Group> {
        let listed = self.0.lvs_group.listed();
        listed.or_else(|| {
            let group = self.0.board.view().lvs_group();
            (!group.0.is_empty()).then_some(group)
        })
    }

    fn lvs_able(&self) -> Option<Group> {
        let view = self.0.board.view();
        let foreign = self.0.lvs_group.foreign();
        let mut able = self.lvs_group()?.able(|pnn| view.capabilities(pnn));
        able.0.retain(|pnn, _| !foreign.contains(pnn));
        Some(able)
    }

    fn natgw(&self) -> Option<NatgwView> {
        self.0.natgw.view()
    }

    fn events(&self) -> Option<Service> {
        Some(Service::of(&self.0))
    }

    fn poisons(&self) -> PoisonCabinet {
        self.0.poisons.clone()
    }
}
