//! Carries out one command: chooses the nodes, asks them, shows their answers.

use super::ask::{Ask, is_reachable};
use super::tcp::without_daemon;
use super::{Cluster, Control, RecordAccess};
use ctdb_protocol::client::nodemap::NodeFlags;
use ctdb_protocol::console::command::{Command, Request};
use ctdb_protocol::console::options::{NodeChoice, Options};
use ctdb_protocol::console::render::node::ListNodes;
use ctdb_protocol::console::render::simple::{Lines, Single};
use ctdb_protocol::console::render::{Report, render, render_nodes};
use ctdb_protocol::console::words::{Scope, WORDS, Word};
use ctdb_protocol::console::{Refusal, Reply};
use futures_util::future::join_all;
use std::rc::Rc;

/// One node's answer to a command.
pub(super) struct Answer {
    /// What is shown.
    pub(super) report: Box<dyn Report>,
    /// For the tool's standard error.
    pub(super) note: Option<String>,
    /// Exit code.
    pub(super) code: i32,
    /// Beside a code that is not 0.
    pub(super) message: String,
}

impl Answer {
    pub(super) fn new(report: impl Report + 'static) -> Self {
        Self {
            report: Box::new(report),
            note: None,
            code: 0,
            message: String::new(),
        }
    }

    pub(super) fn coded(mut self, code: i32, message: impl Into<String>) -> Self {
        if code != 0 {
            self.code = code;
            self.message = message.into();
        }
        self
    }

    pub(super) fn noted(mut self, note: String) -> Self {
        self.note = Some(note);
        self
    }
}

/// Carries out commands on behalf of sessions. Cheap to clone.
#[derive(Clone)]
pub struct Executor {
    pub(super) control: Rc<dyn Control>,
    pub(super) records: Rc<dyn RecordAccess>,
    pub(super) cluster: Rc<dyn Cluster>,
}

/// One command under way.
pub(super) struct Run<'a> {
    pub(super) executor: &'a Executor,
    pub(super) ask: Ask,
    pub(super) options: Options,
}

impl Executor {
    /// With the three that it asks.
    pub fn new(control: impl Control, records: impl RecordAccess, cluster: impl Cluster) -> Self {
        Self {
            control: Rc::new(control),
            records: Rc::new(records),
            cluster: Rc::new(cluster),
        }
    }

    /// Carries out a command; never takes longer than its time limit.
    pub async fn execute(&self, word: &Word, request: Request) -> Reply {
        let limit = request.options.max_runtime;
        let run = Run {
            executor: self,
            ask: Ask::new(&self.control, request.options.time_limit),
            options: request.options,
        };
        let reply = run.reply(word, &request.command);
        match tokio::time::timeout(limit, reply).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(refusal)) => refusal.into(),
            Err(_) => {
                let message = format!("Maximum runtime of {} s exceeded", limit.as_secs());
                Refusal::new(message).into()
            }
        }
    }
}

