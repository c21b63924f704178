//! Locks over the cluster, as Samba's tool library takes them: a record of `g_lock.tdb` lists who holds the
//! lock; whoever waits looks again after a millisecond, and takes dead holders off the list.

use std::thread::sleep;
use std::time::{Duration, Instant};

use ctdb_protocol::client::server_id::ServerId;
use ctdb_protocol::client::{Opcode, Payload};

use super::connection::Client;
use super::db::Db;
use super::error::{ClientError, Result};

/// Pause before the next look at a lock that somebody has.
const PAUSE: Duration = Duration::from_millis(1);
/// Holders are asked for at every look by the library; every so many looks are enough to see one die.
const LOOKS_PER_CHECK: u64 = 16;
/// Bytes of one entry: type, padding, server id.
const ENTRY_BYTES: usize = 32;
/// Type of an exclusive lock.
const WRITE: u32 = 1;

/// The database of the locks, and who this client is.
#[derive(Debug)]
pub struct GLock {
    db: Db,
    own: ServerId,
}

impl GLock {
    /// Attaches the database.
    pub fn attach(client: &mut Client) -> Result<Self> {
        let own = ServerId {
            pid: std::process::id().into(),
            vnn: client.pnn(),
            ..ServerId::default()
        };
        let db = client.attach("g_lock.tdb")?;
        Ok(Self { db, own })
    }

    /// Takes the lock `key`; an error if that takes longer than `limit`.
    pub fn lock(&mut self, client: &mut Client, key: &[u8], limit: Duration) -> Result<()> {
        let begin = Instant::now();
        let mut dead = None;
        for look in 0.. {
            let Some(holder) = self.try_lock(key, dead.take())? else {
                return Ok(());
            };
            if look % LOOKS_PER_CHECK == 0 && !is_alive(client, holder)? {
                dead = Some(holder);
            }
            if begin.elapsed() >= limit {
                return Err(ClientError::Timeout {
                    what: format!("lock {}", key.escape_ascii()),
                    waited: limit,
                });
            }
            sleep(PAUSE);
        }
        Ok(())
    }

    /// Gives the lock back.
    pub fn unlock(&mut self, key: &[u8]) -> Result<()> {
        let own = self.own;
        self.db
            .fetch_lock(key, |old| {
                let others = entries(old).filter(|holder| *holder != own);
                others.flat_map(entry).collect()
            })
            .map(|_| ())
    }

    /// One look at the lock; answers who has it. `dead` is taken off the list.
    fn try_lock(&mut self, key: &[u8], dead: Option<ServerId>) -> Result<Option<ServerId>> {
        let own = self.own;
        let mut holder = None;
        self.db.fetch_lock(key, |old| {
            holder = entries(old).find(|other| *other != own && Some(*other) != dead);
            if holder.is_some() {
                old.to_vec()
            } else {
                entry(own)
            }
        })?;
        Ok(holder)
    }
}

fn entries(record: &[u8]) -> impl Iterator<Item = ServerId> {
    let whole = record.chunks_exact(ENTRY_BYTES);
    whole.filter_map(|entry| ServerId::parse(&entry[8..]).ok())
}

fn entry(own: ServerId) -> Vec<u8> {
    let mut entry = u64::from(WRITE).to_bytes();
    entry.extend(own.to_bytes());
    entry
}

fn is_alive(client: &mut Client, holder: ServerId) -> Result<bool> {
    let pid = holder.pid as i32;
    let reply = client.control(Opcode::ProcessExists, holder.vnn, &pid.to_bytes())?;
    Ok(reply.status == 0)
}
