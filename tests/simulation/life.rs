//! The daemon's life: how it starts on what is there, and its housekeeping.

use std::path::PathBuf;
use std::sync::Arc;

use site_controller::runtime::Input;
use site_controller::store::Options;
use site_model::{BootId, WallTime};

use crate::agenda::What;
use crate::disk::{Trouble, VFS};
use crate::gateway::{Gateway, Setup, Start};
use crate::model::Boot;
use crate::place::PLACES;
use crate::world::{On, World};

/// How often the loop's housekeeping is looked at although nothing happens.
const TICK_MS: u64 = 3_600_000;
/// The same while the time is unknown or facts wait for the disk.
const BUSY_TICK_MS: u64 = 30_000;
/// A silent device is given up after this time.
const LOST_AFTER_MS: u64 = 8_000;

impl World {
    pub(crate) fn tick(&mut self, boot: u64) {
        if self.boot != boot || self.gateway.is_none() {
            return;
        }
        self.input(Input::Tick);
        let busy = self.clock_off_ms.is_none() || self.disk_due || !self.time_is_known();
        let ms = if busy { BUSY_TICK_MS } else { TICK_MS };
        self.after(ms, What::Tick { boot });
    }

    fn time_is_known(&self) -> bool {
        let _inside = self.rt.enter();
        let gateway = self.gateway.as_ref();
        gateway.is_some_and(|gateway| gateway.clock.now().wall_known)
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.dir.path().join("gateway")
    }

    pub(crate) fn boot(&mut self) {
        if self.gateway.is_some() {
            return;
        }
        self.boot += 1;
        self.booted_at_ms = self.now_ms;
        self.show_time();
        let boot = Boot {
            wall_at_ms: self.wall_ms(),
        };
        self.model.note_boot(BootId(self.boot), boot);
        let folder = self.folder();
        let inside = self.rt.enter();
        let (gateway, start) = Gateway::start(Setup {
            config: self.config.clone(),
            gateway: self.cloud.gateway.clone(),
            dir: &folder,
            options: self.options(),
            boot: BootId(self.boot),
            built_at: WallTime(self.base_wall_ms - 30 * 86_400_000),
            system: Arc::clone(&self.system),
        });
        drop(inside);
        self.gateway = Some(gateway);
        self.report.count("starts of the daemon");
        self.started(&start);
        self.link_up(start.links, start.requests);
    }

    fn options(&self) -> Options {
        Options {
            vfs: (self.on == On::ModelledDisk).then_some(VFS),
            ..Options::default()
        }
    }

    fn started(&mut self, start: &Start) {
        self.report
            .note(&format!("{} started {}", self.now_ms, start.last_sequence));
        self.disk_fails = !start.notices.is_empty();
        if self.disk.trouble() == Trouble::None {
            assert_eq!(
                start.notices,
                Vec::<String>::new(),
                "nothing is wrong with the disk"
            );
            self.model.found(&start.replay);
            let known = self.model.facts.len();
            // Committed, and the machine died before it could say so.
            for fact in &start.replay[known..] {
                self.report
                    .count("permitted: committed and not told before the machine died");
                self.commit(fact);
            }
        }
        self.journal = start.journal.to_string();
        if let Some(since) = self.down_since_ms.take() {
            self.blind.push((since, self.now_ms + 20_000));
        }
        self.network.up = false;
        for place in 0..PLACES {
            self.places[place].wanted = None;
            self.places[place].poll_at = None;
            self.poll_soon(place);
            let boot = self.boot;
            self.after(LOST_AFTER_MS, What::Lost { place, boot });
        }
        let boot = self.boot;
        self.after(1_000, What::Tick { boot });
        self.after(500, What::Connect);
        self.follow();
    }
}