impl Run<'_> {
    pub(super) fn own(&self) -> u32 {
        self.executor.cluster.own()
    }

    async fn reply(&self, word: &Word, command: &Command) -> Result<Reply, Refusal> {
        if let Some(reply) = self.without_asking(command) {
            return Ok(reply);
        }
        let nodes = self.choose(word.scope).await?;
        let [single] = nodes[..] else {
            return Ok(self.on_all(&nodes, command).await);
        };
        let answer = self.answer(single, command).await?;
        let mut reply = Reply::text(render(&*answer.report, &self.options));
        reply.notes.extend(answer.note);
        Ok(reply.failed(answer.code, answer.message))
    }

    fn without_asking(&self, command: &Command) -> Option<Reply> {
        let cluster = &self.executor.cluster;
        let shown = |report: &dyn Report| Some(Reply::text(render(report, &self.options)));
        match command {
            Command::Version => shown(&Single::text("version", env!("CARGO_PKG_VERSION"))),
            Command::ListNodes => shown(&ListNodes {
                nodes: cluster.nodes(),
            }),
            Command::Pnn => shown(&Single::number("pnn", self.own())),
            Command::GetLog { lines } => shown(&Lines(cluster.log_tail(*lines))),
            Command::Help(verb) => {
                let words = WORDS
                    .iter()
                    .filter(|word| verb.is_none_or(|verb| verb == word.verb));
                shown(&Lines(words.map(Word::help_line).collect()))
            }
            command => without_daemon(command, &self.options),
        }
    }

    /// The nodes that `-n` means.
    async fn choose(&self, scope: Scope) -> Result<Vec<u32>, Refusal> {
        match (self.options.node, scope) {
            (NodeChoice::Own, _) | (NodeChoice::All, Scope::Cluster | Scope::Local) => {
                Ok(vec![self.own()])
            }
            (NodeChoice::One(pnn), _) => {
                let nodes = self.ask.nodes(self.own()).await?;
                let node = nodes.iter().find(|node| node.pnn == pnn);
                let missing = || Refusal::new(format!("Node {pnn} does not exist"));
                let node = node
                    .filter(|node| !node.flags.contains(NodeFlags::DELETED))
                    .ok_or_else(missing)?;
                if !is_reachable(node) {
                    return Err(Refusal::new(format!("Node {pnn} has status DISCONNECTED")));
                }
                Ok(vec![pnn])
            }
            (NodeChoice::All, Scope::Any) => {
                let nodes = self.ask.nodes(self.own()).await?;
                Ok(nodes
                    .iter()
                    .filter(|node| is_reachable(node))
                    .map(|node| node.pnn)
                    .collect())
            }
        }
    }

    /// Asks all at once; one that fails is named and spoils nothing but the exit code.
    async fn on_all(&self, nodes: &[u32], command: &Command) -> Reply {
        let answers = nodes.iter().map(|pnn| self.answer(*pnn, command));
        let mut reply = Reply::default();
        let mut reports: Vec<(u32, Box<dyn Report>)> = Vec::new();
        for (pnn, answer) in nodes.iter().zip(join_all(answers).await) {
            let (code, message) = match answer {
                Ok(answer) => {
                    reports.push((*pnn, answer.report));
                    reply.notes.extend(answer.note);
                    (answer.code, answer.message)
                }
                Err(refusal) => (refusal.code, format!("Node {pnn}: {}", refusal.message)),
            };
            if code != 0 && reply.code != 0 {
                reply.notes.push(message);
            } else if code != 0 {
                (reply.code, reply.message) = (code, message);
            }
        }
        let reports: Vec<_> = reports
            .iter()
            .map(|(pnn, report)| (*pnn, &**report))
            .collect();
        reply.output = render_nodes(&reports, &self.options);
        reply
    }

    /// One node's answer.
    async fn answer(&self, pnn: u32, command: &Command) -> Result<Answer, Refusal> {
        if let Some(answer) = self.node_command(pnn, command).await {
            return answer;
        }
        if let Some(answer) = self.event_command(command).await {
            return answer;
        }
        if let Some(answer) = self.lvs_command(pnn, command).await {
            return answer;
        }
        if let Some(answer) = self.natgw_command(pnn, command).await {
            return answer;
        }
        if let Some(answer) = self.address_command(pnn, command).await {
            return answer;
        }
        if let Some(answer) = self.nodes_file_command(command).await {
            return answer;
        }
        if let Some(answer) = self.public_command(pnn, command).await {
            return answer;
        }
        if let Some(answer) = self.tcp_command(pnn, command).await {
            return answer;
        }
        if let Some(answer) = self.database_admin_command(pnn, command).await {
            return answer;
        }
        if let Some(answer) = self.change_command(pnn, command).await {
            return answer;
        }
        match self.database_command(pnn, command).await {
            Some(answer) => answer,
            None if matches!(command, Command::Data(_)) => Err(Refusal::new(
                "This command is about files where it is given: give it to the ctdb tool",
            )),
            // `auth` and `quit` belong to the session.
            None => Err(Refusal::new("This command works in a session only")),
        }
    }
}
