//! Sessions over real TCP, with a control plane that answers from a table.

use super::*;
use crate::fatal::Fatal;
use crate::supervise::Supervisor;
use ctdb_protocol::client::Payload;
use ctdb_protocol::client::capability::RunState;
use ctdb_protocol::client::nodemap::{Node, NodeFlags, NodeMap};
use ctdb_protocol::client::vnnmap::VnnMap;
use ctdb_protocol::console::escape::{Line, read_line};
use ctdb_protocol::flags::Capabilities;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::settings::GroupLine;
use futures_util::FutureExt;
use slog::{Discard, Logger, o};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Two nodes; the second never answers.
#[derive(Clone, Default)]
struct Fake {
    flags: Rc<RefCell<[NodeFlags; 2]>>,
    asked: Rc<RefCell<Vec<Opcode>>>,
    natgw: Rc<RefCell<Option<NatgwView>>>,
}

impl Fake {
    fn nodes(&self) -> NodeMap {
        let node = |(pnn, flags): (u32, &NodeFlags)| Node {
            pnn,
            flags: *flags,
            addr: std::net::IpAddr::from([127, 0, 0, pnn as u8 + 1]).into(),
        };
        NodeMap {
            nodes: (0..).zip(&*self.flags.borrow()).map(node).collect(),
        }
    }

    fn answer(&self, opcode: Opcode) -> ControlReply {
        self.asked.borrow_mut().push(opcode);
        match opcode {
            Opcode::GetNodeMap => ControlReply::ok(self.nodes().to_bytes()),
            Opcode::GetVnnMap => ControlReply::ok(
                VnnMap {
                    generation: 7,
                    map: vec![0, 1],
                }
                .to_bytes(),
            ),
            Opcode::GetRecMode => ControlReply::status(0),
            Opcode::GetRunstate => ControlReply::ok(RunState::Running.to_bytes()),
            Opcode::Ping => ControlReply::status(4),
            Opcode::GetPid => panic!("a bug in the answer"),
            Opcode::DisableNode => {
                self.flags.borrow_mut()[0] |= NodeFlags::DISABLED;
                ControlReply::status(0)
            }
            _ => ControlReply::error("not here"),
        }
    }
}

impl Control for Fake {
    fn call(&self, dest: u32, opcode: Opcode, _: Vec<u8>) -> LocalBoxFuture<'static, ControlReply> {
        let fake = self.clone();
        async move {
            if dest == 1 {
                std::future::pending::<()>().await;
            }
            fake.answer(opcode)
        }
        .boxed_local()
    }
}

impl Cluster for Fake {
    fn own(&self) -> u32 {
        0
    }
    fn leader(&self) -> Option<u32> {
        Some(0)
    }
    fn nodes(&self) -> Vec<(u32, String)> {
        vec![(0, "127.0.0.1".into()), (1, "127.0.0.2".into())]
    }
    fn lvs_group(&self) -> Option<Group> {
        let capable = |pnn| (Pnn(pnn), Capabilities::LVS);
        Some(Group::announced([0, 1].map(capable)))
    }
    fn natgw(&self) -> Option<NatgwView> {
        self.natgw.borrow().clone()
    }
    fn reallocate(&self) -> LocalBoxFuture<'static, ()> {
        async {}.boxed_local()
    }
    fn log_tail(&self, lines: usize) -> Vec<String> {
        ["OK", "ERR 3 x", "\\=", "plain"]
            .map(String::from)
            .into_iter()
            .take(lines)
            .collect()
    }
}

/// Records in memory.
#[derive(Clone, Default)]
struct FakeRecords(Rc<RefCell<BTreeMap<Vec<u8>, Vec<u8>>>>);

