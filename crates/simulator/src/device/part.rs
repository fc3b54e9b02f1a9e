//! One connector of a charger, or a meter: its own view of the profile and what is true of it.

use std::collections::{BTreeMap, BTreeSet};

use hw_profiles::{Profile, Register, WriteRegister};
use site_model::VehicleState;

use super::charger::Charger;
use super::identity::{Given, fixed_values};
use super::image::{Solved, looked_at};
use super::memory::{Spot, roles, written_to};
use super::meter::Meter;
use super::place::placed;
use super::rules::{RawValues, all_hold, values_for_state};
use super::value::RawValue;

/// Charger or meter.
#[derive(Debug)]
pub(crate) enum Body {
    Charger(Box<Charger>),
    Meter(Meter),
}

/// One connector, or a meter.
#[derive(Debug)]
pub(crate) struct Part {
    /// As this connector has it: addresses moved, words in this device's order.
    pub(crate) profile: Profile,
    /// Optional values that this variant has not.
    pub(crate) absent: Vec<Register>,
    pub(crate) fixed: RawValues,
    pub(crate) unavailable: BTreeSet<String>,
    pub(crate) body: Body,
    /// What registers repeat, by their names.
    pub(super) repeats: BTreeMap<String, WriteRegister>,
    /// Registers with a quantity that conditions look at.
    pub(super) looked_at: BTreeSet<String>,
    pub(super) solved: Solved,
}

impl Part {
    pub(crate) fn new(
        profile: &Profile,
        index: u8,
        given: &Given,
        body: impl FnOnce(&Profile) -> Body,
    ) -> Self {
        let mut placed = placed(profile, index, &given.variant);
        let mut fixed = fixed_values(&placed.profile, given);
        for (name, value) in placed.constants {
            fixed.insert(name, RawValue::Number(value));
        }
        let failsafe = placed.profile.failsafe.take();
        placed.profile.failsafe =
            failsafe.filter(|failsafe| all_hold(&placed.profile, &failsafe.when, &fixed));
        let profile = &placed.profile;
        let repeats = |register: &Register| {
            let write = written_to(profile, register)?;
            Some((register.name.clone(), write.clone()))
        };
        Self {
            repeats: profile.registers.iter().filter_map(repeats).collect(),
            looked_at: looked_at(profile),
            body: body(profile),
            profile: placed.profile,
            absent: placed.absent,
            fixed,
            unavailable: BTreeSet::new(),
            solved: Solved::default(),
        }
    }

    /// A state of A, B and C that the profile's rules have no values for.
    pub(crate) fn speechless(&self) -> Option<VehicleState> {
        let (profile, nothing) = (&self.profile, BTreeSet::new());
        [VehicleState::A, VehicleState::B, VehicleState::C]
            .into_iter()
            .find(|state| values_for_state(profile, *state, false, &self.fixed, &nothing).is_none())
    }

    /// What the profile writes here.
    pub(crate) fn writable(&self, spot: Spot) -> Option<&WriteRegister> {
        let roles = roles(&self.profile).into_iter();
        roles.map(|(_, write)| write).find(|w| Spot::of(w) == spot)
    }

    /// Whether this is where the limit is written.
    pub(crate) fn is_limit(&self, spot: Spot) -> bool {
        let limit = self.profile.limit.as_ref();
        limit.is_some_and(|limit| Spot::of(&limit.write) == spot)
    }
}
