//! Profiles in miniature for the tests of this crate.

use hw_profiles::{
    Access, Condition, Failsafe, KeepAlive, Kind, LimitControl, LimitUnit, Link, Parity,
    PauseControl, PollClass, Profile, Quantity, RawMatch, Register, RegisterType, Scale,
    SerialLine, Source, StateRule, Table, TcpDefaults, WordOrder, WriteRegister,
};
use site_model::{Milliamps, VehicleState};

/// Builds a register; fast, input table, scale 1.
pub(crate) struct RegisterBuilder(Register);

pub(crate) fn register(name: &str, address: u16, ty: RegisterType) -> RegisterBuilder {
    RegisterBuilder(Register {
        name: name.to_owned(),
        quantity: None,
        table: Table::Input,
        address,
        ty,
        words: WordOrder::HighFirst,
        words_fixed: false,
        mask: None,
        scale_register: None,
        negate: false,
        scale: Scale {
            numerator: 1,
            denominator: 1,
        },
        sentinels: vec![],
        poll: PollClass::Fast,
        when: vec![],
        optional: false,
        alone: false,
        station: false,
        models: vec![],
        unconfirmed: false,
    })
}

impl RegisterBuilder {
    pub(crate) fn of(mut self, quantity: Quantity) -> Self {
        self.0.quantity = Some(quantity);
        self
    }

    pub(crate) fn scaled(mut self, scale: Scale) -> Self {
        self.0.scale = scale;
        self
    }

    pub(crate) fn holding(mut self) -> Self {
        self.0.table = Table::Holding;
        self
    }

    pub(crate) fn low_first(mut self) -> Self {
        self.0.words = WordOrder::LowFirst;
        self
    }

    pub(crate) fn polled(mut self, poll: PollClass) -> Self {
        self.0.poll = poll;
        self
    }

    pub(crate) fn sentinel(mut self, raw: u64) -> Self {
        self.0.sentinels.push(raw);
        self
    }

    pub(crate) fn when(mut self, register: &str, test: RawMatch) -> Self {
        self.0.when.push(condition(register, test));
        self
    }

    pub(crate) fn build(self) -> Register {
        self.0
    }
}

pub(crate) fn condition(register: &str, test: RawMatch) -> Condition {
    Condition {
        register: register.to_owned(),
        mask: None,
        test,
    }
}

/// A meter with these registers, 19 200 8E1, blocks of up to 16 registers.
pub(crate) fn profile(registers: Vec<Register>) -> Profile {
    Profile {
        id: "test".to_owned(),
        vendor: "Test".to_owned(),
        model: "Bench".to_owned(),
        same_map: vec![],
        kind: Kind::Meter,
        source: Source {
            document: "none".to_owned(),
            also: vec![],
        },
        link: Link {
            rtu: Some(line()),
            ascii: None,
            tcp: Some(TcpDefaults {
                port: 502,
                max_connections: None,
            }),
            unit: 1,
            station_unit: None,
            wake_up: false,
            gap_ms: 0,
            answer_timeout_ms: 300,
            read_interval_ms: 0,
            write_interval_ms: 0,
            max_registers_per_read: 16,
            max_hole_registers: 0,
            block_reads: true,
        },
        connectors: None,
        sunspec: None,
        word_probe: None,
        setup: vec![],
        registers,
        state_rules: vec![],
        limit: None,
        failsafe: None,
        keep_alive: KeepAlive::None,
        keep_alive_unconfirmed: false,
        phase_switch: None,
        probes: vec![],
    }
}

pub(crate) fn line() -> SerialLine {
    SerialLine {
        baud: 19_200,
        parity: Parity::Even,
        stop_bits: 1,
    }
}

/// A charger: state in input register 5 (2 = A, 4 = B, 6 = C), current in 6, read-back in 7,
/// limit in holding register 261 by tenths of an ampere.
pub(crate) fn charger() -> Profile {
    let state = |raw, state| StateRule {
        when: vec![condition("state", RawMatch::OneOf(vec![raw]))],
        state,
    };
    let tenth_ampere = Scale {
        numerator: 100,
        denominator: 1,
    };
    let mut profile = profile(vec![
        register("state", 5, RegisterType::U16).build(),
        register("current_l1", 6, RegisterType::U16)
            .of(Quantity::CurrentL1)
            .scaled(tenth_ampere)
            .build(),
        register("limit", 7, RegisterType::U16)
            .of(Quantity::CurrentLimit)
            .scaled(tenth_ampere)
            .build(),
    ]);
    profile.kind = Kind::Charger;
    profile.state_rules = vec![
        state(2, VehicleState::A),
        state(4, VehicleState::B),
        state(6, VehicleState::C),
    ];
    profile.limit = Some(limit_control());
    profile
}

pub(crate) fn limit_control() -> LimitControl {
    LimitControl {
        write: write_register(261),
        unit: LimitUnit::Milliamps,
        scale: Scale {
            numerator: 100,
            denominator: 1,
        },
        minimum: Milliamps(6_000),
        maximum: Milliamps(16_000),
        pause: Some(PauseControl::Value(0)),
        read_back: Some("limit".to_owned()),
        paused_when: vec![],
        volatile: true,
        meanings: vec![],
        unconfirmed: false,
    }
}

pub(crate) fn write_register(address: u16) -> WriteRegister {
    WriteRegister {
        address,
        ty: RegisterType::U16,
        words: WordOrder::HighFirst,
        words_fixed: false,
        access: Access::Single,
        repeat: 1,
        station: false,
    }
}

/// Failsafe current in holding register 262 by tenths of an ampere, timeout in 257 by seconds,
/// both read back as `failsafe_current` and `failsafe_timeout`.
pub(crate) fn failsafe() -> Failsafe {
    Failsafe {
        current: Some(write_register(262)),
        current_unit: LimitUnit::Milliamps,
        current_scale: Scale {
            numerator: 100,
            denominator: 1,
        },
        current_pause: None,
        current_read_back: Some("failsafe_current".to_owned()),
        timeout: Some(write_register(257)),
        timeout_scale: Scale {
            numerator: 1_000,
            denominator: 1,
        },
        timeout_read_back: Some("failsafe_timeout".to_owned()),
        timeout_default_ms: 0,
        factory_current: None,
        enable: None,
        persist: None,
        when: vec![],
        unconfirmed: false,
    }
}
