//! Private network namespaces for tests: each test runs itself again inside a fresh one, which vanishes with it.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test program uses its own part of this"
)]

use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ctdb_actors::net::address::HeldAddress;
use pnet::datalink::{self, Channel, DataLinkReceiver, DataLinkSender, NetworkInterface};

const INSIDE: &str = "CTDB_NET_TEST_INSIDE";

/// Runs `body` as root in a new network (and mount) namespace. Without root it says that it did not.
pub fn inside(test: &str, body: impl FnOnce()) {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        sh("ip link set lo up");
        return body();
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT RUN: {test}: needs root for network namespaces");
        return;
    }
    let program = std::env::current_exe().expect("own path");
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--kill-child", "--fork"])
        .arg(program)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, test)
        .status()
        .expect("unshare(1) runs");
    assert!(status.success(), "{test} failed inside its namespace");
}

/// Runs a shell command that must succeed; returns what it printed.
pub fn sh(command: &str) -> String {
    let output = Command::new("sh")
        .args(["-c", command])
        .output()
        .expect("sh runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

pub fn held(ip: &str, prefix_len: u8, interface: &str) -> HeldAddress {
    let ip = ip.parse().expect("an address");
    HeldAddress {
        ip,
        prefix_len,
        interface: interface.to_owned(),
        passive: false,
    }
}

/// A second namespace, joined to ours by a cable: `eth1` on both ends. We have 10.7.0.1 and `fd07::1`,
/// it has .50 and `::50`.
pub struct Client {
    keeper: Child,
}

impl Client {
    pub fn new() -> Self {
        let mut command = Command::new("unshare");
        command
            .args(["--net", "sleep", "300"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let client = Self {
            keeper: command.spawn().expect("unshare(1) runs"),
        };
        let pid = client.keeper.id();
        let own = std::fs::read_link("/proc/self/ns/net").expect("proc");
        while std::fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|link| link == own) {
            std::thread::sleep(Duration::from_millis(1));
        }
        sh(&format!(
            "ip link add eth1 type veth peer name eth1 netns {pid}"
        ));
        sh(
            "ip addr add 10.7.0.1/16 dev eth1; ip addr add fd07::1/64 dev eth1 nodad; ip link set eth1 up",
        );
        client.sh("ip link set lo up; ip addr add 10.7.0.50/16 dev eth1");
        client.sh("ip addr add fd07::50/64 dev eth1 nodad; ip link set eth1 up");
        // The kernel reports a carrier a little later, and takes no IPv6 before that.
        until("both ends up", || {
            let up = |shown: String| shown.contains("state UP");
            up(sh("ip link show eth1")) && up(client.sh("ip link show eth1"))
        });
        client
    }

    /// Runs a shell command there.
    pub fn sh(&self, command: &str) -> String {
        let pid = self.keeper.id();
        sh(&format!("nsenter -t {pid} -n sh -c '{command}'"))
    }

    /// True if that address answers a ping there within a second.
    pub fn pings(&self, ip: &str) -> bool {
        let out = self.sh(&format!(
            "ping -n -c 1 -W 1 {ip} >/dev/null 2>&1 && echo yes || echo no"
        ));
        out.trim() == "yes"
    }

    /// True if that address answers a ping there within ten seconds: a busy machine may lose some.
    pub fn hears(&self, ip: &str) -> bool {
        (0..10).any(|_| self.pings(ip))
    }

    /// Runs work on a thread inside the client's namespace.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let path = format!("/proc/{}/ns/net", self.keeper.id());
        let namespace = std::fs::File::open(path).expect("namespace");
        std::thread::spawn(move || {
            rustix::thread::move_into_link_name_space(namespace.as_fd(), None).expect("setns");
            work()
        })
    }

    /// Asks every other millisecond, for so long, who has that address; the moments at which an answer came.
    pub fn ask(&self, ip: &str, span: Duration) -> JoinHandle<Vec<Instant>> {
        let ip: std::net::IpAddr = ip.parse().expect("an address");
        self.run(move || {
            let mut wire = Wire::open("eth1");
            let (question, kind) = match ip {
                std::net::IpAddr::V4(ip) => (wire.who_has(ip), [0x08, 0x06]),
                std::net::IpAddr::V6(ip) => (wire.solicitation(ip), [0x86, 0xdd]),
            };
            let start = Instant::now();
            let mut answers = Vec::new();
            while start.elapsed() < span {
                wire.send(&question);
                let asked = Instant::now();
                while asked.elapsed() < Duration::from_millis(2) {
                    let Some(frame) = wire.receive() else {
                        continue;
                    };
                    let arp = kind == [8, 6] && frame.get(20..22) == Some(&[0, 2]);
                    let nd = kind == [0x86, 0xdd] && frame.get(54) == Some(&136);
                    if frame[12..14] == kind && (arp || nd) {
                        answers.push(Instant::now());
                    }
                }
            }
            answers
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// Raw frames on an interface of the calling thread's namespace.
pub struct Wire {
    mac: [u8; 6],
    sender: Box<dyn DataLinkSender>,
    receiver: Box<dyn DataLinkReceiver>,
}

impl Wire {
    pub fn open(name: &str) -> Self {
        let links = ctdb_actors::net::link::links().expect("links");
        let link = links
            .into_iter()
            .find(|link| link.name == name)
            .expect("interface");
        let mac = link.mac.expect("a MAC");
        let interface = NetworkInterface {
            name: link.name,
            description: String::new(),
            index: link.index,
            mac: Some(mac.into()),
            ips: Vec::new(),
            flags: 0,
        };
        let read_timeout = Some(Duration::from_millis(1));
        let config = datalink::Config {
            read_timeout,
            ..datalink::Config::default()
        };
        match datalink::channel(&interface, config).expect("packet socket") {
            Channel::Ethernet(sender, receiver) => Self {
                mac,
                sender,
                receiver,
            },
            _ => panic!("no Ethernet channel"),
        }
    }

    pub fn send(&mut self, frame: &[u8]) {
        self.sender
            .send_to(frame, None)
            .expect("room")
            .expect("sent");
    }

    /// The next frame of others, if one comes within a millisecond.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let frame = self.receiver.next().ok()?;
        (frame[6..12] != self.mac).then(|| frame.to_vec())
    }

    fn who_has(&self, ip: Ipv4Addr) -> Vec<u8> {
        let [mut frame, _] = ctdb_actors::net::announce::arp_frames(self.mac, ip);
        frame[28..32].copy_from_slice(&[10, 7, 0, 50]);
        frame
    }

    fn solicitation(&self, ip: Ipv6Addr) -> Vec<u8> {
        let own: Ipv6Addr = "fd07::50".parse().expect("an address");
        // The advertisement of our own address, made a question: type, flags, target, option, addresses, sum.
        let mut frame = ctdb_actors::net::announce::advertisement_frame(self.mac, own);
        frame[54] = 135;
        frame[58] = 0;
        frame[62..78].copy_from_slice(&ip.octets());
        frame[78] = 1;
        frame[56..58].fill(0);
        let packet = pnet::packet::icmpv6::Icmpv6Packet::new(&frame[54..]).expect("whole");
        let all = "ff02::1".parse().expect("an address");
        let sum = pnet::packet::icmpv6::checksum(&packet, &own, &all);
        frame[56..58].copy_from_slice(&sum.to_be_bytes());
        frame
    }
}

/// Waits until something holds, at most ten seconds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{what}: not within 10 s"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    start.elapsed()
}
