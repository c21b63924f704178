//! A command with its arguments, as far as they can be checked without asking a daemon.

use super::options::Options;
use super::words::Verb;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::client::dbmap::DbFlags;
use crate::client::sockaddr::Connection;
use crate::flags::RunState;

/// One line, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its options.
    pub options: Options,
    /// What is asked for.
    pub command: Command,
}

/// Nodes named by an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// The node that `-n` says.
    Chosen,
    /// `all`
    All,
    /// A list of numbers, in its order.
    List(Vec<u32>),
}

/// A database as the admin names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DbName(pub String);

impl DbName {
    /// The id, if a number (decimal, or hexadecimal after `0x`) was given.
    pub fn id(&self) -> Option<u32> {
        match self
            .0
            .strip_prefix("0x")
            .or_else(|| self.0.strip_prefix("0X"))
        {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => self.0.parse().ok(),
        }
    }
}

/// How `attach` makes a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachKind {
    /// Neither of the others.
    Volatile,
    /// `persistent`
    Persistent,
    /// `replicated`
    Replicated,
}

/// A change of a node's flags that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagChange {
    /// `disable`
    Disable,
    /// `enable`
    Enable,
    /// `stop`
    Stop,
    /// `continue`
    Continue,
    /// `ban`, in seconds.
    Ban(u32),
    /// `unban`
    Unban,
}

/// What is done with TCP connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpAction {
    /// `tickle`: an ACK is sent from the first end to the second.
    Tickle,
    /// `addtickle`: whoever takes the address of the second end tickles the first one.
    Add,
    /// `deltickle`
    Remove,
}

/// Commands about the content of databases and of files. They read and write files of whoever gives them, so the tool
/// carries them out, over the client socket; a session has no such files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataCommand {
    /// `cattdb`
    Dump(DbName),
    /// `backupdb`
    Backup {
        /// What.
        db: DbName,
        /// Where to.
        file: String,
    },
    /// `restoredb`
    Restore {
        /// Where from.
        file: String,
        /// Into which database, if not into the one that the file names.
        name: Option<String>,
    },
    /// `dumpdbbackup`
    DumpBackup(String),
    /// `wipedb`
    Wipe(DbName),
    /// `pfetch`
    Fetch {
        /// The database.
        db: DbName,
        /// The key.
        key: Vec<u8>,
    },
    /// `pstore`, `pdelete`
    Store {
        /// The database.
        db: DbName,
        /// The key.
        key: Vec<u8>,
        /// The data; empty deletes the record.
        value: Vec<u8>,
    },
    /// `ptrans`
    Transaction {
        /// The database.
        db: DbName,
        /// Keys and values, a line each; `None` stands for the standard input.
        file: Option<String>,
    },
    /// `tfetch`
    FetchFromFile {
        /// The TDB file.
        tdb: String,
        /// The key.
        key: Vec<u8>,
        /// Where the record, its header included, goes to.
        file: Option<String>,
    },
    /// `tstore`
    StoreInFile {
        /// The TDB file.
        tdb: String,
        /// The key.
        key: Vec<u8>,
        /// The data.
        value: Vec<u8>,
        /// Sequence number for the header.
        rsn: u64,
        /// Dmaster for the header.
        dmaster: u32,
        /// Flags for the header.
        flags: u32,
    },
}

/// `event …` and `scriptstatus`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventCommand {
    /// Run an event.
    Run {
        /// For all scripts together, in seconds; 0: no limit.
        timeout: u32,
        /// Directory of the scripts below `events`.
        component: String,
        /// The event.
        event: String,
        /// Its arguments, between blanks.
        args: String,
    },
    /// What did the scripts do in the newest run?
    Status {
        /// Directory of the scripts.
        component: String,
        /// The event.
        event: String,
    },
    /// Which scripts are there?
    List {
        /// Directory of the scripts.
        component: String,
    },
    /// Enable or disable a script.
    Script {
        /// Directory of the script.
        component: String,
        /// The script, without its suffix.
        script: String,
        /// Enable it.
        enable: bool,
    },
}

/// `lvs …`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LvsCommand {
    /// `leader`, once `master`
    Leader,
    /// `list`, or nothing
    List,
    /// `status`
    Status,
}

/// `natgw …`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatgwCommand {
    /// `leader`, once `master`
    Leader,
    /// `list`
    List,
    /// `status`
    Status,
}

/// Every command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is described in the table of `words`")]
pub enum Command {
    Version,
    Status,
    Uptime,
    Ping,
    RunState(Vec<RunState>),
    GetVar(String),
    SetVar {
        name: String,
        value: u32,
    },
    ListVars,
    Statistics,
    StatisticsReset,
    Stats {
        count: usize,
    },
    Ip {
        all: bool,
    },
    IpInfo(IpAddr),
    Ifaces,
    SetIfaceLink {
        name: String,
        up: bool,
    },
    AddIp {
        address: IpAddr,
        prefix: u8,
        iface: String,
    },
    DelIp(IpAddr),
    MoveIp {
        address: IpAddr,
        to: u32,
    },
    ReloadIps(Nodes),
    GratuitousArp {
        address: IpAddr,
        iface: String,
    },
    /// No connections: the tool reads them from its standard input.
    Tcp {
        action: TcpAction,
        connections: Vec<Connection>,
    },
    GetTickles {
        address: IpAddr,
        port: Option<u16>,
    },
    CheckTcpPort(u16),
    ProcessExists {
        pid: i32,
        srvid: Option<u64>,
    },
    GetDbMap,
    GetDbStatus(DbName),
    CatDb(DbName),
    GetCapabilities,
    Pnn,
    /// With Samba's number of the level.
    SetDebug(i32),
    GetDebug,
    Attach {
        name: String,
        kind: AttachKind,
    },
    Detach(Vec<DbName>),
    SetDbFlag {
        db: DbName,
        flag: DbFlags,
    },
    DumpMemory,
    GetPid,
    Change(FlagChange),
    Shutdown,
    Recover,
    /// `reloadnodes`
    ReloadNodes,
    IpReallocate,
    ListNodes,
    Leader,
    IsNotLeader,
    GetReclock,
    SetLmasterRole(bool),
    SetLeaderRole(bool),
    ReadKey {
        db: DbName,
        key: Vec<u8>,
    },
    WriteKey {
        db: DbName,
        key: Vec<u8>,
        value: Vec<u8>,
    },
    DeleteKey {
        db: DbName,
        key: Vec<u8>,
    },
    GetDbSeqnum(DbName),
    Data(DataCommand),
    NodeStatus(Nodes),
    DbStatistics(DbName),
    Event(EventCommand),
    Lvs(LvsCommand),
    Natgw(NatgwCommand),
    GetLog {
        lines: usize,
    },
    Auth(Vec<u8>),
    Help(Option<Verb>),
    Quit,
}
