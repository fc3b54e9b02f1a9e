//! Drivers that are told wrong things of a device: whether the run would notice.

use hw_profiles::{KeepAlive, Profile, WordOrder, find};

use super::charger::life;
use super::rig::{simulate, ways};
use super::table::{Row, Table};

/// Makes a profile say something that is not so.
type Wrong = fn(&mut Profile);

/// Device, what the driver believes of it, and what must come out.
pub(crate) fn drivers() -> Vec<(&'static str, Wrong, &'static str)> {
    vec![
        (
            "heidelberg-energy-control",
            |it| it.link.gap_ms = 0,
            "(Gap)",
        ),
        (
            "heidelberg-energy-control",
            |it| it.link.max_hole_registers = 50,
            "(UnnamedRegister)",
        ),
        ("heidelberg-energy-control", ten_times_the_limit, "limit"),
        ("keba-p40", blocks_of_any_length, "(ReadTooLong)"),
        (
            "keba-p40",
            |it| it.link.write_interval_ms = 0,
            "(WriteInterval)",
        ),
        ("keba-p40", is_taken_for_another, "is no"),
        ("kathrein-kwb", |it| it.setup.clear(), "(SetupMissing)"),
        ("kathrein-kwb", switches_while_charging, "(PhaseSwitch)"),
        ("em2go-home", forgets_that_flash_wears, "(FlashWear)"),
        (
            "mennekes-amtron-compact",
            |it| it.keep_alive = KeepAlive::None,
            // It has fallen back before anybody asks.
            "6000000 are true",
        ),
        ("phoenix-em-cp-pp-eth", the_other_way_round, "are true"),
    ]
}

fn ten_times_the_limit(it: &mut Profile) {
    let limit = it.limit.as_mut().expect("a charger");
    limit.scale.denominator *= 10;
}

fn blocks_of_any_length(it: &mut Profile) {
    it.link.block_reads = true;
    it.link.max_registers_per_read = 125;
}

fn is_taken_for_another(it: &mut Profile) {
    *it = find("keba-p30").expect("a built-in profile").clone();
}

fn switches_while_charging(it: &mut Profile) {
    let switch = it.phase_switch.as_mut().expect("it switches phases");
    switch.only_paused = false;
}

fn forgets_that_flash_wears(it: &mut Profile) {
    it.limit.as_mut().expect("a charger").volatile = true;
}

fn the_other_way_round(it: &mut Profile) {
    for register in &mut it.registers {
        register.words = match register.words {
            WordOrder::HighFirst => WordOrder::LowFirst,
            WordOrder::LowFirst => WordOrder::HighFirst,
        };
    }
}

/// What a life with such a driver comes to.
pub(crate) fn faults(profile: &str, wrong: Wrong) -> Vec<String> {
    let profile = find(profile).expect("a built-in profile");
    let mut believed = profile.clone();
    wrong(&mut believed);
    let mut row = Row::new(&profile.id);
    simulate(life(profile, &believed, ways(profile)[0], &mut row));
    Table::new(vec![row]).faults()
}
