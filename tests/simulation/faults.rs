//! What goes wrong, and how it heals.

use std::path::Path;

use fastrand::Rng;
use site_model::Milliamps;

use crate::agenda::What;
use crate::disk::Trouble;
use crate::place::PLACES;
use crate::plan::{Fault, Strike};
use crate::world::{On, World};

/// How long a moment's trouble blurs what can be said of a connector.
const BLUR_MS: u64 = 60_000;

impl World {
    pub(crate) fn begin(&mut self, strike: Strike) {
        if self.healing {
            return;
        }
        self.report.count(strike.fault.name());
        match strike.fault {
            Fault::Crash => self.crash(strike.lasts_ms),
            Fault::PowerCut => self.cut_power(strike.lasts_ms),
            Fault::BootIn1970 => {
                // The machine has no battery for its clock, and the network's time is far away.
                self.clock.forget();
                self.cut_power(2_000);
                self.blur_all(strike.lasts_ms);
                self.after(strike.lasts_ms, What::TimeKnown);
            }
            Fault::TornCommit => {
                let operations = self.rng.u64(1..8);
                self.disk.fail_after(operations);
            }
            Fault::Update => self.update(strike.lasts_ms),
            Fault::DiskFull => self.trouble(Trouble::Full, strike.lasts_ms),
            Fault::DiskReadOnly => self.trouble(Trouble::ReadOnly, strike.lasts_ms),
            Fault::DiskSlow => {
                self.disk_slow_until_ms = self.now_ms + strike.lasts_ms;
                self.blur_all(strike.lasts_ms);
            }
            Fault::Partition => {
                self.network.closed_until_ms = self.now_ms + strike.lasts_ms;
                self.cut();
            }
            Fault::BrokerDown => {
                self.network.closed_until_ms = self.now_ms + strike.lasts_ms;
                self.cut();
                self.forget_messages();
            }
            Fault::CloudDown => {
                self.network.cloud_down_until_ms = self.now_ms + strike.lasts_ms;
                self.cloud.restart();
            }
            Fault::CloudRestored => {
                self.cloud.restore();
                // The broker is a part of the cloud's process.
                self.cut();
                self.forget_messages();
            }
            Fault::CsmsDown => {
                self.links.csms.down_until_ms = self.now_ms + strike.lasts_ms;
                self.hang_up_all();
            }
            Fault::CsmsSlow => self.links.csms.slow_until_ms = self.now_ms + strike.lasts_ms,
            Fault::CsmsFlaky => self.links.csms.flaky_until_ms = self.now_ms + strike.lasts_ms,
            Fault::CsmsRefuses => {
                self.links.csms.refuses_until_ms = self.now_ms + strike.lasts_ms;
            }
            Fault::CsmsRestored => {
                self.links.csms.restore();
                self.hang_up_all();
            }
            Fault::Disorder => self.network.disorder_until_ms = self.now_ms + strike.lasts_ms,
            Fault::Silence => self.silence(strike),
            Fault::Reboot => self.reboot(strike.place),
            Fault::ClockForward | Fault::ClockBack => {
                let forward = strike.fault == Fault::ClockForward;
                let far = self.rng.u8(0..5) == 0;
                self.misset_clock(forward, far);
            }
            Fault::OlderDaemon => self.start_older(strike.lasts_ms),
            Fault::WrongAnswer => {
                self.blur(strike.place, BLUR_MS);
                self.places[strike.place].confused = true;
                self.poll_soon(strike.place);
            }
        }
    }

    pub(crate) fn end(&mut self, strike: Strike) {
        match strike.fault {
            Fault::DiskFull | Fault::DiskReadOnly => {
                if self.disk.trouble() != Trouble::Off {
                    self.disk.set(Trouble::None);
                }
            }
            Fault::Silence => self.hear_again(strike.place),
            Fault::ClockForward | Fault::ClockBack => {
                if self.clock.is_known() {
                    self.set_clock(0);
                }
            }
            Fault::OlderDaemon
            | Fault::Crash
            | Fault::PowerCut
            | Fault::TornCommit
            | Fault::Update
            | Fault::DiskSlow
            | Fault::Partition
            | Fault::BrokerDown
            | Fault::CloudDown
            | Fault::CloudRestored
            | Fault::CsmsDown
            | Fault::CsmsSlow
            | Fault::CsmsFlaky
            | Fault::CsmsRefuses
            | Fault::CsmsRestored
            | Fault::Disorder
            | Fault::Reboot
            | Fault::WrongAnswer
            | Fault::BootIn1970 => {}
        }
    }

    pub(crate) fn back_up(&mut self, fault: Fault) {
        if fault == Fault::CsmsRestored {
            self.links.csms.back_up();
        } else {
            self.cloud.back_up();
        }
    }

    fn trouble(&mut self, trouble: Trouble, lasts_ms: u64) {
        if self.disk.trouble() == Trouble::None {
            self.disk.set(trouble);
            self.blur_all(lasts_ms);
        }
    }

    fn blur(&mut self, place: usize, ms: u64) {
        let stretch = (self.now_ms, self.now_ms + ms + BLUR_MS);
        self.places[place].blind.push(stretch);
    }

