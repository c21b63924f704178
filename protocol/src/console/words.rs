//! The table of all commands: words, aliases, arguments, and who may give them.

use alloc::format;
use alloc::string::String;

/// Which nodes a command can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Any: `-n N`, `-n all`.
    Any,
    /// The node of the console alone; `-n` is refused, as 4.17 does.
    Local,
    /// The cluster: `-n` says at most through which node.
    Cluster,
}

/// What a session must have shown before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: status.
    Open,
    /// The token: it changes state, or shows record data, keys, script output, the log or memory.
    Token,
}

/// One command.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// Which.
    pub verb: Verb,
    /// Its name in 4.17.
    pub name: &'static str,
    /// Older names, and names without 4.17's typing.
    pub aliases: &'static [&'static str],
    /// Its arguments, for the usage text.
    pub arguments: &'static str,
    /// What it does, for `help`.
    pub help: &'static str,
    /// Which nodes.
    pub scope: Scope,
    /// Who may give it.
    pub access: Access,
}

macro_rules! words {
    ($($verb:ident $name:literal [$($alias:literal)*] $arguments:literal $scope:ident $access:ident $help:literal,)*) => {
        /// A command without its arguments.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Verb {
            $(#[doc = $help] $verb,)*
        }

        /// All commands, in the order of `help`.
        pub const WORDS: &[Word] = &[$(Word {
            verb: Verb::$verb,
            name: $name,
            aliases: &[$($alias),*],
            arguments: $arguments,
            help: $help,
            scope: Scope::$scope,
            access: Access::$access,
        }),*];
    };
}

