//! Commands about one daemon: its state, its counters, its settings.

use super::ask::{failed, is_reachable};
use super::execute::{Answer, Run};
use super::time::local_time;
use ctdb_protocol::client::capability::{Capabilities as ClientCapabilities, RunState};
use ctdb_protocol::client::iface::IfaceList;
use ctdb_protocol::client::nodemap::Node;
use ctdb_protocol::client::statistics::{Statistics, StatisticsHistory};
use ctdb_protocol::client::text::Text;
use ctdb_protocol::client::tunable::{TunableName, TunableSetting};
use ctdb_protocol::client::uptime::Uptime;
use ctdb_protocol::client::vnnmap::VnnMap;
use ctdb_protocol::client::{Opcode, Payload};
use ctdb_protocol::console::Refusal;
use ctdb_protocol::console::command::{Command, Nodes};
use ctdb_protocol::console::grammar::level_name;
use ctdb_protocol::console::json::Value;
use ctdb_protocol::console::render::node::{NodeLine, NodeList, Status};
use ctdb_protocol::console::render::simple::{
    CapabilityList, Done, IsNotLeader, Lines, Ping, ProcessExists, Single, Variables,
};
use ctdb_protocol::console::render::statistics::StatisticsReport;
use ctdb_protocol::console::render::times::UptimeReport;
use ctdb_protocol::flags::{Capabilities, NodeFlags};
use futures_util::future::join_all;
use std::time::Instant;

type Answered = Result<Answer, Refusal>;

