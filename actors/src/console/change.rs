//! Commands that change the state of nodes and wait until the change is seen.

use super::ask::failed;
use super::execute::{Answer, Run};
use ctdb_protocol::client::ban::BanState;
use ctdb_protocol::client::nodemap::NodeFlags;
use ctdb_protocol::client::tunable::TunableName;
use ctdb_protocol::client::vnnmap::VnnMap;
use ctdb_protocol::client::{Opcode, Payload};
use ctdb_protocol::console::Refusal;
use ctdb_protocol::console::command::{Command, FlagChange};
use ctdb_protocol::console::render::simple::Done;
use ctdb_protocol::tunable::TunableId;
use std::time::Duration;

/// Between two looks at a state that is waited for. A look is a read of the board.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// `SET_RECMODE`: start a recovery.
const RECOVERY_ACTIVE: u32 = 1;

/// How a change is asked for, and how its end is recognised.
struct Plan {
    opcode: Opcode,
    flag: NodeFlags,
    /// The flag as it shall be.
    set: bool,
    /// In "Node 0 is already …" and "is not …".
    word: &'static str,
    /// Of `SET_BAN_STATE`.
    ban_seconds: Option<u32>,
}

fn plan(change: FlagChange) -> Plan {
    let plan = |opcode, flag, set, word, ban_seconds| Plan {
        opcode,
        flag,
        set,
        word,
        ban_seconds,
    };
    let (disabled, stopped, banned) = (NodeFlags::DISABLED, NodeFlags::STOPPED, NodeFlags::BANNED);
    match change {
        FlagChange::Disable => plan(Opcode::DisableNode, disabled, true, "disabled", None),
        FlagChange::Enable => plan(Opcode::EnableNode, disabled, false, "disabled", None),
        FlagChange::Stop => plan(Opcode::StopNode, stopped, true, "stopped", None),
        FlagChange::Continue => plan(Opcode::ContinueNode, stopped, false, "stopped", None),
        FlagChange::Ban(seconds) => {
            plan(Opcode::SetBanState, banned, true, "banned", Some(seconds))
        }
        FlagChange::Unban => plan(Opcode::SetBanState, banned, false, "banned", Some(0)),
    }
}

impl Run<'_> {
    /// The answer, if the command is one of these.
    pub(super) async fn change_command(
        &self,
        pnn: u32,
        command: &Command,
    ) -> Option<Result<Answer, Refusal>> {
        Some(match command {
            Command::Change(change) => self.change(pnn, &plan(*change)).await,
            Command::Recover => self.recover().await,
            Command::IpReallocate => self.reallocate().await,
            Command::Shutdown => self.shutdown(pnn).await,
            Command::SetLmasterRole(on) => {
                self.set(pnn, Opcode::SetLmasterRole, u32::from(*on).to_bytes())
                    .await
            }
            Command::SetLeaderRole(on) => {
                self.set(pnn, Opcode::SetRecmasterRole, u32::from(*on).to_bytes())
                    .await
            }
            _ => return None,
        })
    }

    async fn flag_is_set(&self, pnn: u32, flag: NodeFlags) -> Result<bool, Refusal> {
        let nodes = self.ask.nodes(self.own()).await?;
        let node = nodes.iter().find(|node| node.pnn == pnn);
        let missing = || Refusal::new(format!("Node {pnn} does not exist"));
        Ok(node.ok_or_else(missing)?.flags.contains(flag))
    }

    async fn change(&self, pnn: u32, plan: &Plan) -> Result<Answer, Refusal> {
        if self.flag_is_set(pnn, plan.flag).await? == plan.set {
            let relation = if plan.set { "is already" } else { "is not" };
            let note = format!("Node {pnn} {relation} {}", plan.word);
            return Ok(Answer::new(Done).noted(note));
        }
        if plan.ban_seconds.is_some_and(|seconds| seconds > 0) {
            self.refuse_where_bans_are_off(pnn).await?;
        }
        let data = match plan.ban_seconds {
            None => Vec::new(),
            Some(seconds) => BanState { pnn, seconds }.to_bytes(),
        };
        self.ask.data(pnn, plan.opcode, data).await?;
        while self.flag_is_set(pnn, plan.flag).await? != plan.set {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.reallocate().await
    }

    /// The daemon answers such a ban with success, as 4.17's does, and the flag would be waited for in vain.
    async fn refuse_where_bans_are_off(&self, pnn: u32) -> Result<(), Refusal> {
        let name = TunableName {
            name: TunableId::EnableBans.row().name.into(),
        };
        let enabled: u32 = self
            .ask
            .get(pnn, Opcode::GetTunable, name.to_bytes())
            .await?;
        if enabled == 0 {
            let message = format!("Node {pnn} bans nobody: set EnableBans=1 there first");
            return Err(Refusal::new(message));
        }
        Ok(())
    }

    pub(super) async fn reallocate(&self) -> Result<Answer, Refusal> {
        self.executor.cluster.reallocate().await;
        Ok(Answer::new(Done))
    }

    /// Recovery mode and generation at the leader, which decides about both.
    async fn recovery_state(&self) -> Result<(i32, u32), Refusal> {
        let unknown = || Refusal::new("Failed to find leader");
        let leader = self.executor.cluster.leader().ok_or_else(unknown)?;
        let mode = self.ask.status(leader, Opcode::GetRecMode).await?;
        let map: VnnMap = self.ask.get(leader, Opcode::GetVnnMap, Vec::new()).await?;
        Ok((mode, map.generation))
    }

    async fn recover(&self) -> Result<Answer, Refusal> {
        let (_, before) = self.recovery_state().await?;
        let active = RECOVERY_ACTIVE.to_bytes();
        self.ask
            .data(self.own(), Opcode::SetRecMode, active)
            .await?;
        loop {
            // The leader may change on the way: then it is not known for a moment.
            match self.recovery_state().await {
                Ok((0, generation)) if generation != before => return Ok(Answer::new(Done)),
                _ => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// A node that goes down may close its links before its answer is through.
    async fn shutdown(&self, pnn: u32) -> Result<Answer, Refusal> {
        let reply = self.ask.reply(pnn, Opcode::Shutdown, Vec::new()).await?;
        if reply.status == 0 || reply.error.contains("disconnected") {
            return Ok(Answer::new(Done));
        }
        Err(failed(Opcode::Shutdown, &reply))
    }
}
