//! The client's side: opens connections, keeps them, and says which of them live.

use super::errors::too_big;
use super::{CHUNK, greeting, swallow};
use serde_json::json;
use socket2::{Domain, Socket, Type};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// For one connection, or one answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Between two questions of `watch`.
const PULSE: Duration = Duration::from_millis(5);

struct Flow {
    /// Who serves it.
    name: String,
    stream: BufReader<TcpStream>,
}

impl Flow {
    fn open(to: SocketAddr, from: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&from.into())?;
        socket.connect_timeout(&to.into(), PATIENCE)?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut stream = BufReader::new(stream);
        let (name, _) = greeting(&mut stream)?;
        Ok(Self { name, stream })
    }

    fn say(&mut self, line: &str) -> io::Result<()> {
        self.stream
            .get_mut()
            .write_all(format!("{line}\n").as_bytes())
    }

    fn hears(&mut self, expected: &str) -> io::Result<()> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        if line.trim_end() == expected {
            return Ok(());
        }
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// Opens connections, prints a line of JSON about them, and one for each line of standard input.
pub fn connect(to: SocketAddr, count: u16, first: u16, sources: &[IpAddr]) -> io::Result<()> {
    let mut flows = Vec::new();
    let mut failed: BTreeMap<String, u32> = BTreeMap::new();
    for (port, source) in (first..first + count).zip(sources.iter().cycle()) {
        match Flow::open(to, (*source, port).into()) {
            Ok(flow) => flows.push(flow),
            Err(error) => *failed.entry(error.to_string()).or_default() += 1,
        }
    }
    println!("{}", json!({ "served": names(&flows), "failed": failed }));
    for line in io::stdin().lines() {
        let line = line?;
        let answer = match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["check"] => check(&mut flows),
            ["watch", seconds] => {
                let seconds = seconds.parse().map_err(io::Error::other)?;
                watch(&mut flows, Duration::from_secs(seconds))
            }
            ["ports"] => ports(&flows)?,
            ["too-big", router] => {
                let router = router.parse().map_err(io::Error::other)?;
                for flow in &flows {
                    too_big(router, to, flow.stream.get_ref().local_addr()?)?;
                }
                json!(flows.len())
            }
            [way @ ("get" | "put"), bytes] => {
                let bytes = bytes.parse().map_err(io::Error::other)?;
                move_bytes(&mut flows, way, bytes)?
            }
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        println!("{answer}");
    }
    Ok(())
}

fn names(flows: &[Flow]) -> BTreeMap<&str, u32> {
    let mut names = BTreeMap::new();
    for flow in flows {
        *names.entry(&*flow.name).or_default() += 1;
    }
    names
}

/// Asks all at once, waits for each; those that do not answer are forgotten.
fn check(flows: &mut Vec<Flow>) -> serde_json::Value {
    let asked: Vec<bool> = flows
        .iter_mut()
        .map(|flow| flow.say("ping").is_ok())
        .collect();
    let mut alive = Vec::new();
    let mut dead = Vec::new();
    for (mut flow, asked) in flows.drain(..).zip(asked) {
        let answered = asked && flow.hears("pong").is_ok();
        if answered { &mut alive } else { &mut dead }.push(flow);
    }
    let answer = json!({ "alive": names(&alive), "dead": names(&dead) });
    *flows = alive;
    answer
}

/// Asks all again and again for so long: answers as `check`, with the longest time, in seconds, that a connection of each
/// node went without an answer.
fn watch(flows: &mut Vec<Flow>, time: Duration) -> serde_json::Value {
    let watched: Vec<(Flow, Option<Duration>)> = std::thread::scope(|scope| {
        let threads: Vec<_> = flows
            .drain(..)
            .map(|flow| scope.spawn(move || pulse(flow, time)))
            .collect();
        let ends = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        ends.map(|end| end.expect("no panic")).collect()
    });
    let mut gaps: BTreeMap<String, f64> = BTreeMap::new();
    let mut dead = Vec::new();
    for (flow, gap) in watched {
        let Some(gap) = gap else {
            dead.push(flow);
            continue;
        };
        let longest = gaps.entry(flow.name.clone()).or_default();
        *longest = longest.max(gap.as_secs_f64());
        flows.push(flow);
    }
    json!({ "alive": names(flows), "dead": names(&dead), "gaps": gaps })
}

/// The longest time without an answer; none if it did not answer at all any more.
fn pulse(mut flow: Flow, time: Duration) -> (Flow, Option<Duration>) {
    let begin = Instant::now();
    let (mut last, mut gap) = (begin, Duration::ZERO);
    while begin.elapsed() < time {
        if flow.say("ping").and_then(|()| flow.hears("pong")).is_err() {
            return (flow, None);
        }
        gap = gap.max(last.elapsed());
        last = Instant::now();
        std::thread::sleep(PULSE);
    }
    (flow, Some(gap))
}

/// The ports of the connections of each node.
fn ports(flows: &[Flow]) -> io::Result<serde_json::Value> {
    let mut ports: BTreeMap<&str, Vec<u16>> = BTreeMap::new();
    for flow in flows {
        let port = flow.stream.get_ref().local_addr()?.port();
        ports.entry(&*flow.name).or_default().push(port);
    }
    Ok(json!(ports))
}

/// Over the first connection of each node; in bytes a second.
fn move_bytes(flows: &mut [Flow], way: &str, bytes: u32) -> io::Result<serde_json::Value> {
    let mut rates = BTreeMap::new();
    for flow in flows {
        if rates.contains_key(&flow.name) {
            continue;
        }
        let begin = Instant::now();
        flow.say(&format!("{way} {bytes}"))?;
        if way == "get" {
            swallow(&mut flow.stream, bytes as usize)?;
        } else {
            let chunk = vec![0; CHUNK];
            let mut left = bytes as usize;
            while left > 0 {
                let part = left.min(CHUNK);
                flow.stream.get_mut().write_all(&chunk[..part])?;
                left -= part;
            }
            flow.hears("done")?;
        }
        let rate = f64::from(bytes) / begin.elapsed().as_secs_f64();
        rates.insert(flow.name.clone(), rate);
    }
    Ok(json!(rates))
}