impl RecordAccess for FakeRecords {
    fn read(
        &self,
        _: DbId,
        key: Vec<u8>,
    ) -> LocalBoxFuture<'static, Result<Option<Vec<u8>>, String>> {
        let data = self.0.borrow().get(&key).cloned();
        async move { Ok(data) }.boxed_local()
    }
    fn write(
        &self,
        _: DbId,
        key: Vec<u8>,
        data: Vec<u8>,
    ) -> LocalBoxFuture<'static, Result<(), String>> {
        self.0.borrow_mut().insert(key, data);
        async { Ok(()) }.boxed_local()
    }
    fn delete(&self, _: DbId, key: Vec<u8>) -> LocalBoxFuture<'static, Result<(), String>> {
        self.0.borrow_mut().remove(&key);
        async { Ok(()) }.boxed_local()
    }
    fn scan(&self, _: DbId) -> LocalBoxFuture<'static, Result<Vec<RecordLine>, String>> {
        async { Err("not in this test".into()) }.boxed_local()
    }
}

struct Console {
    address: SocketAddr,
    token: String,
    fake: Fake,
}

fn console(limits: Limits) -> Console {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let file = format!("console-session-{}-{number}.token", std::process::id());
    let path = std::env::temp_dir().join(file);
    let token = Token::create(&path).expect("token file");
    let text = std::fs::read_to_string(&path)
        .expect("token")
        .trim()
        .to_owned();
    std::fs::remove_file(&path).expect("removed");
    let log = Logger::root(Discard, o!());
    let supervisor = Supervisor::new(&log, &Fatal::new(&log));
    let fake = Fake::default();
    let executor = Executor::new(fake.clone(), FakeRecords::default(), fake.clone());
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let address = start(&supervisor, any, executor, token, limits).expect("free port");
    Console {
        address,
        token: text,
        fake,
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    async fn new(console: &Console) -> Self {
        let stream = TcpStream::connect(console.address)
            .await
            .expect("listening");
        Self(BufReader::new(stream))
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("open");
    }

    /// Output, exit code and message; `None` when the session is over.
    async fn reply(&mut self) -> Option<(String, i32, String)> {
        let mut output = Vec::new();
        loop {
            let mut line = Vec::new();
            if self.0.read_until(b'\n', &mut line).await.expect("open") == 0 {
                return None;
            }
            match read_line(line.strip_suffix(b"\n").expect("a whole line")) {
                Line::Output(bytes) | Line::Note(bytes) => output.extend(bytes),
                Line::End { code, message } => {
                    return Some((String::from_utf8_lossy(&output).into(), code, message));
                }
            }
        }
    }

    async fn ask(&mut self, line: &str) -> (String, i32, String) {
        self.send(format!("{line}\n").as_bytes()).await;
        self.reply().await.expect("a reply")
    }
}

#[actix_rt::test]
async fn status_needs_no_token_and_changes_do() {
    let console = console(Limits::default());
    let mut client = Client::new(&console).await;
    let (output, code, _) = client.ask("status -t 1").await;
    assert_eq!(code, 0);
    assert!(
        output.contains("pnn:0 127.0.0.1        OK (THIS NODE)\n"),
        "{output}"
    );
    assert!(
        output.ends_with("Leader:0\nRecovery master:0\n"),
        "{output}"
    );
    let (_, code, message) = client.ask("disable").await;
    assert_eq!((code, message.contains("token")), (13, true), "{message}");
    assert!(!console.fake.asked.borrow().contains(&Opcode::DisableNode));
    let (_, code, _) = client.ask("auth 0000").await;
    assert_eq!(code, 13);
    assert_eq!(client.ask("getlog").await.1, 13);
    let auth = format!("auth {}", console.token);
    assert_eq!(client.ask(&auth).await.1, 0);
    assert_eq!(
        client.ask("disable").await,
        (String::new(), 0, String::new())
    );
    let (note, code, _) = client.ask("disable").await;
    assert_eq!((&*note, code), ("Node 0 is already disabled", 0));
    assert_eq!(client.ask("nodestatus").await.1, 4);
    // Files named here would be the daemon's.
    let (_, code, message) = client.ask("backupdb a.tdb /tmp/x").await;
    assert_eq!(
        (code, message.contains("ctdb tool")),
        (1, true),
        "{message}"
    );
    // Log lines that look like the end of a reply are not taken for one.
    assert_eq!(client.ask("getlog 4").await.0, "OK\nERR 3 x\n\\=\nplain\n");
}

#[actix_rt::test]
async fn garbage_and_long_lines_cost_an_err_and_nothing_else() {
    let console = console(Limits::default());
    let (mut wild, mut calm) = (Client::new(&console).await, Client::new(&console).await);
    let garbage: Vec<u8> = (0..=255_u8).filter(|byte| *byte != b'\n').collect();
    wild.send(&garbage).await;
    wild.send(b"\n\0\0\n'\n").await;
    for _ in 0..3 {
        assert_ne!(wild.reply().await.expect("still there").1, 0);
    }
    wild.send(&vec![b'x'; 3 << 20]).await;
    assert_eq!(calm.ask("pnn").await.0, "0\n");
    wild.send(b"\npnn\r\n").await;
    assert!(
        wild.reply()
            .await
            .expect("there")
            .2
            .contains("line longer than")
    );
    assert_eq!(wild.reply().await, Some(("0\n".into(), 0, String::new())));
    wild.send(b"quit\n").await;
    assert_eq!(wild.reply().await.expect("a farewell").1, 0);
    assert_eq!(wild.reply().await, None);
    assert_eq!(calm.ask("leader").await.0, "0\n");
}

#[actix_rt::test]
async fn a_dead_node_costs_no_more_than_the_time_limit() {
    let console = console(Limits::default());
    let mut client = Client::new(&console).await;
    let (_, code, message) = client.ask("ping -n 1 -t 1").await;
    assert_eq!(code, 110, "{message}");
    let (output, code, message) = client.ask("ping -n all -t 1").await;
    assert!(output.starts_with("response from 0 time=") && output.ends_with("(4 clients)\n"));
    assert_eq!(code, 110);
    assert!(message.starts_with("Node 1: "), "{message}");
    let (_, code, message) = client.ask("uptime -n 1 -T 1").await;
    assert_eq!(
        (code, message.contains("Maximum runtime")),
        (1, true),
        "{message}"
    );
    assert_eq!(client.ask("ping -n 5").await.2, "Node 5 does not exist");
    let (_, code, message) = client.ask("uptime").await;
    assert_eq!(
        (code, &*message),
        (1, "Control UPTIME failed, ret=-1: not here")
    );
}

#[actix_rt::test]
async fn a_bug_costs_its_session_only() {
    let console = console(Limits {
        sessions_max: 2,
        ..Limits::default()
    });
    let (mut first, mut second) = (Client::new(&console).await, Client::new(&console).await);
    assert_eq!(second.ask("pnn").await.1, 0);
    first.send(b"getpid\n").await;
    assert_eq!(first.reply().await, None);
    assert_eq!(second.ask("pnn").await.1, 0);
    // Its place is free again.
    let mut third = Client::new(&console).await;
    assert_eq!(third.ask("pnn").await.1, 0);
    let mut fourth = Client::new(&console).await;
    let refused = fourth.reply().await.expect("a reason");
    assert_eq!((refused.1, &*refused.2), (11, "too many console sessions"));
}

#[actix_rt::test]
async fn an_idle_session_ends() {
    let console = console(Limits {
        idle: Duration::from_millis(50),
        ..Limits::default()
    });
    let mut client = Client::new(&console).await;
    assert!(
        client
            .reply()
            .await
            .expect("a reason")
            .2
            .contains("no command")
    );
    assert_eq!(client.reply().await, None);
}

#[actix_rt::test]
async fn lvs_answers_as_the_program_of_4_17() {
    let console = console(Limits::default());
    let mut client = Client::new(&console).await;
    let first = "0 127.0.0.1\n";
    let both = "0 127.0.0.1\n1 127.0.0.2\n";
    assert_eq!(client.ask("lvs -t 1").await.0, both);
    assert_eq!(
        client.ask("-X lvs list -t 1").await.0,
        "|Node|IP|\n|0|127.0.0.1|\n|1|127.0.0.2|\n"
    );
    assert_eq!(
        client.ask("-j lvs leader -t 1").await.0,
        "{\"lvs_leader\":0}\n"
    );
    *console.fake.flags.borrow_mut() = [NodeFlags::UNHEALTHY, NodeFlags::BANNED];
    assert_eq!(client.ask("lvs list").await.0, first);
    assert_eq!(
        client.ask("lvsmaster").await,
        ("0\n".into(), 0, String::new())
    );
    let (status, code, _) = client.ask("lvs status").await;
    assert!(
        status.starts_with("pnn:0 127.0.0.1        UNHEALTHY (THIS NODE)\n"),
        "{status}"
    );
    assert_eq!((status.lines().count(), code), (2, 0));
    *console.fake.flags.borrow_mut() = [NodeFlags::DISABLED, NodeFlags::BANNED];
    let (output, code, _) = client.ask("lvs leader").await;
    assert_eq!((output.as_str(), code), ("", 255));
    let (output, code, _) = client.ask("lvs list").await;
    assert_eq!((output.as_str(), code), ("", 0));
}

#[actix_rt::test]
async fn natgw_answers_as_the_program_of_4_17() {
    let console = console(Limits::default());
    let mut client = Client::new(&console).await;
    let (_, code, message) = client.ask("natgw list").await;
    assert_eq!(code, 1);
    assert!(message.contains("There is no NAT gateway"), "{message}");
    let line = |last, follower_only| GroupLine {
        address: std::net::IpAddr::from([127, 0, 0, last]),
        follower_only,
    };
    let lines = vec![line(1, false), line(2, true), line(9, false)];
    let leader = Some((Pnn(0), lines[0].address));
    let view = |leader| {
        Some(NatgwView {
            group: Some(ctdb_protocol::natgw::group::Group(lines.clone())),
            leader,
            ..NatgwView::default()
        })
    };
    *console.fake.natgw.borrow_mut() = view(leader);
    for word in ["natgw leader", "natgw master"] {
        assert_eq!(client.ask(word).await.0, "0 127.0.0.1\n");
    }
    let list = "127.0.0.1\tLEADER\n127.0.0.2\tfollower-only\n127.0.0.9\n";
    for word in ["natgw list", "natgwlist"] {
        assert_eq!(client.ask(word).await.0, list);
    }
    let (status, code, _) = client.ask("natgw status -t 1").await;
    assert!(status.starts_with("pnn:0 127.0.0.1        OK (THIS NODE)\n"));
    assert_eq!((status.lines().count(), code), (2, 0));
    for (line, answer) in [
        ("-X natgw leader", "|Node|IP|\n|0|127.0.0.1|\n"),
        (
            "-X natgw list",
            "|IP|Leader|FollowerOnly|\n|127.0.0.1|1|0|\n|127.0.0.2|0|1|\n|127.0.0.9|0|0|\n",
        ),
        (
            "-j natgw leader",
            "{\"natgw_leader\":0,\"address\":\"127.0.0.1\"}\n",
        ),
    ] {
        assert_eq!(client.ask(line).await.0, answer);
    }
    *console.fake.natgw.borrow_mut() = view(None);
    let (output, code, _) = client.ask("natgw leader").await;
    assert_eq!((output.as_str(), code), ("", 2));
    let (output, code, message) = client.ask("natgw list").await;
    assert_eq!((output.as_str(), code), ("", 1));
    assert!(message.contains("Unable to determine NAT gateway leader node"));
}
