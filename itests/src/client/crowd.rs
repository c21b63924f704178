//! A crowd: many clients of one node, of which most are idle and some work.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use ctdb_protocol::client::{Call, CallFlags, CallId, Opcode, pnn};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::connection::Client;
use super::db::DbKind;
use super::error::{ClientError, Result};

/// Srvids of the single clients begin here.
const OWN_SRVID: u64 = 0xBE00_0000_0001_0000;
/// Srvid that all of them have.
const COMMON_SRVID: u64 = 0xBE00_0000_0000_0001;
/// Enough for one client's work.
const STACK_BYTES: usize = 128 << 10;
/// How long a message is waited for.
const MESSAGE_LIMIT: Duration = Duration::from_secs(30);
/// Between two looks at whether all clients are gone.
const LOOK: Duration = Duration::from_millis(5);

/// What it is to be.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// The daemon's socket.
    pub socket: PathBuf,
    /// A volatile database; all attach it.
    pub db: String,
    /// Keys of its records begin so; see [`load::fill`](super::load::fill).
    pub prefix: String,
    /// How many such records there are, at another node.
    pub records: u64,
    /// How many connect.
    pub clients: u32,
    /// How many of them work.
    pub active: u32,
    /// For how long.
    pub duration: Duration,
    /// Between two requests of one client.
    pub rest: Duration,
}

/// How long requests took, shortest first.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// A control.
    pub pings: Vec<Duration>,
    /// A record of another node, which stays there.
    pub fetches: Vec<Duration>,
    /// A message to the client's own srvid.
    pub messages: Vec<Duration>,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct CrowdReport {
    /// Until all had connected, attached and registered.
    pub connected: Duration,
    /// Memory of the daemon before that, in KiB.
    pub before_kib: u64,
    /// After that.
    pub connected_kib: u64,
    /// After the work.
    pub worked_kib: u64,
    /// After all had gone.
    pub after_kib: u64,
    /// Of those that worked.
    pub answers: Answers,
    /// From the sending of one message to all until the last one had it.
    pub told: Duration,
    /// Until the daemon had forgotten all of them.
    pub gone: Duration,
}

impl Crowd {
    /// Does it all.
    pub fn run(&self) -> Result<CrowdReport> {
        allow_many_files()?;
        let daemon = daemon_of(&self.socket)?;
        let mut observer = Client::connect(&self.socket)?;
        let alone = clients_of(&mut observer)?;
        let before_kib = resident_kib(daemon)?;
        let start = Instant::now();
        let mut members = (0..self.clients)
            .map(|number| self.join(number))
            .collect::<Result<Vec<_>>>()?;
        let connected = start.elapsed();
        let connected_kib = resident_kib(daemon)?;
        let answers = self.work(&mut members[..self.active as usize])?;
        let worked_kib = resident_kib(daemon)?;
        let told = tell_all(&mut observer, &mut members)?;
        let start = Instant::now();
        drop(members);
        while clients_of(&mut observer)? > alone {
            thread::sleep(LOOK);
        }
        Ok(CrowdReport {
            connected,
            before_kib,
            connected_kib,
            worked_kib,
            after_kib: resident_kib(daemon)?,
            answers,
            told,
            gone: start.elapsed(),
        })
    }

    fn join(&self, number: u32) -> Result<Member> {
        let mut client = Client::connect(&self.socket)?;
        let db = client.attach_id(&self.db, DbKind::Volatile)?;
        let srvid = OWN_SRVID + u64::from(number);
        client.register_srvid(srvid)?;
        client.register_srvid(COMMON_SRVID)?;
        Ok(Member { client, db, srvid })
    }

