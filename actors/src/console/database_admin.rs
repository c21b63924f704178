//! Commands that change what is attached, and how.

use super::ask::is_reachable;
use super::database::is_volatile;
use super::execute::{Answer, Run};
use ctdb_protocol::client::dbmap::{DbEntry, DbFlags};
use ctdb_protocol::client::nodemap::Node;
use ctdb_protocol::client::{Opcode, Payload};
use ctdb_protocol::console::Refusal;
use ctdb_protocol::console::command::{Command, DbName};
use ctdb_protocol::console::render::simple::Done;

type Answered = Result<Answer, Refusal>;

impl Run<'_> {
    /// The answer, if the command is one of these.
    pub(super) async fn database_admin_command(
        &self,
        pnn: u32,
        command: &Command,
    ) -> Option<Answered> {
        Some(match command {
            Command::Detach(names) => self.detach(pnn, names).await,
            Command::SetDbFlag { db, flag } => self.set_db_flag(pnn, db, *flag).await,
            _ => return None,
        })
    }

    async fn reachable_nodes(&self, pnn: u32) -> Result<Vec<Node>, Refusal> {
        let mut nodes = self.ask.nodes(pnn).await?;
        nodes.retain(is_reachable);
        Ok(nodes)
    }

    /// Detaches one database after the other; one that fails spoils no other.
    async fn detach(&self, pnn: u32, names: &[DbName]) -> Answered {
        if self.ask.status(pnn, Opcode::GetRecMode).await? != 0 {
            let message = "Database cannot be detached when recovery is active";
            return Err(Refusal::new(message));
        }
        for node in self.reachable_nodes(pnn).await? {
            if node.flags.is_inactive() {
                let message = format!(
                    "Database cannot be detached on inactive (stopped or banned) node {}",
                    node.pnn
                );
                return Err(Refusal::new(message));
            }
            self.attaching_is_off(node.pnn).await?;
        }
        let mut reasons = Vec::new();
        let mut refused = false;
        for name in names {
            // One that is not there is detached already.
            match self.find_db(pnn, name).await {
                Err(refusal) => reasons.push(refusal.message),
                Ok((entry, name)) => {
                    if let Err(refusal) = self.detach_one(pnn, entry, &name).await {
                        refused = true;
                        reasons.extend(refusal.notes);
                        reasons.push(refusal.message);
                    }
                }
            }
        }
        if !refused {
            let mut answer = Answer::new(Done);
            answer.note = (!reasons.is_empty()).then(|| reasons.join("\n"));
            return Ok(answer);
        }
        let last = reasons.pop().unwrap_or_default();
        Err(Refusal {
            notes: reasons,
            ..Refusal::new(last)
        })
    }

    async fn attaching_is_off(&self, pnn: u32) -> Result<(), Refusal> {
        let (_, value) = self.variable(pnn, "AllowClientDBAttach").await?;
        if value == 0 {
            return Ok(());
        }
        Err(Refusal::new(format!(
            "Database access is still active on node {pnn}. Set AllowclientDBAttach=0 on all nodes."
        )))
    }

    async fn detach_one(&self, pnn: u32, entry: DbEntry, name: &str) -> Result<(), Refusal> {
        if !is_volatile(entry.flags) {
            return Err(Refusal::new("Only volatile databases can be detached"));
        }
        let detached = self
            .ask
            .data(pnn, Opcode::DbDetach, entry.db_id.to_bytes())
            .await;
        detached.map(drop).map_err(|mut refusal| {
            let reason = core::mem::take(&mut refusal.message);
            refusal.notes.push(reason);
            refusal.message = format!("Database {name} detach failed");
            refusal
        })
    }

    /// Switches read-only copies or sticky records on, on all nodes.
    async fn set_db_flag(&self, pnn: u32, name: &DbName, flag: DbFlags) -> Answered {
        let (entry, _) = self.find_db(pnn, name).await?;
        let (opcode, word) = if flag == DbFlags::READONLY {
            (Opcode::SetDbReadonly, "READONLY")
        } else {
            (Opcode::SetDbSticky, "STICKY")
        };
        if !is_volatile(entry.flags) {
            let message = format!("{word} can be set only on volatile DB");
            return Err(Refusal::new(message));
        }
        for node in self.reachable_nodes(pnn).await? {
            self.ask
                .data(node.pnn, opcode, entry.db_id.to_bytes())
                .await?;
        }
        Ok(Answer::new(Done))
    }
}
