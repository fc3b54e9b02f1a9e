//! The journal's side of a turn: its writer works, its events are heard, and the reference model takes
//! what was committed.

use site_controller::runtime::Input;
use site_controller::store::StoreEvent;
use site_model::Fact;

use crate::agenda::What;
use crate::disk::Trouble;
use crate::world::World;

/// A disk that failed is tried again after this time, as the writer's thread does.
const DISK_AGAIN_MS: u64 = 2_000;
/// The same while it is known that nothing has changed: the tries between are skipped.
const DISK_STILL_BAD_MS: u64 = 60_000;
/// Largest journal of a day.
const JOURNAL_MAX_BYTES: u64 = 8 * 1024 * 1024;

impl World {
    /// Something waits for the journal's writer.
    pub(crate) fn disk_wanted(&mut self) {
        if !self.disk_due {
            self.disk_due = true;
            self.disk_due_since_ms = self.now_ms;
            let ms = self.rng.u64(2..60);
            self.after(ms, What::Disk);
        }
    }

    pub(crate) fn turn_disk(&mut self) {
        self.disk_due = false;
        if self.gateway.is_none() {
            return;
        }
        if self.now_ms < self.disk_slow_until_ms {
            self.disk_due = true;
            let at = self.disk_slow_until_ms;
            self.at(at, What::Disk);
            return;
        }
        let inside = self.rt.enter();
        let gateway = self.gateway.as_mut().expect("it was looked at");
        gateway.writer.turn_once();
        drop(inside);
        self.hear_disk();
    }

    /// Takes the journal's events; a machine that lost its power meanwhile says nothing.
    pub(crate) fn hear_disk(&mut self) {
        if self.disk.trouble() == Trouble::Off {
            self.power_is_gone();
            return;
        }
        let mut failed = self.disk_fails;
        while let Some(event) = self.gateway.as_mut().and_then(|g| g.events.try_recv().ok()) {
            if let StoreEvent::Committed { last_sequence, .. } = &event {
                failed = false;
                let waits = self.gateway.as_ref().is_some_and(|g| g.facts_waiting() > 0);
                self.unstored &= waits;
                self.note_committed(*last_sequence);
            } else {
                failed = true;
                self.unstored = true;
                self.report.count("seen: journal not writable");
            }
            self.disk_fails = failed;
            self.input(Input::Store(event));
        }
        if failed != self.disk_fails {
            self.disk_fails = failed;
        }
        if self.disk_fails && !self.disk_due {
            self.disk_due = true;
            let bad = self.disk.trouble() != Trouble::None;
            let ms = if bad {
                DISK_STILL_BAD_MS
            } else {
                DISK_AGAIN_MS
            };
            self.after(ms, What::Disk);
        }
    }

    /// The reference model takes what is committed, fact by fact.
    fn note_committed(&mut self, last_sequence: u64) {
        let known = u64::try_from(self.model.facts.len()).unwrap();
        let mut after = known;
        while after < last_sequence {
            let inside = self.rt.enter();
            let facts = self
                .gateway
                .as_mut()
                .expect("it committed")
                .read_after(after);
            drop(inside);
            assert!(
                !facts.is_empty(),
                "committed facts after {after} cannot be read"
            );
            for envelope in facts {
                after += 1;
                assert_eq!(envelope.sequence, after, "a gap in the journal");
                let fact = Fact::try_from(envelope).expect("the journal's own facts are readable");
                self.commit(&fact);
            }
        }
        assert!(
            self.journal_bytes() < JOURNAL_MAX_BYTES,
            "the journal of a day has {} bytes",
            self.journal_bytes()
        );
    }

    pub(crate) fn commit(&mut self, fact: &Fact) {
        self.report.count("facts");
        self.report.note(&format!("{:?}", fact.change));
        let places = &self.places;
        self.model.commit(fact, |id| {
            let here = places.iter().find(|here| here.id == *id);
            here.expect("facts speak of connectors of this site")
                .charger
                .truth()
        });
    }

    fn journal_bytes(&self) -> u64 {
        let gateway = self.gateway.as_ref();
        gateway.map_or(0, |gateway| gateway.store.figures().bytes_on_disk)
    }
}
