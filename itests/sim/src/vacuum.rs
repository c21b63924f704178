//! Vacuum runs: when they begin, and the shell's search for empty records.

use crate::client::QUIET;
use crate::clock::{MS, Micros, SEC};
use crate::event::{Mail, Work};
use crate::world::World;
use ctdb_protocol::id::{DbId, Pnn};
use ctdb_protocol::record::header::HEADER_BYTES;
use ctdb_protocol::record::io::Input;
use ctdb_protocol::record::message::Grave;
use ctdb_protocol::record::vacuum::VacuumReport;
use std::time::Duration;

/// Longest time between two runs of a node.
const INTERVAL: Micros = 2 * SEC;
/// A run may take so long; some are cut short by it.
const PATIENCE: Duration = Duration::from_millis(400);

impl World {
    /// Plans the next runs of a node, if this world vacuums.
    pub(crate) fn vacuum_later(&mut self, pnn: Pnn, life: u32) {
        // The end is judged at rest.
        let is_early = self.bench.now + INTERVAL + QUIET < self.bench.options.end;
        if self.bench.options.habits.vacuums && is_early {
            let wait = self.bench.between(200 * MS, INTERVAL);
            self.bench.work(wait, pnn, life, Work::Vacuum);
        }
    }

    /// Runs are due.
    pub(crate) fn vacuum(&mut self, pnn: Pnn) {
        let node = &mut self.nodes[pnn.0 as usize];
        let (life, store) = (node.lives, &mut node.store);
        let open: Vec<DbId> = store.open.iter().copied().collect();
        let due: Vec<DbId> = open
            .into_iter()
            .filter(|db| store.vacuuming.insert(*db))
            .collect();
        for db in due {
            let full = self.bench.one_in(3);
            let Some(process) = &self.nodes[pnn.0 as usize].process else {
                return;
            };
            let until = process.clock.local(self.bench.now) + PATIENCE;
            self.post(pnn, Mail::Record(Input::Vacuum { db, full, until }));
        }
        self.vacuum_later(pnn, life);
    }

    /// Lists the empty records that this node may write.
    pub(crate) fn sift(&mut self, pnn: Pnn, db: DbId, run: u64) {
        self.bench.census.count("vacuum.full");
        let store = &self.nodes[pnn.0 as usize].store;
        let empty = store
            .records
            .iter()
            .filter(|((of, _), value)| *of == db && value.len() == HEADER_BYTES);
        let mine = empty
            .filter(|(name, _)| store.is_dmaster(name, pnn) && !store.locked.contains_key(*name));
        let graves = mine.filter_map(|(name, _)| {
            let (header, _) = store.read(name)?;
            let (key, rsn) = (name.1.clone(), header.rsn);
            Some(Grave { key, rsn })
        });
        let (graves, done) = (graves.collect(), true);
        let sifted = Input::Sifted {
            db,
            run,
            graves,
            done,
        };
        self.post(pnn, Mail::Record(sifted));
    }

    /// A run is over.
    pub(crate) fn vacuumed(&mut self, pnn: Pnn, db: DbId, report: VacuumReport) {
        self.nodes[pnn.0 as usize].store.vacuuming.remove(&db);
        let counts = [
            ("vacuum.gone", report.deleted),
            ("vacuum.fetched", report.fetched),
            ("vacuum.handed", report.handed),
            (
                "vacuum.cut_short",
                u64::from(!report.is_whole && report.seen > 0),
            ),
        ];
        for (name, _) in counts.iter().filter(|(_, count)| *count > 0) {
            self.bench.census.count(name);
        }
    }
}
