//! `lvs`: who leads the group, who serves, how its nodes are. Exit codes are those of 4.17's `ctdb_lvs`.

use super::execute::{Answer, Run};
use ctdb_protocol::console::Refusal;
use ctdb_protocol::console::command::{Command, LvsCommand};
use ctdb_protocol::console::render::lvs::{LvsLeader, LvsList};
use ctdb_protocol::console::render::node::NodeList;
use ctdb_protocol::flags::NodeFlags;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::lvs::choice;

/// No node can lead.
const NO_LEADER: i32 = 255;

impl Run<'_> {
    /// The answer, if the command is `lvs`.
    pub(super) async fn lvs_command(
        &self,
        pnn: u32,
        command: &Command,
    ) -> Option<Result<Answer, Refusal>> {
        match command {
            Command::Lvs(what) => Some(self.lvs(pnn, *what).await),
            _ => None,
        }
    }

    async fn lvs(&self, pnn: u32, what: LvsCommand) -> Result<Answer, Refusal> {
        let cluster = &self.executor.cluster;
        let (Some(group), Some(able)) = (cluster.lvs_group(), cluster.lvs_able()) else {
            return Err(Refusal::new(
                "There is no LVS group: set CTDB_PUBLIC_INTERFACE and CTDB_LVS_PUBLIC_IP on its nodes",
            ));
        };
        let nodes = self.ask.nodes(pnn).await?;
        let mut lines = self.node_lines(pnn, &nodes).await;
        lines.retain(|line| group.contains(Pnn(line.pnn)));
        let flags = |pnn: Pnn| {
            let line = lines.iter().find(|line| line.pnn == pnn.0);
            line.map_or(NodeFlags::DISCONNECTED, |line| line.flags)
        };
        Ok(match what {
            LvsCommand::Leader => {
                let leader = choice::leader(&able, flags).map(|pnn| pnn.0);
                let code = if leader.is_some() { 0 } else { NO_LEADER };
                Answer::new(LvsLeader(leader)).coded(code, "(no node can lead)")
            }
            LvsCommand::List => {
                let servers = choice::servers(&able, flags);
                let list = lines.iter().filter(|line| servers.contains(&Pnn(line.pnn)));
                let list = list.map(|line| (line.pnn, line.address.clone()));
                Answer::new(LvsList(list.collect()))
            }
            LvsCommand::Status => Answer::new(NodeList {
                nodes: lines,
                heading: false,
            }),
        })
    }
}
