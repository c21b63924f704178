//! Replacing the whole content of a database on all active nodes, as 4.17's tool does it: each step on every node
//! before the next one. A failure in between ends in a recovery, which makes the nodes equal again. A recovery of
//! somebody else ends every replacement: then it is begun anew.

use std::time::Duration;

use ctdb_protocol::client::database::{PullDbExt, TransDb};
use ctdb_protocol::client::marshall::Marshall;
use ctdb_protocol::client::nodemap::NodeMap;
use ctdb_protocol::client::srvid::RESTORE_BASE;
use ctdb_protocol::client::traverse::RecordData;
use ctdb_protocol::client::vnnmap::VnnMap;
use ctdb_protocol::client::{Opcode, Payload, pnn};
use ctdb_protocol::console::Refusal;
use ctdb_protocol::console::command::DbName;
use ctdb_protocol::console::json::Value;
use ctdb_protocol::console::options::Options;
use ctdb_protocol::console::render::simple::Single;

use super::database::Database;
use super::{Answered, connect, refused};
use crate::client::{Client, ClientError, Result};

/// Bytes of records in one message.
const MESSAGE_BYTES: usize = 100_000;
/// Between two looks whether a node has opened the database.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Looks at one node, or at a recovery.
const LOOKS_MAX: u32 = 250;
/// Beginnings of a replacement that recoveries end.
const ATTEMPTS_MAX: u32 = 5;
/// `SET_RECMODE`: start a recovery.
const RECOVERY_ACTIVE: u32 = 1;

/// `wipedb`
pub(super) fn wipe(options: &Options, name: &DbName) -> Answered {
    let mut client = connect(options)?;
    let database = Database::find(&mut client, name)?;
    replace(&mut client, database.id, None)?;
    Ok(Box::new(Single {
        name: "wiped",
        text: Some(format!("Database {} wiped", database.name)),
        value: Value::from(database.name),
    }))
}

/// Empties the database and fills it with these records, if any.
pub(super) fn replace(
    client: &mut Client,
    db_id: u32,
    records: Option<&[RecordData]>,
) -> std::result::Result<(), Refusal> {
    let mut attempts = ATTEMPTS_MAX;
    loop {
        attempts -= 1;
        let cluster = Cluster::ask(client, db_id)?;
        cluster.wait_for_database(client).map_err(refused)?;
        let Err(error) = cluster.replace(client, records) else {
            return Ok(());
        };
        let was_interrupted = cluster.has_recovered(client)?;
        if was_interrupted && attempts > 0 {
            continue;
        }
        let active = RECOVERY_ACTIVE.to_bytes();
        // What cannot be asked for now the leader sees by itself: a database stays frozen.
        let _ = client.control(Opcode::SetRecMode, pnn::CURRENT, &active);
        return Err(refused(error));
    }
}

/// The generation of the cluster when no recovery is active; a recovery is waited for.
fn generation(client: &mut Client) -> std::result::Result<u32, Refusal> {
    for _ in 0..LOOKS_MAX {
        let mode = client.control(Opcode::GetRecMode, pnn::CURRENT, &[]);
        if mode.map_err(refused)?.status == 0 {
            let map = client.control_ok(Opcode::GetVnnMap, &[]);
            let map = map.and_then(|map| Ok(VnnMap::parse(&map)?));
            return Ok(map.map_err(refused)?.generation);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let message = "A recovery is active: try again when it is over";
    Err(Refusal::new(message))
}

/// The active nodes, and one of their databases.
struct Cluster {
    nodes: Vec<u32>,
    change: TransDb,
}

impl Cluster {
    fn ask(client: &mut Client, db_id: u32) -> std::result::Result<Self, Refusal> {
        let tid = generation(client)?;
        let map = client.control_ok(Opcode::GetNodeMap, &[]);
        let map = map.and_then(|map| Ok(NodeMap::parse(&map)?));
        let map = map.map_err(refused)?;
        let active = map.nodes.iter().filter(|node| !node.flags.is_inactive());
        Ok(Self {
            nodes: active.map(|node| node.pnn).collect(),
            change: TransDb { db_id, tid },
        })
    }

    /// Whether the cluster has recovered since, which ended the replacement.
    fn has_recovered(&self, client: &mut Client) -> std::result::Result<bool, Refusal> {
        Ok(generation(client)? != self.change.tid)
    }

    /// A database that was attached just now: the other nodes open it a little later. A node that does not is heard of
    /// at the first step.
    fn wait_for_database(&self, client: &mut Client) -> Result<()> {
        let id = self.change.db_id.to_bytes();
        for node in &self.nodes {
            for _ in 0..LOOKS_MAX {
                if client.control(Opcode::GetDbName, *node, &id)?.status == 0 {
                    break;
                }
                std::thread::sleep(LOOK_EVERY);
            }
        }
        Ok(())
    }

    fn replace(&self, client: &mut Client, records: Option<&[RecordData]>) -> Result<()> {
        let (id, change) = (self.change.db_id.to_bytes(), self.change.to_bytes());
        self.each(client, Opcode::DbFreeze, &id)?;
        self.each(client, Opcode::DbTransactionStart, &change)?;
        self.each(client, Opcode::WipeDatabase, &change)?;
        if let Some(records) = records {
            self.push(client, records)?;
        }
        self.each(client, Opcode::DbSetHealthy, &id)?;
        self.each(client, Opcode::DbTransactionCommit, &change)?;
        self.each(client, Opcode::DbThaw, &id)?;
        Ok(())
    }

    fn push(&self, client: &mut Client, records: &[RecordData]) -> Result<()> {
        let db_id = self.change.db_id;
        let srvid = RESTORE_BASE | u64::from(std::process::id());
        let start = PullDbExt {
            db_id,
            lmaster: pnn::UNKNOWN,
            srvid,
        };
        self.each(client, Opcode::DbPushStart, &start.to_bytes())?;
        for message in messages(db_id, records) {
            for node in &self.nodes {
                client.send_message(*node, srvid, &message)?;
            }
        }
        let counts = self.each(client, Opcode::DbPushConfirm, &db_id.to_bytes())?;
        for count in counts {
            let count = u32::parse(&count)?;
            if count as usize != records.len() {
                return Err(ClientError::Control {
                    opcode: Opcode::DbPushConfirm,
                    status: -1,
                    text: format!("{count} of {} records arrived", records.len()),
                });
            }
        }
        Ok(())
    }

    /// One step on all nodes, one after the other.
    fn each(&self, client: &mut Client, opcode: Opcode, data: &[u8]) -> Result<Vec<Vec<u8>>> {
        let answers = self.nodes.iter().map(|node| {
            let reply = client.control(opcode, *node, data)?;
            match reply.status {
                0 => Ok(reply.data),
                status => Err(ClientError::Control {
                    opcode,
                    status,
                    text: format!("node {node}: {}", reply.error),
                }),
            }
        });
        answers.collect()
    }
}

/// Records in messages of bounded size.
fn messages(db_id: u32, records: &[RecordData]) -> Vec<Vec<u8>> {
    let mut buffers: Vec<(usize, Marshall)> = Vec::new();
    for record in records {
        let bytes = RecordData::MIN_SIZE + record.key.len() + record.data.len();
        match buffers.last_mut() {
            Some((length, buffer)) if *length + bytes <= MESSAGE_BYTES => {
                *length += bytes;
                buffer.records.push(record.clone());
            }
            _ => buffers.push((
                bytes,
                Marshall {
                    db_id,
                    records: vec![record.clone()],
                },
            )),
        }
    }
    buffers
        .iter()
        .map(|(_, buffer)| buffer.to_bytes())
        .collect()
}
