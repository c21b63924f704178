//! Transactions on persistent and replicated databases, as Samba's tool library makes them
//! (client-protocol.md section 5.8): a lock over the cluster, reads from the local file, `TRANS3_COMMIT`.

use std::time::Duration;

use ctdb_protocol::client::marshall::Marshall;
use ctdb_protocol::client::traverse::RecordData;
use ctdb_protocol::client::{Opcode, Payload, RecordFlags, RecordHeader, pnn};
use ctdb_protocol::record::replica::SEQNUM_KEY;

use super::connection::Client;
use super::db::Db;
use super::error::Result;
use super::g_lock::GLock;

/// How long a transaction waits for those of others.
const LOCK_LIMIT: Duration = Duration::from_secs(60);

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The daemon said so: all nodes have it.
    Committed,
    /// The daemon gave no clear answer, and the number in the local file is that of this transaction, which Samba's
    /// library takes for committed. Where the client's lock was lost with its side of a split, the number may be that of
    /// another client's transaction.
    Presumed,
    /// The database went on without it: what became of it is not known.
    Unknown,
}

/// What a transaction may read and change.
#[derive(Debug)]
pub struct Transaction<'a> {
    db: &'a Db,
    pnn: u32,
    changes: Vec<RecordData>,
}

impl Transaction<'_> {
    /// The data of a record as it was before the transaction; empty if there is none.
    pub fn read(&self, key: &[u8]) -> Result<Vec<u8>> {
        Ok(stored(self.db, key)?.1)
    }

    /// New data; empty deletes the record.
    pub fn write(&mut self, key: &[u8], data: &[u8]) -> Result<()> {
        let (old, _) = stored(self.db, key)?;
        let header = RecordHeader {
            rsn: old.rsn + 1,
            dmaster: self.pnn,
            reserved: 0,
            flags: RecordFlags::empty(),
        };
        self.changes.push(RecordData {
            reqid: 0,
            key: key.to_vec(),
            data: header.join(data),
        });
        Ok(())
    }
}

/// Number of the last transaction in the local file.
pub fn seqnum(db: &Db) -> Result<u64> {
    let (_, data) = stored(db, SEQNUM_KEY)?;
    Ok(if data.is_empty() {
        0
    } else {
        u64::parse(&data)?
    })
}

/// Runs one transaction: `work` reads and writes. It is repeated as the library does it: if the daemon gives no
/// clear answer, the local sequence number tells whether it was committed.
pub fn transact(
    client: &mut Client,
    locks: &mut GLock,
    db: &Db,
    mut work: impl FnMut(&mut Transaction<'_>) -> Result<()>,
) -> Result<Ended> {
    let lock = format!("transaction_db_0x{:08x}\0", db.id());
    locks.lock(client, lock.as_bytes(), LOCK_LIMIT)?;
    let ended = commit(client, db, &mut work);
    locks.unlock(lock.as_bytes())?;
    ended
}

fn commit(
    client: &mut Client,
    db: &Db,
    work: &mut dyn FnMut(&mut Transaction<'_>) -> Result<()>,
) -> Result<Ended> {
    let old = seqnum(db)?;
    let mut transaction = Transaction {
        db,
        pnn: client.pnn(),
        changes: Vec::new(),
    };
    work(&mut transaction)?;
    if transaction.changes.is_empty() {
        return Ok(Ended::Committed);
    }
    transaction.write(SEQNUM_KEY, &(old + 1).to_bytes())?;
    let buffer = Marshall {
        db_id: db.id(),
        records: transaction.changes,
    };
    let buffer = buffer.to_bytes();
    loop {
        let opcode = Opcode::Trans3Commit;
        let reply = client.control_srvid(opcode, pnn::CURRENT, db.id().into(), &buffer)?;
        if reply.status == 0 {
            return Ok(Ended::Committed);
        }
        let now = seqnum(db)?;
        if now == old + 1 {
            return Ok(Ended::Presumed);
        }
        if now != old {
            return Ok(Ended::Unknown);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Header and data of a record in the local file.
fn stored(db: &Db, key: &[u8]) -> Result<(RecordHeader, Vec<u8>)> {
    match db.tdb().fetch(key)? {
        Some(value) => {
            let (header, data) = RecordHeader::split(&value)?;
            Ok((header, data.to_vec()))
        }
        None => Ok((RecordHeader::default(), Vec::new())),
    }
}
