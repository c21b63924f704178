use super::super::command::{DataCommand, TcpAction};
use super::super::words::Access;
use super::*;
use crate::client::sockaddr::Connection;
use alloc::string::ToString;
use alloc::vec;
use core::net::SocketAddr;

fn command_of(line: &str) -> Command {
    let read = read(line.as_bytes()).unwrap_or_else(|refusal| panic!("{line}: {refusal:?}"));
    read.unwrap_or_else(|| panic!("{line}: nothing")).1.command
}

fn refused(line: &str) -> (i32, String) {
    match read(line.as_bytes()) {
        Err(refusal) => (refusal.code, refusal.message),
        Ok(read) => panic!("{line}: {read:?}"),
    }
}

fn tcp(action: TcpAction, ends: &[(&str, &str)]) -> Command {
    let end = |text: &str| text.parse::<SocketAddr>().expect("a literal").into();
    let connection = |(src, dst): &(&str, &str)| Connection {
        src: end(src),
        dst: end(dst),
    };
    Command::Tcp {
        action,
        connections: ends.iter().map(connection).collect(),
    }
}

fn db() -> DbName {
    DbName("a.tdb".to_string())
}

#[test]
#[allow(clippy::too_many_lines, reason = "one table")]
fn lines_and_what_they_mean() {
    let (key, value) = (b"k".to_vec(), b"v w".to_vec());
    for (line, expected) in [
        ("status", Command::Status),
        ("STATUS -X", Command::Status),
        ("ip all", Command::Ip { all: true }),
        ("-n 2 ip", Command::Ip { all: false }),
        (
            "ipinfo 10.0.0.1",
            Command::IpInfo("10.0.0.1".parse().expect("ip")),
        ),
        (
            "runstate running Setup",
            Command::RunState(vec![RunState::Running, RunState::Setup]),
        ),
        (
            "setvar MonitorInterval 3",
            Command::SetVar {
                name: "MonitorInterval".into(),
                value: 3,
            },
        ),
        (
            "process-exists 7 0x10",
            Command::ProcessExists {
                pid: 7,
                srvid: Some(16),
            },
        ),
        ("setdebug debug", Command::SetDebug(10)),
        ("setdebug 3", Command::SetDebug(3)),
        (
            "attach a.tdb",
            Command::Attach {
                name: "a.tdb".into(),
                kind: AttachKind::Volatile,
            },
        ),
        (
            "attach a.tdb persistent",
            Command::Attach {
                name: "a.tdb".into(),
                kind: AttachKind::Persistent,
            },
        ),
        ("disable -n 2", Command::Change(FlagChange::Disable)),
        ("ban 60", Command::Change(FlagChange::Ban(60))),
        ("sync", Command::IpReallocate),
        ("recmaster", Command::Leader),
        ("isnotrecmaster", Command::IsNotLeader),
        ("setrecmasterrole on", Command::SetLeaderRole(true)),
        ("nodestatus", Command::NodeStatus(Nodes::Chosen)),
        ("nodestatus all", Command::NodeStatus(Nodes::All)),
        (
            "nodestatus 1,0,1",
            Command::NodeStatus(Nodes::List(vec![1, 0])),
        ),
        (
            "readkey a.tdb k readonly",
            Command::ReadKey {
                db: db(),
                key: key.clone(),
            },
        ),
        (
            "writekey a.tdb k 'v w'",
            Command::WriteKey {
                db: db(),
                key: key.clone(),
                value,
            },
        ),
        (
            "writekey a.tdb k -- -v",
            Command::WriteKey {
                db: db(),
                key,
                value: b"-v".to_vec(),
            },
        ),
        (
            "addip 10.0.0.9/24 eth1",
            Command::AddIp {
                address: "10.0.0.9".parse().expect("ip"),
                prefix: 24,
                iface: "eth1".into(),
            },
        ),
        (
            "delip fd88::9",
            Command::DelIp("fd88::9".parse().expect("ip")),
        ),
        (
            "moveip 10.0.0.9 2",
            Command::MoveIp {
                address: "10.0.0.9".parse().expect("ip"),
                to: 2,
            },
        ),
        ("reloadips", Command::ReloadIps(Nodes::Chosen)),
        ("reloadips 2,0", Command::ReloadIps(Nodes::List(vec![2, 0]))),
        (
            "gratarp 10.0.0.9 eth1",
            Command::GratuitousArp {
                address: "10.0.0.9".parse().expect("ip"),
                iface: "eth1".into(),
            },
        ),
        ("addtickle", tcp(TcpAction::Add, &[])),
        (
            "tickle 10.0.0.1:1 10.0.0.2:2 [::1]:3 ::2:4",
            tcp(
                TcpAction::Tickle,
                &[("10.0.0.1:1", "10.0.0.2:2"), ("[::1]:3", "[::2]:4")],
            ),
        ),
        (
            "-n 1 deltickle 10.0.0.1:1 10.0.0.2:2",
            tcp(TcpAction::Remove, &[("10.0.0.1:1", "10.0.0.2:2")]),
        ),
        (
            "gettickles 10.0.0.1 445",
            Command::GetTickles {
                address: "10.0.0.1".parse().expect("ip"),
                port: Some(445),
            },
        ),
        (
            "pdelete a.tdb 0x6b",
            Command::Data(DataCommand::Store {
                db: db(),
                key: b"k".to_vec(),
                value: Vec::new(),
            }),
        ),
        (
            "ptrans a.tdb",
            Command::Data(DataCommand::Transaction {
                db: db(),
                file: None,
            }),
        ),
        (
            "restoredb f b.tdb",
            Command::Data(DataCommand::Restore {
                file: "f".into(),
                name: Some("b.tdb".into()),
            }),
        ),
        (
            "tstore f 0x6b v 5 1 0x10",
            Command::Data(DataCommand::StoreInFile {
                tdb: "f".into(),
                key: b"k".to_vec(),
                value: b"v".to_vec(),
                rsn: 5,
                dmaster: 1,
                flags: 16,
            }),
        ),
        (
            "readkey a.tdb 0x6b",
            Command::ReadKey {
                db: db(),
                key: b"k".to_vec(),
            },
        ),
        ("checktcpport 445", Command::CheckTcpPort(445)),
        ("rddumpmemory", Command::DumpMemory),
        (
            "detach a.tdb 0x10",
            Command::Detach(vec![db(), DbName("0x10".into())]),
        ),
        (
            "setdbreadonly a.tdb",
            Command::SetDbFlag {
                db: db(),
                flag: DbFlags::READONLY,
            },
        ),
        (
            "setdbsticky a.tdb",
            Command::SetDbFlag {
                db: db(),
                flag: DbFlags::STICKY,
            },
        ),
        ("lvs", Command::Lvs(LvsCommand::List)),
        ("lvs list", Command::Lvs(LvsCommand::List)),
        ("lvs leader", Command::Lvs(LvsCommand::Leader)),
        ("lvs master", Command::Lvs(LvsCommand::Leader)),
        ("lvsmaster", Command::Lvs(LvsCommand::Leader)),
        ("lvs status", Command::Lvs(LvsCommand::Status)),
        ("natgw leader", Command::Natgw(NatgwCommand::Leader)),
        ("natgw master", Command::Natgw(NatgwCommand::Leader)),
        ("natgw list", Command::Natgw(NatgwCommand::List)),
        ("natgwlist", Command::Natgw(NatgwCommand::List)),
        ("natgw status", Command::Natgw(NatgwCommand::Status)),
        ("getlog 5", Command::GetLog { lines: 5 }),
        ("stats 9999", Command::Stats { count: 100 }),
        ("help ban", Command::Help(Some(Verb::Ban))),
    ] {
        assert_eq!(command_of(line), expected, "{line}");
    }
    assert!(matches!(read(b"  "), Ok(None)));
}