impl Run<'_> {
    /// The answer, if the command is one of these.
    pub(super) async fn node_command(&self, pnn: u32, command: &Command) -> Option<Answered> {
        Some(match command {
            Command::Status => self.status(pnn).await,
            Command::NodeStatus(nodes) => self.node_status(pnn, nodes).await,
            Command::Ping => self.ping(pnn).await,
            Command::Uptime => self.uptime(pnn).await,
            Command::RunState(wanted) => {
                let wanted: Vec<_> = wanted.iter().map(|state| state.name()).collect();
                self.run_state(pnn, &wanted).await
            }
            Command::GetPid => self.get_pid(pnn).await,
            Command::DumpMemory => self.memory(pnn).await,
            Command::GetCapabilities => self.capabilities(pnn).await,
            Command::GetDebug => self.get_debug(pnn).await,
            Command::SetDebug(level) => self.set(pnn, Opcode::SetDebug, level.to_bytes()).await,
            Command::GetReclock => self.cluster_lock(pnn).await,
            Command::GetVar(name) => self.get_variable(pnn, name).await,
            Command::SetVar { name, value } => self.set_variable(pnn, name, *value).await,
            Command::ListVars => self.list_variables(pnn).await,
            Command::Statistics => self.statistics(pnn).await,
            Command::Stats { count } => self.history(pnn, *count).await,
            Command::StatisticsReset => self.set(pnn, Opcode::StatisticsReset, Vec::new()).await,
            Command::Leader => Ok(self.leader()),
            Command::IsNotLeader => Ok(self.is_not_leader(pnn)),
            Command::ProcessExists { pid, srvid } => self.process_exists(pnn, *pid, *srvid).await,
            _ => return None,
        })
    }

    /// A control without data in its answer.
    pub(super) async fn set(&self, pnn: u32, opcode: Opcode, data: Vec<u8>) -> Answered {
        self.ask.data(pnn, opcode, data).await?;
        Ok(Answer::new(Done))
    }

    pub(super) async fn node_lines(&self, pnn: u32, nodes: &[Node]) -> Vec<NodeLine> {
        let lines = nodes.iter().map(|node| async move {
            let flags = NodeFlags::from_bits_truncate(node.flags.bits());
            let partially_online =
                flags.is_ok() && is_reachable(node) && self.lost_link(node).await;
            NodeLine {
                pnn: node.pnn,
                address: node.addr.ip().map_or_else(String::new, |ip| ip.to_string()),
                flags,
                partially_online,
                this_node: node.pnn == pnn,
                unknown: false,
            }
        });
        join_all(lines).await
    }

    /// Some interface of the node is down. A node that does not answer is shown by its flags alone.
    async fn lost_link(&self, node: &Node) -> bool {
        let ifaces = self
            .ask
            .get::<IfaceList>(node.pnn, Opcode::GetIfaces, Vec::new())
            .await;
        ifaces.is_ok_and(|list| list.ifaces.iter().any(|iface| iface.link == 0))
    }

    async fn status(&self, pnn: u32) -> Answered {
        let nodes = self.ask.nodes(pnn).await?;
        let map: VnnMap = self.ask.get(pnn, Opcode::GetVnnMap, Vec::new()).await?;
        let mode = self.ask.status(pnn, Opcode::GetRecMode).await?;
        let state: RunState = self.ask.get(pnn, Opcode::GetRunstate, Vec::new()).await?;
        let mut lines = self.node_lines(pnn, &nodes).await;
        for line in &mut lines {
            let is_connected = !line.flags.intersects(NodeFlags::DISCONNECTED);
            line.unknown = state <= RunState::FirstRecovery && is_connected && !line.this_node;
        }
        Ok(Answer::new(Status {
            nodes: NodeList {
                nodes: lines,
                heading: true,
            },
            generation: map.generation,
            vnnmap: map.map,
            recovering: mode != 0,
            leader: self.executor.cluster.leader(),
            reasons: self.reasons(&nodes).await,
        }))
    }

    /// Why nodes are unhealthy or banned, as far as they can be asked.
    async fn reasons(&self, nodes: &[Node]) -> Vec<(u32, String)> {
        let bad = NodeFlags::UNHEALTHY | NodeFlags::BANNED;
        let bad = nodes
            .iter()
            .filter(|node| node.flags.intersects(bad) && is_reachable(node));
        let asked = bad.map(|node| async {
            let why: Text = self
                .ask
                .get(node.pnn, Opcode::WhyNotOk, Vec::new())
                .await
                .ok()?;
            // The last output of a script may hold several lines.
            let line = why.0.lines().collect::<Vec<_>>().join(" ");
            (!line.is_empty()).then_some((node.pnn, line))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    async fn node_status(&self, pnn: u32, wanted: &Nodes) -> Answered {
        let mut nodes = self.ask.nodes(pnn).await?;
        match wanted {
            Nodes::All => {}
            Nodes::Chosen => nodes.retain(|node| node.pnn == pnn),
            Nodes::List(list) => {
                if let Some(missing) = list.iter().find(|pnn| nodes.iter().all(|n| n.pnn != **pnn))
                {
                    return Err(Refusal::new(format!("Node {missing} does not exist")));
                }
                nodes.retain(|node| list.contains(&node.pnn));
            }
        }
        let list = NodeList {
            nodes: self.node_lines(pnn, &nodes).await,
            heading: *wanted == Nodes::All,
        };
        let flags = list.all_flags();
        let message = format!("(node flags 0x{flags:x})");
        Ok(Answer::new(list).coded(flags.cast_signed(), message))
    }

    async fn ping(&self, pnn: u32) -> Answered {
        let started = Instant::now();
        let clients = self.ask.status(pnn, Opcode::Ping).await?;
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok(Answer::new(Ping {
            node: pnn,
            micros,
            clients,
        }))
    }

    async fn uptime(&self, pnn: u32) -> Answered {
        let times: Uptime = self.ask.get(pnn, Opcode::Uptime, Vec::new()).await?;
        Ok(Answer::new(UptimeReport {
            node: pnn,
            times,
            local_time,
        }))
    }

    async fn run_state(&self, pnn: u32, wanted: &[&str]) -> Answered {
        let state: RunState = self.ask.get(pnn, Opcode::GetRunstate, Vec::new()).await?;
        let name = state.name();
        if wanted.is_empty() || wanted.contains(&name) {
            return Ok(Answer::new(Single::text("runstate", name)));
        }
        let text = format!("CTDB not in required run state (got {name})");
        let shown = Single {
            name: "runstate",
            text: Some(text),
            value: name.into(),
        };
        Ok(Answer::new(shown).coded(1, "(not in the required run state)"))
    }

    async fn get_pid(&self, pnn: u32) -> Answered {
        let pid = self.ask.status(pnn, Opcode::GetPid).await?;
        Ok(Answer::new(Single::number("pid", pid)))
    }

    async fn capabilities(&self, pnn: u32) -> Answered {
        let bits: ClientCapabilities = self
            .ask
            .get(pnn, Opcode::GetCapabilities, Vec::new())
            .await?;
        let capabilities = Capabilities::from_bits_retain(bits.bits());
        Ok(Answer::new(CapabilityList(capabilities)))
    }

    async fn get_debug(&self, pnn: u32) -> Answered {
        let level: i32 = self.ask.get(pnn, Opcode::GetDebug, Vec::new()).await?;
        Ok(Answer::new(Single::text("level", level_name(level))))
    }

    async fn cluster_lock(&self, pnn: u32) -> Answered {
        let data = self
            .ask
            .data(pnn, Opcode::GetReclockFile, Vec::new())
            .await?;
        // No lock: no data.
        let lock = Text::parse(&data).ok().map(|text| text.0);
        Ok(Answer::new(Single {
            name: "cluster_lock",
            value: lock.clone().into(),
            text: lock,
        }))
    }

    async fn variable_names(&self, pnn: u32) -> Result<TunableName, Refusal> {
        self.ask.get(pnn, Opcode::ListTunables, Vec::new()).await
    }

    async fn known_variable(&self, pnn: u32, name: &str) -> Result<(), Refusal> {
        let names = self.variable_names(pnn).await?;
        if names.names().any(|known| known.eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        Err(Refusal::printed(format!("No such tunable {name}")))
    }

    pub(super) async fn variable(&self, pnn: u32, name: &str) -> Result<(String, u32), Refusal> {
        let query = TunableName { name: name.into() };
        let value = self
            .ask
            .get(pnn, Opcode::GetTunable, query.to_bytes())
            .await?;
        Ok((name.into(), value))
    }

    async fn memory(&self, pnn: u32) -> Answered {
        let text = self.ask.data(pnn, Opcode::DumpMemory, Vec::new()).await?;
        let text = String::from_utf8_lossy(&text);
        Ok(Answer::new(Lines(
            text.lines().map(str::to_owned).collect(),
        )))
    }

    async fn get_variable(&self, pnn: u32, name: &str) -> Answered {
        self.known_variable(pnn, name).await?;
        Ok(Answer::new(Variables(vec![
            self.variable(pnn, name).await?,
        ])))
    }

    async fn set_variable(&self, pnn: u32, name: &str, value: u32) -> Answered {
        self.known_variable(pnn, name).await?;
        let setting = TunableSetting {
            value,
            name: name.into(),
        };
        let reply = self
            .ask
            .reply(pnn, Opcode::SetTunable, setting.to_bytes())
            .await?;
        match reply.status {
            0 => Ok(Answer::new(Done)),
            1 => Ok(Answer::new(Done).noted(format!("Tunable {name} is obsolete: no effect"))),
            _ => Err(failed(Opcode::SetTunable, &reply)),
        }
    }

    async fn list_variables(&self, pnn: u32) -> Answered {
        let names = self.variable_names(pnn).await?;
        let mut variables = Vec::new();
        for name in names.names() {
            variables.push(self.variable(pnn, name).await?);
        }
        Ok(Answer::new(Variables(variables)))
    }

    async fn statistics(&self, pnn: u32) -> Answered {
        let sample: Statistics = self.ask.get(pnn, Opcode::Statistics, Vec::new()).await?;
        Ok(Answer::new(StatisticsReport {
            samples: vec![sample],
            local_time,
        }))
    }

    async fn history(&self, pnn: u32, count: usize) -> Answered {
        let history: StatisticsHistory = self
            .ask
            .get(pnn, Opcode::GetStatHistory, Vec::new())
            .await?;
        // Entries of intervals that have not been yet carry no time.
        let real = history
            .entries
            .into_iter()
            .filter(|entry| entry.current_time.seconds != 0);
        Ok(Answer::new(StatisticsReport {
            samples: real.take(count).collect(),
            local_time,
        }))
    }

    fn leader(&self) -> Answer {
        let leader = self.executor.cluster.leader();
        Answer::new(Single {
            name: "leader",
            text: Some(leader.map_or("UNKNOWN".into(), |pnn| pnn.to_string())),
            value: leader.map_or(Value::Null, Value::from),
        })
    }

    fn is_not_leader(&self, pnn: u32) -> Answer {
        let is_not = self.executor.cluster.leader() != Some(pnn);
        Answer::new(IsNotLeader(is_not)).coded(i32::from(!is_not), "(it is the leader)")
    }

    async fn process_exists(&self, pnn: u32, pid: i32, srvid: Option<u64>) -> Answered {
        let mut data = pid.to_le_bytes().to_vec();
        let opcode = match srvid {
            None => Opcode::ProcessExists,
            Some(srvid) => {
                data.extend(srvid.to_le_bytes());
                Opcode::CheckPidSrvid
            }
        };
        let reply = self.ask.reply(pnn, opcode, data).await?;
        let exists = reply.status == 0;
        let shown = ProcessExists { pid, srvid, exists };
        Ok(Answer::new(shown).coded(i32::from(!exists), "(it does not exist)"))
    }
}
