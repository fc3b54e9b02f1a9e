//! What was written to a device, and what each writable register is for.

use std::collections::BTreeMap;

use hw_profiles::{
    Access, Failsafe, KeepAlive, LimitControl, PauseControl, PhaseSwitch, Profile, Register,
    SetupWrite, Table, WriteRegister,
};

use super::value::{bits_words, converted};

/// Where something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    pub(crate) coil: bool,
    pub(crate) address: u16,
}

impl Spot {
    pub(crate) fn of(write: &WriteRegister) -> Self {
        Self {
            coil: write.access == Access::Coil,
            address: write.address,
        }
    }
}

/// Bits of every register that is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Memory(BTreeMap<Spot, u64>);

impl Memory {
    pub(crate) fn get(&self, write: &WriteRegister) -> u64 {
        self.0.get(&Spot::of(write)).copied().unwrap_or(0)
    }

    pub(crate) fn set(&mut self, write: &WriteRegister, bits: u64) {
        self.0.insert(Spot::of(write), bits);
    }

    /// Whether a fixed value stands where it is to be written.
    pub(crate) fn holds(&self, setup: &SetupWrite) -> bool {
        self.get(&setup.write) == setup.value
    }

    /// Words of a register that repeats what was written there.
    pub(crate) fn words(&self, write: &WriteRegister, register: &Register) -> Vec<u16> {
        bits_words(register, converted(write.ty, self.get(write), register.ty))
    }
}

/// What a register is written for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role<'a> {
    Setup(&'a SetupWrite),
    Limit(&'a LimitControl),
    PauseSwitch { pause: u64, resume: u64 },
    FailsafeCurrent(&'a Failsafe),
    FailsafeTimeout(&'a Failsafe),
    FailsafeEnable(&'a SetupWrite),
    FailsafePersist(&'a SetupWrite),
    Token { value: u64 },
    LifeBit { value: u64, cleared: u64 },
    PhaseSetup(&'a SetupWrite),
    Phases(&'a PhaseSwitch),
}

/// Everything that the profile writes, with its purpose. One register may serve several.
pub(crate) fn roles(profile: &Profile) -> Vec<(Role<'_>, &WriteRegister)> {
    let mut roles: Vec<(Role<'_>, &WriteRegister)> = Vec::new();
    roles.extend(profile.setup.iter().map(|s| (Role::Setup(s), &s.write)));
    if let Some(limit) = &profile.limit {
        roles.push((Role::Limit(limit), &limit.write));
        if let Some(PauseControl::Switch {
            write,
            pause,
            resume,
        }) = &limit.pause
        {
            let (pause, resume) = (*pause, *resume);
            roles.push((Role::PauseSwitch { pause, resume }, write));
        }
    }
    if let Some(failsafe) = &profile.failsafe {
        let current = failsafe.current.iter();
        roles.extend(current.map(|write| (Role::FailsafeCurrent(failsafe), write)));
        let timeout = failsafe.timeout.iter();
        roles.extend(timeout.map(|write| (Role::FailsafeTimeout(failsafe), write)));
        let enable = failsafe.enable.iter();
        roles.extend(enable.map(|s| (Role::FailsafeEnable(s), &s.write)));
        let persist = failsafe.persist.iter();
        roles.extend(persist.map(|s| (Role::FailsafePersist(s), &s.write)));
    }
    match &profile.keep_alive {
        KeepAlive::WriteRegister { write, value, .. } => {
            roles.push((Role::Token { value: *value }, write));
        }
        KeepAlive::LifeBit {
            write,
            value,
            cleared,
            ..
        } => {
            let (value, cleared) = (*value, *cleared);
            roles.push((Role::LifeBit { value, cleared }, write));
        }
        KeepAlive::None
        | KeepAlive::AnyRequest { .. }
        | KeepAlive::RewriteLimit { .. }
        | KeepAlive::RewriteTimeout { .. } => {}
    }
    if let Some(phases) = &profile.phase_switch {
        let setup = phases.setup.iter();
        roles.extend(setup.map(|s| (Role::PhaseSetup(s), &s.write)));
        roles.push((Role::Phases(phases), &phases.write));
    }
    roles
}

/// What a register repeats: by name, or because it is what is written.
pub(crate) fn written_to<'a>(
    profile: &'a Profile,
    register: &Register,
) -> Option<&'a WriteRegister> {
    let name = Some(&register.name);
    let named = |(role, write): &(Role<'_>, &'a WriteRegister)| {
        let read_back = match role {
            Role::Setup(setup)
            | Role::FailsafeEnable(setup)
            | Role::FailsafePersist(setup)
            | Role::PhaseSetup(setup) => setup.read_back.as_ref(),
            Role::FailsafeCurrent(failsafe) => failsafe.current_read_back.as_ref(),
            Role::FailsafeTimeout(failsafe) => failsafe.timeout_read_back.as_ref(),
            Role::LifeBit { .. } => match &profile.keep_alive {
                KeepAlive::LifeBit { read_back, .. } => Some(read_back),
                KeepAlive::None
                | KeepAlive::AnyRequest { .. }
                | KeepAlive::RewriteLimit { .. }
                | KeepAlive::RewriteTimeout { .. }
                | KeepAlive::WriteRegister { .. } => None,
            },
            Role::Limit(_) | Role::PauseSwitch { .. } | Role::Token { .. } | Role::Phases(_) => {
                None
            }
        };
        (read_back.is_some() && read_back == name).then_some(*write)
    };
    let roles = roles(profile);
    let here =
        |(_, write): &(Role<'_>, &'a WriteRegister)| covers(write, register).then_some(*write);
    let by_name = roles.iter().find_map(named);
    by_name.or_else(|| roles.iter().find_map(here))
}

/// Whether reading this register reads one of the values of this write.
fn covers(write: &WriteRegister, register: &Register) -> bool {
    let table = match write.access {
        Access::Coil => Table::Coil,
        Access::Single | Access::Multiple => Table::Holding,
    };
    let each = write.ty.count();
    let offset = register.address.checked_sub(write.address);
    let within = offset.is_some_and(|at| at < write.count() && at.is_multiple_of(each.max(1)));
    register.table == table && within && register.ty.count() == each
}
