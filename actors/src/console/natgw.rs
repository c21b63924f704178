//! `natgw`: who is the gateway, who is in the group, how its nodes are. Texts and exit codes are those of 4.17's
//! `ctdb_natgw`.

use super::execute::{Answer, Run};
use ctdb_protocol::console::Refusal;
use ctdb_protocol::console::command::{Command, NatgwCommand};
use ctdb_protocol::console::render::natgw::{NatgwLeader, NatgwList, NatgwMember};
use ctdb_protocol::console::render::node::NodeList;
use ctdb_protocol::natgw::group::Group;
use ctdb_protocol::natgw::view::NatgwView;
use ctdb_protocol::settings::GroupLine;

/// No node can be the gateway.
const NO_LEADER: i32 = 2;

impl Run<'_> {
    /// The answer, if the command is `natgw`.
    pub(super) async fn natgw_command(
        &self,
        pnn: u32,
        command: &Command,
    ) -> Option<Result<Answer, Refusal>> {
        match command {
            Command::Natgw(what) => Some(self.natgw(pnn, *what).await),
            _ => None,
        }
    }

    async fn natgw(&self, pnn: u32, what: NatgwCommand) -> Result<Answer, Refusal> {
        let view = self.executor.cluster.natgw();
        let view = view.ok_or_else(|| {
            Refusal::new("There is no NAT gateway: set CTDB_NATGW_NODES on the nodes of its group")
        })?;
        match what {
            NatgwCommand::Leader => {
                let leader = view.leader.map(|(pnn, address)| (pnn.0, address));
                let code = if leader.is_some() { 0 } else { NO_LEADER };
                Ok(Answer::new(NatgwLeader(leader)).coded(code, "(no node can be the gateway)"))
            }
            NatgwCommand::List => list(view),
            NatgwCommand::Status => {
                let nodes = self.ask.nodes(pnn).await?;
                let mut nodes = self.node_lines(pnn, &nodes).await;
                let members = view.group.unwrap_or_default();
                nodes.retain(|line| {
                    let address = line.address.parse();
                    address.is_ok_and(|address| members.member(address).is_some())
                });
                Ok(Answer::new(NodeList {
                    nodes,
                    heading: false,
                }))
            }
        }
    }
}

fn list(view: NatgwView) -> Result<Answer, Refusal> {
    let Some((_, leader)) = view.leader else {
        let text = "Unable to determine NAT gateway leader node";
        return Err(Refusal::new(text));
    };
    let member = |line: &GroupLine| NatgwMember {
        address: line.address,
        leader: line.address == leader,
        follower_only: line.follower_only,
    };
    let Group(lines) = view.group.unwrap_or_default();
    let list = lines.iter().map(member).collect();
    Ok(Answer::new(NatgwList(list)))
}
