//! The client against a daemon of a few lines.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use ctdb_protocol::client::{
    ControlReply, Envelope, FrameSplitter, Message, Opcode, Padding, Reply, Request, pnn,
};

use super::{Client, ClientError};

/// A daemon for one connection: each request is answered by what `answer` gives, packets with reqids.
struct FakeDaemon {
    path: PathBuf,
    thread: JoinHandle<()>,
}

impl FakeDaemon {
    fn start(
        name: &str,
        mut answer: impl FnMut(u32, Request) -> Option<Vec<(u32, Reply)>> + Send + 'static,
    ) -> Self {
        let path = std::env::temp_dir().join(format!("ctdb-{name}-{}", std::process::id()));
        let listener = UnixListener::bind(&path).expect("bind");
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("accept");
            let mut splitter = FrameSplitter::default();
            while let Some((envelope, request)) = next_request(&mut stream, &mut splitter) {
                let Some(replies) = answer(envelope.reqid, request) else {
                    return;
                };
                let mut out = Vec::new();
                for (reqid, reply) in replies {
                    reply.emit(
                        Envelope {
                            reqid,
                            ..Envelope::default()
                        },
                        &mut out,
                    );
                }
                stream.write_all(&out).expect("write");
            }
        });
        Self { path, thread }
    }

    fn end(self, client: Client) {
        drop(client);
        self.thread
            .join()
            .expect("the fake daemon got what it expected");
        std::fs::remove_file(self.path).expect("socket file");
    }
}

fn next_request(
    stream: &mut UnixStream,
    splitter: &mut FrameSplitter,
) -> Option<(Envelope, Request)> {
    let mut buffer = [0; 1024];
    loop {
        if let Some(packet) = splitter.next_packet().expect("frame") {
            // smbd's way: no padding, so that a daemon that insists on it is found out.
            let (envelope, request) = Request::parse(packet).expect("request");
            let mut unpadded = Vec::new();
            request.emit(envelope, Padding::None, &mut unpadded);
            assert_eq!(packet, unpadded);
            return Some((envelope, request));
        }
        match stream.read(&mut buffer).expect("read") {
            0 => return None,
            count => splitter.push(&buffer[..count]),
        }
    }
}

fn control(reply: ControlReply) -> Reply {
    Reply::Control(reply)
}

/// Answers `GET_PNN`, and everything else by `other`.
fn with_pnn(
    mut other: impl FnMut(u32, Request) -> Option<Vec<(u32, Reply)>>,
) -> impl FnMut(u32, Request) -> Option<Vec<(u32, Reply)>> {
    move |reqid, request| match request {
        Request::Control(asked) if asked.opcode == Opcode::GetPnn => {
            Some(vec![(reqid, control(ControlReply::status(3)))])
        }
        request => other(reqid, request),
    }
}

#[test]
fn messages_before_an_answer_are_kept_and_foreign_answers_dropped() {
    let daemon = FakeDaemon::start(
        "keep",
        with_pnn(|reqid, _| {
            let message = Reply::Message(Message {
                srvid: 9,
                data: b"first".to_vec(),
            });
            let stale = control(ControlReply::status(77));
            let answer = control(ControlReply::ok(b"data".to_vec()));
            Some(vec![(0, message), (reqid + 5, stale), (reqid, answer)])
        }),
    );
    let mut client = Client::connect(&daemon.path).expect("connect");
    assert_eq!(client.pnn(), 3);
    let reply = client
        .control(Opcode::GetDbName, pnn::CURRENT, &[1, 2, 3, 4])
        .expect("control");
    assert_eq!((reply.status, &reply.data[..]), (0, &b"data"[..]));
    let message = client
        .recv_message(Duration::ZERO)
        .expect("receive")
        .expect("message");
    assert_eq!((message.srvid, &message.data[..]), (9, &b"first"[..]));
    daemon.end(client);
}

#[test]
fn refusals_carry_the_text_of_the_daemon() {
    let daemon = FakeDaemon::start(
        "refuse",
        with_pnn(|reqid, _| Some(vec![(reqid, control(ControlReply::error("not today")))])),
    );
    let mut client = Client::connect(&daemon.path).expect("connect");
    match client.register_srvid(1) {
        Err(ClientError::Control {
            opcode: Opcode::RegisterSrvid,
            status: -1,
            text,
        }) => {
            assert_eq!(text, "not today");
        }
        other => panic!("{other:?}"),
    }
    daemon.end(client);
}

#[test]
fn a_daemon_that_does_not_answer_or_goes_away_is_noticed() {
    let mut requests = 0;
    let daemon = FakeDaemon::start(
        "silent",
        with_pnn(move |_, _| {
            requests += 1;
            // Silence first, then the end of the connection.
            (requests == 1).then(Vec::new)
        }),
    );
    let mut client = Client::connect(&daemon.path).expect("connect");
    client.set_timeout(Duration::from_millis(20));
    assert!(matches!(
        client.register_srvid(1),
        Err(ClientError::Timeout { .. })
    ));
    client.set_timeout(Duration::from_secs(60));
    assert!(matches!(client.register_srvid(1), Err(ClientError::Closed)));
    daemon.end(client);
}

#[test]
fn no_socket_is_an_error_that_names_it() {
    let error = Client::connect("/nonexistent/ctdbd.socket").expect_err("no such socket");
    assert!(
        error.to_string().contains("/nonexistent/ctdbd.socket"),
        "{error}"
    );
}
