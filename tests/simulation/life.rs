//! The daemon's life: how it starts on what is there, and its housekeeping.

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use site_controller::runtime::Input;
use site_controller::store::{OpenError, Options};
use site_model::{BootId, WallTime};

use crate::agenda::What;
use crate::disk::{Trouble, VFS};
use crate::gateway::{Gateway, Setup, Start};
use crate::model::Boot;
use crate::place::PLACES;
use crate::world::{On, World};

const JOURNAL: &str = "journal.sqlite";
/// How often the loop's housekeeping is looked at although nothing happens.
const TICK_MS: u64 = 3_600_000;
/// The same while the time is unknown or facts wait for the disk.
const BUSY_TICK_MS: u64 = 150_000;
/// A silent device is given up after this time.
const LOST_AFTER_MS: u64 = 8_000;

impl World {
    pub(crate) fn tick(&mut self, boot: u64) {
        if self.boot != boot || self.gateway.is_none() {
            return;
        }
        self.input(Input::Tick);
        let busy = !self.clock.is_known() || self.disk_due || !self.time_is_known();
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
        let boot = Boot { at_ms: self.now_ms };
        self.model.note_boot(BootId(self.boot), boot);
        let (gateway, start) = self.start().unwrap();
        self.gateway = Some(gateway);
        self.report.count("starts of the daemon");
        self.started(&start);
        self.link_up(start.links, start.requests);
    }

    fn start(&self) -> Result<(Gateway, Start), OpenError> {
        let folder = self.folder();
        let _inside = self.rt.enter();
        Gateway::start(Setup {
            config: self.config.clone(),
            gateway: self.cloud.gateway.clone(),
            dir: &folder,
            options: self.options(),
            boot: BootId(self.boot),
            built_at: WallTime(self.base_wall_ms - 30 * 86_400_000),
            system: Arc::clone(&self.system),
        })
    }

    /// A newer daemon leaves its journal, this one is started on it and refuses, the newer one is put
    /// back. The newer one is this one, and the schema's number all that it changed.
    pub(crate) fn start_older(&mut self, down_ms: u64) {
        if !self.stop() {
            return;
        }
        self.disk.never_fail();
        let folds_log = self.rng.bool();
        let known = self.set_version(|version| version + 1, folds_log);
        let before = self.files();
        let refused = self.start().map(drop);
        let sentence = format!(
            "has schema version {}, this program knows up to {known}",
            known + 1
        );
        match refused {
            Err(problem) => assert!(problem.to_string().contains(&sentence), "{problem}"),
            Ok(()) => panic!("a daemon of schema {known} goes on with a journal of a newer one"),
        }
        assert!(
            self.files() == before,
            "a journal that was refused was changed"
        );
        self.set_version(|version| version - 1, true);
        self.disk.keep_all();
        self.after(down_ms, What::Boot);
    }

    /// Changes the number of the schema, and gives back the one before.
    fn set_version(&self, change: impl Fn(i64) -> i64, folds_log: bool) -> i64 {
        let path = self.folder().join(JOURNAL);
        let db = match self.options().vfs {
            Some(vfs) => Connection::open_with_flags_and_vfs(path, OpenFlags::default(), vfs),
            None => Connection::open(path),
        };
        let db = db.unwrap();
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !folds_log)
            .unwrap();
        let version = db
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .unwrap();
        db.pragma_update(None, "user_version", change(version))
            .unwrap();
        version
    }

    /// What a daemon must not touch: the journal and its log. One that is empty is as good as none.
    fn files(&self) -> [Vec<u8>; 2] {
        ["", "-wal"].map(|suffix| {
            let path = self.folder().join(format!("{JOURNAL}{suffix}"));
            std::fs::read(path).unwrap_or_default()
        })
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