#[test]
fn refusals_name_the_fault() {
    for (line, code, part) in [
        ("frob", 1, "Unknown command 'frob'"),
        ("statuss", 1, "did you mean 'status'?"),
        (
            "natgw",
            1,
            "Usage: ctdb [OPTION...] natgw leader|list|status",
        ),
        (
            "-n 1 natgw list",
            1,
            "Cannot specify node for command natgw",
        ),
        (
            "lvs all",
            1,
            "Usage: ctdb [OPTION...] lvs [leader|list|status]",
        ),
        ("-n 1 lvs", 1, "Cannot specify node for command lvs"),
        ("ban", 1, "Usage: ctdb [OPTION...] ban <bantime>"),
        ("ban 0", 22, "Ban time cannot be zero"),
        ("ban x", 22, "Invalid ban time x"),
        ("addip 10.0.0.9 eth1", 1, "Invalid IP/Mask 10.0.0.9"),
        ("addip 10.0.0.9/24", 1, "Usage: ctdb [OPTION...] addip"),
        ("delip x", 1, "Invalid IP address x"),
        ("moveip 10.0.0.9 x", 1, "Invalid PNN x"),
        ("tickle 10.0.0.1:1", 1, "Usage:"),
        ("pstore a.tdb 0x0 v", 22, "Failed to parse key 0x0"),
        ("tstore f k v x", 22, "Invalid rsn x"),
        ("tstore f k v 1 0x100000000", 22, "Invalid dmaster"),
        ("backupdb a.tdb", 1, "Usage:"),
        (
            "addtickle 10.0.0.1 10.0.0.2:2",
            1,
            "Invalid IP address 10.0.0.1",
        ),
        ("gettickles 10.0.0.1 x", 22, "Invalid port x"),
        (
            "-n 1 moveip 10.0.0.9 2",
            1,
            "Cannot specify node for command moveip",
        ),
        ("detach", 1, "Usage:"),
        ("setvar A", 1, "Usage:"),
        ("setvar A b", 22, "Invalid value b"),
        ("disable 3", 1, "Usage: ctdb [OPTION...] disable"),
        ("attach a.tdb foo", 1, "Usage:"),
        ("attach ../x", 22, "Invalid database name"),
        ("runstate FOO", 1, "Invalid run state (FOO)"),
        ("ipinfo x", 1, "Invalid IP address x"),
        ("setdebug FOO", 1, "ERROR | WARNING"),
        ("nodestatus 0,x", 1, "Invalid node x"),
        ("-n 1 pnn", 1, "Cannot specify node for command pnn"),
        ("ip 'all", 1, "quote ' is not closed"),
        ("help frob", 1, "Unknown command 'frob'"),
    ] {
        let (got, message) = refused(line);
        assert_eq!(got, code, "{line}: {message}");
        assert!(message.contains(part), "{line}: {message}");
    }
}

#[test]
fn every_word_is_read_and_keeps_its_access() {
    for word in WORDS {
        for name in word.names() {
            // Too many arguments for every command: the word is known all the same.
            let line = format!("{name} 1 1 1 1 1 1 1 1 1");
            let message = match read(line.as_bytes()) {
                Ok(_) => String::new(),
                Err(refusal) => refusal.message,
            };
            assert!(
                word.verb == Verb::Help || !message.contains("Unknown command"),
                "{name}: {message}"
            );
        }
    }
    let (word, _) = read(b"catdb x").expect("valid").expect("a command");
    assert_eq!(word.access, Access::Token);
}

#[test]
fn any_bytes_are_survived() {
    let mut seed = 7_u64;
    for _ in 0..2_000 {
        let line: Vec<u8> = (0..seed % 40)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            })
            .collect();
        seed = seed.wrapping_add(1);
        let _ = read(&line);
    }
}