words! {
    Version "version" [] "" Cluster Open "show version of ctdb",
    Status "status" [] "" Any Open "show node status",
    Uptime "uptime" [] "" Any Open "show node uptime",
    Ping "ping" [] "" Any Open "ping a node",
    RunState "runstate" [] "[setup|first_recovery|startup|running]..." Any Open "get/check runstate of a node",
    GetVar "getvar" [] "<name>" Any Open "get a tunable variable",
    SetVar "setvar" [] "<name> <value>" Any Token "set a tunable variable",
    ListVars "listvars" [] "" Any Open "list tunable variables",
    Statistics "statistics" [] "" Any Open "show ctdb statistics",
    StatisticsReset "statisticsreset" [] "" Any Token "reset ctdb statistics",
    Stats "stats" [] "[count]" Any Open "show rolling statistics",
    Ip "ip" [] "[all]" Any Open "show public ips",
    IpInfo "ipinfo" [] "<ip>" Any Open "show public ip details",
    Ifaces "ifaces" [] "" Any Open "show interfaces",
    SetIfaceLink "setifacelink" [] "<iface> up|down" Any Token "set interface link status",
    ProcessExists "process-exists" ["processexists"] "<pid> [<srvid>]" Any Open "check if a process exists on a node",
    GetDbMap "getdbmap" [] "" Any Open "show attached databases",
    GetDbStatus "getdbstatus" [] "<dbname|dbid>" Any Open "show database status",
    CatDb "catdb" [] "<dbname|dbid>" Local Token "dump cluster-wide ctdb database",
    CatTdb "cattdb" [] "<dbname|dbid>" Local Token "dump local ctdb database",
    GetCapabilities "getcapabilities" [] "" Any Open "show node capabilities",
    Pnn "pnn" ["xpnn"] "" Local Open "show the pnn of the current node",
    SetDebug "setdebug" [] "EMERG|ALERT|CRIT|ERROR|WARNING|NOTICE|INFO|DEBUG" Any Token "set debug level",
    GetDebug "getdebug" [] "" Any Open "get debug level",
    Attach "attach" [] "<dbname> [persistent|replicated]" Local Token "attach a database",
    Detach "detach" [] "<dbname|dbid>..." Local Token "detach database(s)",
    DumpMemory "dumpmemory" ["rddumpmemory"] "" Any Token "show the memory that ctdbd uses",
    GetPid "getpid" [] "" Any Open "get ctdbd process ID",
    Disable "disable" [] "" Any Token "disable a node",
    Enable "enable" [] "" Any Token "enable a node",
    Stop "stop" [] "" Any Token "stop a node",
    Continue "continue" [] "" Any Token "continue a stopped node",
    Ban "ban" [] "<bantime>" Any Token "ban a node",
    Unban "unban" [] "" Any Token "unban a node",
    Shutdown "shutdown" [] "" Any Token "shutdown ctdb daemon",
    Recover "recover" [] "" Cluster Token "force recovery",
    IpReallocate "ipreallocate" ["sync"] "" Cluster Token "run ip reallocation",
    ReloadNodes "reloadnodes" [] "" Local Token "reload the nodes file on all nodes",
    GratArp "gratarp" [] "<ip> <interface>" Any Token "send a gratuitous arp",
    Tickle "tickle" [] "[<srcip:port> <dstip:port>]..." Local Token "send tcp tickle acks; connections may stand on standard input",
    GetTickles "gettickles" [] "<ip> [<port>]" Any Token "show the tcp connections that are tickled with an ip",
    AddTickle "addtickle" [] "[<srcip:port> <dstip:port>]..." Any Token "add tickles; connections may stand on standard input",
    DelTickle "deltickle" [] "[<srcip:port> <dstip:port>]..." Any Token "delete tickles; connections may stand on standard input",
    ListNodes "listnodes" [] "" Local Open "list nodes in the cluster",
    MoveIp "moveip" [] "<ip> <node>" Local Token "move an ip address to another node",
    AddIp "addip" [] "<ip/mask> <iface>" Any Token "add an ip address to a node",
    DelIp "delip" [] "<ip>" Any Token "delete an ip address from a node",
    BackupDb "backupdb" [] "<dbname|dbid> <file>" Local Token "backup a database into a file",
    RestoreDb "restoredb" [] "<file> [<dbname>]" Local Token "restore a database from a file",
    DumpDbBackup "dumpdbbackup" [] "<file>" Local Token "dump database from a backup file",
    WipeDb "wipedb" [] "<dbname|dbid>" Local Token "wipe the contents of a database",
    Leader "leader" ["recmaster"] "" Cluster Open "show the pnn of the leader",
    IsNotLeader "isnotleader" ["isnotrecmaster"] "" Any Open "succeed unless the node is the leader",
    GetReclock "getreclock" ["getclusterlock"] "" Any Open "show the cluster lock",
    SetLmasterRole "setlmasterrole" [] "on|off" Any Token "set LMASTER role",
    SetLeaderRole "setleaderrole" ["setrecmasterrole"] "on|off" Any Token "set LEADER role",
    SetDbReadonly "setdbreadonly" [] "<dbname|dbid>" Cluster Token "enable readonly records",
    SetDbSticky "setdbsticky" [] "<dbname|dbid>" Cluster Token "enable sticky records",
    PFetch "pfetch" [] "<dbname|dbid> <key>" Local Token "fetch record from persistent database",
    PStore "pstore" [] "<dbname|dbid> <key> <value>" Local Token "write record to persistent database",
    PDelete "pdelete" [] "<dbname|dbid> <key>" Local Token "delete record from persistent database",
    PTrans "ptrans" [] "<dbname|dbid> [<file>]" Local Token "update a persistent database (from file or stdin)",
    TFetch "tfetch" [] "<tdb-file> <key> [<file>]" Local Token "fetch a record of a tdb file",
    TStore "tstore" [] "<tdb-file> <key> <data> [<rsn> <dmaster> <flags>]" Local Token "store a record in a tdb file",
    ReadKey "readkey" [] "<dbname|dbid> <key> [readonly]" Local Token "read value of a database key",
    WriteKey "writekey" [] "<dbname|dbid> <key> <value>" Local Token "write value for a database key",
    DeleteKey "deletekey" [] "<dbname|dbid> <key>" Local Token "delete a database key",
    CheckTcpPort "checktcpport" [] "<port>" Local Token "check whether a tcp port is free",
    GetDbSeqnum "getdbseqnum" [] "<dbname|dbid>" Any Open "get database sequence number",
    NodeStatus "nodestatus" [] "[all|<pnn-list>]" Any Open "show and return node status",
    DbStatistics "dbstatistics" ["dbstats"] "<dbname|dbid>" Any Token "show database statistics",
    ReloadIps "reloadips" [] "[all|<pnn-list>]" Local Token "reload the public addresses file",
    Event "event" [] "run <timeout> <component> <event> [<arg>...] | status <component> <event> | script list <component> | script enable|disable <component> <script>" Local Token "event script commands",
    ScriptStatus "scriptstatus" [] "[<event>]" Local Token "show event script status",
    Lvs "lvs" [] "[leader|list|status]" Local Open "show leader, serving nodes or all nodes of the LVS group",
    LvsMaster "lvsmaster" [] "" Local Open "show the leader of the LVS group, as lvs leader",
    Natgw "natgw" [] "leader|list|status" Local Open "show leader, members or states of the NAT gateway's group",
    NatgwList "natgwlist" [] "" Local Open "show the members of the NAT gateway's group, as natgw list",
    GetLog "getlog" [] "[<lines>]" Local Token "show the last log lines of this node",
    Auth "auth" [] "<token>" Local Open "unlock this session",
    Help "help" ["?"] "[<command>]" Cluster Open "show all commands, or one",
    Quit "quit" ["exit"] "" Local Open "end this session",
}

