//! Tickles the clients of an address that this node has just taken: a thread of its own, as a busy file server has
//! thousands of them.

use super::tickles::Tickles;
use crate::log::text;
use crate::net::tickle::TickleSender;
use ctdb_protocol::client::sockaddr::{Connection, SockAddr};
use ctdb_protocol::notice::Level;
use slog::Logger;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Before the client believes the first announcement of the address its answer goes astray. Linux answers such segments
/// of one connection no more often than every 500 ms (`tcp_invalid_ratelimit`): one that comes sooner is for nothing.
const ROUNDS: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(550),
    Duration::from_millis(1_200),
    Duration::from_millis(2_500),
];
/// Addresses that may wait for the thread; beyond, clients find out by themselves.
const WAITING_MAX: usize = 16_384;

/// The clients of one address.
struct Order {
    address: IpAddr,
    /// Server and client.
    ends: Vec<(SocketAddr, SocketAddr)>,
}

/// The thread's handle; it ends with it.
pub(super) struct Tickler {
    orders: Option<SyncSender<Order>>,
}

impl Tickler {
    /// One that does nothing.
    pub(super) const fn idle() -> Self {
        Self { orders: None }
    }

    /// Starts the thread.
    pub(super) fn start(tickles: Arc<Tickles>, log: &Logger) -> Self {
        let (orders, todo) = sync_channel(WAITING_MAX);
        let worker = Worker {
            tickles,
            log: log.clone(),
            sender: None,
            rounds: Vec::new(),
        };
        let started = std::thread::Builder::new()
            .name("tickles".into())
            .spawn(move || worker.run(&todo));
        if let Err(error) = started {
            let said = format_args!("tickles cannot be sent: {error}");
            text(log, Level::Err, said);
            return Self::idle();
        }
        Self {
            orders: Some(orders),
        }
    }

    /// Tickles these clients of an address of this node.
    pub(super) fn tickle(&self, address: IpAddr, connections: &[Connection]) {
        let ends: Vec<_> = connections.iter().filter_map(ends).collect();
        if let Some(orders) = self.orders.as_ref().filter(|_| !ends.is_empty()) {
            // Full: the clients' own time-outs remain.
            let _ = orders.try_send(Order { address, ends });
        }
    }
}

fn ends(connection: &Connection) -> Option<(SocketAddr, SocketAddr)> {
    let end = |addr: &SockAddr| Some(SocketAddr::new(addr.ip()?, addr.port()));
    Some((end(&connection.dst)?, end(&connection.src)?))
}

struct Worker {
    tickles: Arc<Tickles>,
    log: Logger,
    /// Opened for the first order.
    sender: Option<TickleSender>,
    rounds: Vec<(Instant, Order)>,
}

impl Worker {
    fn run(mut self, todo: &Receiver<Order>) {
        loop {
            let order = match self.rounds.iter().map(|(at, _)| *at).min() {
                None => todo.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => todo.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match order {
                Ok(order) => self.plan(&order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.send_due();
        }
    }

    fn plan(&mut self, order: &Order) {
        let (now, count, address) = (Instant::now(), order.ends.len(), order.address);
        let said = format_args!("Tickling {count} TCP connections of {address}");
        text(&self.log, Level::Info, said);
        self.rounds.extend(ROUNDS.map(|wait| {
            let ends = order.ends.clone();
            (now + wait, Order { address, ends })
        }));
    }

    fn send_due(&mut self) {
        let now = Instant::now();
        let all = std::mem::take(&mut self.rounds);
        let (due, later) = all.into_iter().partition(|(at, _)| *at <= now);
        self.rounds = later;
        let due: Vec<(Instant, Order)> = due;
        for (_, order) in due {
            // Another node may have taken the address meanwhile.
            if self.tickles.is_here(order.address)
                && let Err(error) = self.send(&order)
            {
                let address = order.address;
                let said = format_args!("tickles for clients of {address}: {error}");
                text(&self.log, Level::Warning, said);
            }
        }
    }

    /// Sends to all; answers the first failure.
    fn send(&mut self, order: &Order) -> crate::net::error::Result<()> {
        let sender = match self.sender.take() {
            Some(sender) => sender,
            None => TickleSender::open()?,
        };
        let mut result = Ok(());
        for (server, client) in &order.ends {
            result = result.and(sender.send(*server, *client));
        }
        self.sender = Some(sender);
        result
    }
}