    fn blur_all(&mut self, ms: u64) {
        self.blind.push((self.now_ms, self.now_ms + ms + BLUR_MS));
    }

    /// What the broker holds for the cloud is gone.
    fn forget_messages(&mut self) {
        self.network.retained = None;
        self.forget(|what| matches!(what, What::AtCloud { .. }));
    }

    fn silence(&mut self, strike: Strike) {
        let (place, boot) = (strike.place, self.boot);
        self.blur(place, strike.lasts_ms);
        self.places[place].answers = false;
        self.after(8_000, What::Lost { place, boot });
    }

    fn hear_again(&mut self, place: usize) {
        self.places[place].answers = true;
        self.poll_soon(place);
    }

    fn reboot(&mut self, place: usize) {
        self.blur(place, BLUR_MS);
        let limits = [0, 6_000, 16_000, 32_000].map(Milliamps);
        let limit = limits[self.rng.usize(0..limits.len())];
        self.places[place].charger.reboot(limit);
        self.power_changed(place);
    }

    fn crash(&mut self, down_ms: u64) {
        if self.gateway.is_some() {
            self.die();
            self.disk.keep_all();
            self.disk.set(Trouble::None);
            self.after(down_ms, What::Boot);
        }
    }

    fn cut_power(&mut self, down_ms: u64) {
        if self.gateway.is_none() {
            return;
        }
        self.die();
        self.power_returns(down_ms);
    }

    fn power_returns(&mut self, down_ms: u64) {
        let lost = self.disk.lose_power(&mut self.rng);
        self.report
            .add("writes lost in power cuts", u64::try_from(lost).unwrap());
        self.disk.set(Trouble::None);
        // Who shares the machine's power reboots with it.
        for place in 0..PLACES {
            if self.rng.bool() {
                self.reboot(place);
            }
        }
        self.after(down_ms, What::Boot);
    }

    /// The disk said that the machine is off.
    pub(crate) fn power_is_gone(&mut self) {
        self.report.count("seen: power gone in a commit");
        let down_ms = Fault::TornCommit.lasts_ms(&mut self.rng);
        self.cut_power(down_ms);
    }

    /// The process is gone at once: nothing is finished, nothing is written any more.
    fn die(&mut self) {
        self.disk.set(Trouble::Off);
        if self.on == On::RealFiles {
            // Whoever closes the files would tidy them up: they stay as they are now.
            let (files, kept) = (self.folder(), self.dir.path().join("kept"));
            copy(&files, &kept);
            self.drop_gateway();
            copy(&kept, &files);
        } else {
            self.drop_gateway();
        }
    }

    fn update(&mut self, down_ms: u64) {
        if self.stop() {
            self.after(down_ms, What::Boot);
        }
    }

    /// The daemon ends in peace. Not if its disk is in trouble: then it is as good as crashed.
    pub(crate) fn stop(&mut self) -> bool {
        if self.gateway.is_none() || self.disk.trouble() != Trouble::None {
            return false;
        }
        self.turn_disk();
        if self.gateway.is_none() {
            return false;
        }
        self.drop_gateway();
        if self.disk.trouble() == Trouble::Off {
            // It went while the files were closed.
            self.power_returns(2_000);
            return false;
        }
        self.disk.keep_all();
        true
    }

    fn drop_gateway(&mut self) {
        self.cut();
        self.unlink();
        let inside = self.rt.enter();
        self.gateway = None;
        drop(inside);
        self.disk_due = false;
        self.disk_fails = false;
        self.down_since_ms = Some(self.now_ms);
        for order in &mut self.orders {
            order.reply = None;
        }
        self.forget(|what| matches!(what, What::Disk | What::Written { .. }));
    }

    /// All trouble ends; whoever waits for a fate asks again.
    pub(crate) fn heal(&mut self) {
        self.healing = true;
        self.disk.never_fail();
        if self.disk.trouble() != Trouble::Off {
            self.disk.set(Trouble::None);
        }
        self.disk_slow_until_ms = 0;
        self.forget(|what| matches!(what, What::Disk));
        self.disk_due = true;
        self.after(10, What::Disk);
        self.network.closed_until_ms = 0;
        self.network.cloud_down_until_ms = 0;
        self.network.disorder_until_ms = 0;
        self.links.csms.heal();
        self.set_clock(0);
        for place in 0..PLACES {
            self.hear_again(place);
        }
        if self.gateway.is_none() {
            self.after(1_000, What::Boot);
        }
        for order in 0..self.orders.len() {
            self.after(60_000, What::Ask { order });
        }
        // A cloud that was restored learns from the next fact what it lacks.
        let mut rng = Rng::with_seed(self.now_ms);
        for place in 0..PLACES {
            let wants = site_model::WattHours(rng.u64(100..1_000));
            self.after(600_000, What::Plug { place, wants });
            self.after(1_800_000, What::Unplug { place });
        }
        self.after(10, What::Connect);
    }
}

/// Makes one folder what the other is.
fn copy(from: &Path, to: &Path) {
    let _none_there = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let there = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &there);
        } else {
            std::fs::copy(&path, there).unwrap();
        }
    }
}