    /// Each has a thread of its own.
    fn work(&self, members: &mut [Member]) -> Result<Answers> {
        let mut all = Answers::default();
        thread::scope(|scope| {
            let start = |member, number| {
                let thread = thread::Builder::new().stack_size(STACK_BYTES);
                thread.spawn_scoped(scope, move || self.work_of(member, number))
            };
            let started: Vec<ScopedJoinHandle<'_, Result<Answers>>> = members
                .iter_mut()
                .zip(0..)
                .map(|(member, number)| start(member, number))
                .collect::<std::io::Result<_>>()?;
            for thread in started {
                let answers = thread.join().expect("a client's thread")?;
                all.pings.extend(answers.pings);
                all.fetches.extend(answers.fetches);
                all.messages.extend(answers.messages);
            }
            Ok::<(), ClientError>(())
        })?;
        for times in [&mut all.pings, &mut all.fetches, &mut all.messages] {
            times.sort_unstable();
        }
        Ok(all)
    }

    fn work_of(&self, member: &mut Member, number: u32) -> Result<Answers> {
        let mut answers = Answers::default();
        let begin = Instant::now();
        // Spread, as independent clients are.
        thread::sleep(self.rest * number / self.active.max(1));
        for turn in number.. {
            if begin.elapsed() >= self.duration {
                break;
            }
            let asked = Instant::now();
            match turn % 3 {
                0 => {
                    member.ping()?;
                    answers.pings.push(asked.elapsed());
                }
                1 => {
                    let record = u64::from(turn) * 7 % self.records;
                    let key = format!("{}-{record:012}", self.prefix);
                    member.fetch(key.as_bytes())?;
                    answers.fetches.push(asked.elapsed());
                }
                _ => {
                    member.message()?;
                    answers.messages.push(asked.elapsed());
                }
            }
            thread::sleep(self.rest);
        }
        Ok(answers)
    }
}

/// One of the crowd.
struct Member {
    client: Client,
    db: u32,
    srvid: u64,
}

impl Member {
    fn ping(&mut self) -> Result<()> {
        clients_of(&mut self.client).map(drop)
    }

    fn fetch(&mut self, key: &[u8]) -> Result<()> {
        let call = Call {
            flags: CallFlags::empty(),
            db_id: self.db,
            call_id: CallId::Fetch,
            hop_count: 0,
            key: key.to_vec(),
            data: Vec::new(),
        };
        let reply = self.client.call(call)?;
        assert!(!reply.data.is_empty(), "the record is at another node");
        Ok(())
    }

    fn message(&mut self) -> Result<()> {
        self.client
            .send_message(pnn::CURRENT, self.srvid, b"crowd")?;
        self.hear(self.srvid)
    }

    fn hear(&mut self, srvid: u64) -> Result<()> {
        match self.client.recv_message(MESSAGE_LIMIT)? {
            Some(message) if message.srvid == srvid => Ok(()),
            other => Err(ClientError::Timeout {
                what: format!("a message, but {other:?}"),
                waited: MESSAGE_LIMIT,
            }),
        }
    }
}

fn tell_all(sender: &mut Client, members: &mut [Member]) -> Result<Duration> {
    let start = Instant::now();
    sender.send_message(pnn::CURRENT, COMMON_SRVID, b"crowd")?;
    for member in members {
        member.hear(COMMON_SRVID)?;
    }
    Ok(start.elapsed())
}

/// How many clients the daemon has, which is its answer to a ping.
fn clients_of(client: &mut Client) -> Result<i32> {
    Ok(client.control(Opcode::Ping, pnn::CURRENT, &[])?.status)
}

/// As many as the hard limit allows, for this process.
fn allow_many_files() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, wanted).map_err(|error| std::io::Error::from(error).into())
}

/// The process that listens on a socket.
fn daemon_of(socket: &Path) -> Result<i32> {
    let stream = UnixStream::connect(socket)?;
    let peer = socket_peercred(&stream).map_err(std::io::Error::from)?;
    Ok(peer.pid.as_raw_nonzero().get())
}

/// Memory of a process that it does not share with files.
fn resident_kib(pid: i32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| std::io::Error::other("no RssAnon").into())
}
