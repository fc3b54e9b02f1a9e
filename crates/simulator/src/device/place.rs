//! The profile as one connector of one device has it: registers where this connector has them,
//! words in this device's order, SunSpec blocks where this device keeps them.

use hw_profiles::{
    ConnectorAddressing, KeepAlive, PauseControl, PollClass, Profile, Register, RegisterType,
    Scale, SetupWrite, Table, WordOrder, WriteRegister,
};

/// What differs between devices of one profile besides their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Variant {
    /// The other word order, for values that follow the file's.
    pub(crate) words: Option<WordOrder>,
    /// Values that the profile calls optional are not there.
    pub(crate) without_optional: bool,
    /// SunSpec: the meter's model; the first that the profile names.
    pub(crate) model: Option<u16>,
    /// SunSpec: where the marker stands; the first place that the profile names.
    pub(crate) base: Option<u16>,
}

/// A connector's own view.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    /// With moved addresses, without values that this variant has not.
    pub(crate) profile: Profile,
    /// Values that are not there: reading one is refused, and no fault of the master.
    pub(crate) absent: Vec<Register>,
    /// Registers with constants: marker and headers of SunSpec blocks.
    pub(crate) constants: Vec<(String, u64)>,
}

/// Puts a profile in place for the connector with this index, counted from 0.
pub(crate) fn placed(profile: &Profile, index: u8, variant: &Variant) -> Placed {
    let mut profile = profile.clone();
    let mut constants = Vec::new();
    if let Some(words) = variant.words {
        turn_words(&mut profile, words);
    }
    if let Some(connectors) = &profile.connectors
        && let ConnectorAddressing::Stride(stride) = connectors.by
    {
        move_by(&mut profile, stride.saturating_mul(u16::from(index)));
    }
    if profile.sunspec.is_some() {
        constants = lay_blocks(&mut profile, variant);
    }
    let mut absent = Vec::new();
    if variant.without_optional {
        (absent, profile.registers) = profile.registers.into_iter().partition(|r| r.optional);
    }
    Placed {
        profile,
        absent,
        constants,
    }
}

fn turn_words(profile: &mut Profile, words: WordOrder) {
    for register in &mut profile.registers {
        if !register.words_fixed {
            register.words = words;
        }
    }
    each_write(profile, |write| {
        if !write.words_fixed {
            write.words = words;
        }
    });
}

fn move_by(profile: &mut Profile, by: u16) {
    for register in &mut profile.registers {
        if !register.station {
            register.address = register.address.saturating_add(by);
        }
    }
    each_write(profile, |write| {
        if !write.station {
            write.address = write.address.saturating_add(by);
        }
    });
}

fn each_write(profile: &mut Profile, mut change: impl FnMut(&mut WriteRegister)) {
    let mut change_all = |writes: &mut [SetupWrite]| {
        for write in writes {
            change(&mut write.write);
        }
    };
    change_all(&mut profile.setup);
    if let Some(phases) = &mut profile.phase_switch {
        change_all(&mut phases.setup);
        change(&mut phases.write);
    }
    if let Some(limit) = &mut profile.limit {
        change(&mut limit.write);
        if let Some(PauseControl::Switch { write, .. }) = &mut limit.pause {
            change(write);
        }
    }
    if let Some(failsafe) = &mut profile.failsafe {
        let values = failsafe.current.iter_mut().chain(&mut failsafe.timeout);
        values.for_each(&mut change);
        let fixed = failsafe.enable.iter_mut().chain(&mut failsafe.persist);
        fixed.for_each(|setup| change(&mut setup.write));
    }
    match &mut profile.keep_alive {
        KeepAlive::WriteRegister { write, .. } | KeepAlive::LifeBit { write, .. } => change(write),
        KeepAlive::None
        | KeepAlive::AnyRequest { .. }
        | KeepAlive::RewriteLimit { .. }
        | KeepAlive::RewriteTimeout { .. } => {}
    }
}

/// "SunS" (SunSpec device information model specification 1.9, section 6.3).
const MARKER: u64 = 0x5375_6E53;
/// Model number that ends the list.
const END: u16 = 0xFFFF;
/// Registers after the header of the models that a simulated device has besides its meter: the
/// common block, and an inverter (SunSpec models 1 and 103).
const BEFORE: [(u16, u16); 2] = [(1, 66), (103, 50)];
/// Registers after the header of the meter models 201 to 204 and 211 to 214.
const INTEGER_METER: u16 = 105;
const FLOAT_METER: u16 = 124;

/// Lays marker, common block, a block of another kind, the meter's block and the end; moves the
/// registers of the chosen model into it and drops those of the others.
fn lay_blocks(profile: &mut Profile, variant: &Variant) -> Vec<(String, u64)> {
    let bases = profile.sunspec.take().map_or(vec![], |found| found.bases);
    let base = variant.base.or(bases.first().copied()).unwrap_or(0);
    let mut models = profile.registers.iter().flat_map(|r| &r.models);
    let model = variant.model.or(models.next().copied()).unwrap_or(0);
    let length = if model < 211 {
        INTEGER_METER
    } else {
        FLOAT_METER
    };
    let mut constants = Vec::new();
    let mut headers = Vec::new();
    let mut lay = |name: String, address: u16, ty, value: u64| {
        headers.push(header(&name, address, ty));
        constants.push((name, value));
    };
    lay("marker".to_owned(), base, RegisterType::U32, MARKER);
    let mut at = base.saturating_add(2);
    let mut blocks = Vec::new();
    for (number, registers) in BEFORE.into_iter().chain([(model, length), (END, 0)]) {
        let name = format!("model {number}");
        lay(name, at, RegisterType::U16, number.into());
        let name = format!("length of model {number}");
        lay(
            name,
            at.saturating_add(1),
            RegisterType::U16,
            registers.into(),
        );
        blocks.push((number, at));
        at = at.saturating_add(registers).saturating_add(2);
    }
    profile.registers.retain_mut(|register| {
        let mut found = blocks
            .iter()
            .filter(|(number, _)| register.models.contains(number));
        let block = found.next().map_or(0, |(_, at)| *at);
        register.address = register.address.saturating_add(block);
        register.models.is_empty() || block > 0
    });
    profile.registers.extend(headers);
    constants
}

fn header(name: &str, address: u16, ty: RegisterType) -> Register {
    Register {
        name: name.to_owned(),
        quantity: None,
        table: Table::Holding,
        address,
        ty,
        words: WordOrder::HighFirst,
        words_fixed: true,
        mask: None,
        scale: Scale {
            numerator: 1,
            denominator: 1,
        },
        scale_register: None,
        negate: false,
        sentinels: vec![],
        poll: PollClass::Once,
        when: vec![],
        optional: false,
        alone: false,
        station: false,
        models: vec![],
        unconfirmed: false,
    }
}