impl Verb {
    /// The row of this command.
    pub fn word(self) -> &'static Word {
        &WORDS[self as usize]
    }
}

/// Finds a command by name or alias, without regard to case.
pub fn find(text: &str) -> Option<&'static Word> {
    WORDS
        .iter()
        .find(|word| word.names().any(|name| name.eq_ignore_ascii_case(text)))
}

impl Word {
    /// Its name, then its aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        core::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Its line in `help`.
    pub fn help_line(&self) -> String {
        let mut line = format!("  {:<15} {:<28} {}", self.name, self.arguments, self.help);
        if !self.aliases.is_empty() {
            line.push_str(" (also: ");
            line.push_str(&self.aliases.join(", "));
            line.push(')');
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_where_their_verbs_point() {
        assert!(
            WORDS
                .iter()
                .enumerate()
                .all(|(row, word)| word.verb as usize == row)
        );
    }

    #[test]
    fn no_name_means_two_things() {
        let mut names: alloc::vec::Vec<_> = WORDS.iter().flat_map(Word::names).collect();
        names.sort_unstable();
        assert!(names.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn every_renamed_word_has_its_alias() {
        for (alias, verb) in [
            ("recmaster", Verb::Leader),
            ("isnotrecmaster", Verb::IsNotLeader),
            ("setrecmasterrole", Verb::SetLeaderRole),
            ("sync", Verb::IpReallocate),
            ("xpnn", Verb::Pnn),
            ("STATUS", Verb::Status),
        ] {
            assert_eq!(find(alias).map(|word| word.verb), Some(verb), "{alias}");
        }
        assert!(find("frob").is_none());
    }

    #[test]
    fn status_is_open_and_nothing_else() {
        let open = "version status uptime ping runstate getvar listvars statistics stats ip ipinfo \
                    ifaces process-exists getdbmap getdbstatus getcapabilities pnn getdebug getpid \
                    listnodes leader isnotleader getreclock getdbseqnum nodestatus lvs lvsmaster natgw natgwlist auth help quit";
        for word in WORDS {
            let listed = open.split(' ').any(|name| name == word.name);
            assert_eq!(listed, word.access == Access::Open, "{}", word.name);
        }
    }
}
