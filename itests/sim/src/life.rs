//! The life of a worker process: start, kill, loss of power, stop by a signal, orderly leave.

use crate::client::DATABASES;
use crate::clock::{Clock, MS, SEC};
use crate::event::{Duty, Event, Mail, Mend, Work};
use crate::kept::KEPT;
use crate::node::{INTERFACE, Life, Process};
use crate::world::World;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::wire::hello::Lane;
use ctdb_protocol::wire::message::{ControlMessage, Packet};
use ctdb_protocol::{monitor, takeover};

impl World {
    pub(crate) fn start(&mut self, pnn: Pnn) {
        let node = &mut self.nodes[pnn.0 as usize];
        if node.life != Life::Dead {
            return;
        }
        node.powered = true;
        node.life = Life::Running;
        node.lives += 1;
        node.kernel.clear();
        node.stalled.clear();
        let clock = Clock {
            born: self.bench.now,
            ppm: node.ppm,
        };
        let options = &self.bench.options;
        node.process = Some(Process::start(pnn, node.lives, clock, self.timing, options));
        let (addresses, up, life) = (node.configured.clone(), node.interface_up, node.lives);
        let now = self.bench.now;
        self.bench
            .trace
            .line(now, Some(pnn), || format!("starts, life {life}"));
        for duty in Duty::ALL {
            self.set_alarm(pnn, duty);
        }
        let name = String::from(INTERFACE);
        self.post(
            pnn,
            Mail::Takeover(takeover::io::Input::Configure(addresses)),
        );
        self.post(
            pnn,
            Mail::Takeover(takeover::io::Input::Interface { name, up }),
        );
        self.open(pnn, DATABASES[0]);
        self.open(pnn, KEPT);
        if pnn == Pnn(0) {
            self.open(pnn, DATABASES[1]);
        }
        self.add_clients(pnn, life);
        self.vacuum_later(pnn, life);
        for peer in (0..pnn.0).map(Pnn) {
            self.bench.work(0, pnn, life, Work::Dial(peer));
        }
        self.post(pnn, Mail::Monitor(monitor::io::Input::Ready));
        self.post(pnn, Mail::Monitor(monitor::io::Input::Listening));
    }

    /// Ends the worker; its kernel tells the peers unless the host goes with it.
    pub(crate) fn end_worker(&mut self, pnn: Pnn, telling: bool) {
        let node = &mut self.nodes[pnn.0 as usize];
        node.life = Life::Dead;
        node.process = None;
        node.stalled.clear();
        node.kernel.orphan();
        node.disk.end();
        self.clear_store(pnn);
        self.close_all(pnn, telling);
    }

    pub(crate) fn kill(&mut self, pnn: Pnn) {
        if self.nodes[pnn.0 as usize].life == Life::Dead {
            return;
        }
        self.end_worker(pnn, true);
        let within = self.bench.between(100, 5 * MS);
        self.orphan_keepers(pnn, within);
        let (node, life) = (pnn, self.nodes[pnn.0 as usize].lives);
        let drop = self.bench.between(5 * MS, 100 * MS);
        self.bench.after(drop, Event::GuardDrop { node, life });
        let again = self.bench.between(100 * MS, 300 * MS);
        self.bench.after(again, Event::Start(pnn));
    }

    pub(crate) fn power_loss(&mut self, pnn: Pnn) {
        if !self.nodes[pnn.0 as usize].powered || self.nodes[pnn.0 as usize].life == Life::Dead {
            return;
        }
        self.end_worker(pnn, false);
        let node = &mut self.nodes[pnn.0 as usize];
        node.powered = false;
        node.kernel.clear();
        // The cluster filesystem finds out by a lease of its own.
        let within = self.bench.between(300 * MS, 3 * SEC);
        self.orphan_keepers(pnn, within);
        let again = self.bench.between(SEC, 8 * SEC);
        self.bench.after(again, Event::Start(pnn));
    }

    pub(crate) fn pause(&mut self, pnn: Pnn) {
        let node = &mut self.nodes[pnn.0 as usize];
        if node.life != Life::Running {
            return;
        }
        node.life = Life::Paused;
        let life = node.lives;
        let duration = self.bench.between(50 * MS, 6 * SEC);
        self.bench
            .after(duration, Event::Mend(Mend::Resume(pnn, life)));
    }

    pub(crate) fn resume(&mut self, pnn: Pnn, life: u32) {
        let node = &mut self.nodes[pnn.0 as usize];
        if node.life != Life::Paused || node.lives != life {
            return;
        }
        node.life = Life::Running;
        let mut waiting: Vec<Work> = node.stalled.drain(..).collect();
        // Timers may go off before the sockets are read.
        if self.bench.one_in(2) {
            waiting.sort_by_key(|work| !matches!(work, Work::Alarm(..) | Work::LeaseCheck));
        }
        for work in waiting {
            self.bench.work(0, pnn, life, work);
        }
    }

    /// Everything was given up in order: the worker says goodbye and ends.
    pub(crate) fn leave(&mut self, pnn: Pnn) {
        for peer in (0..self.bench.options.nodes).map(Pnn) {
            self.send(
                pnn,
                peer,
                Lane::Control,
                Packet::Control(ControlMessage::Goodbye),
            );
        }
        self.end_attempt(pnn);
        self.end_worker(pnn, true);
        let again = self.bench.between(200 * MS, 4 * SEC);
        self.bench.after(again, Event::Start(pnn));
    }
}
