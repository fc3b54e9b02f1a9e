//! Profiles for tests: shaped like real ones where that matters, written here so that a test shows
//! what it tests.

use hw_profiles::{
    Access, Condition, Failsafe, KeepAlive, Kind, LimitControl, LimitUnit, Link, Parity,
    PauseControl, PollClass, Profile, Quantity, RawMatch, Register, RegisterType, Scale,
    SerialLine, Source, StateRule, Table, TcpDefaults, WordOrder, WriteRegister,
};
use site_model::{Milliamps, VehicleState};

pub(crate) fn scale(numerator: u64, denominator: u64) -> Scale {
    Scale {
        numerator,
        denominator,
    }
}

pub(crate) fn register(
    name: &str,
    quantity: Option<Quantity>,
    table: Table,
    address: u16,
    ty: RegisterType,
    scale: Scale,
) -> Register {
    Register {
        name: name.to_owned(),
        quantity,
        table,
        address,
        ty,
        words: WordOrder::HighFirst,
        words_fixed: false,
        mask: None,
        scale_register: None,
        negate: false,
        scale,
        sentinels: vec![],
        poll: PollClass::Fast,
        when: vec![],
        optional: false,
        alone: false,
        station: false,
        models: vec![],
        unconfirmed: false,
    }
}

pub(crate) fn condition(register: &str, test: RawMatch) -> Condition {
    Condition {
        register: register.to_owned(),
        mask: None,
        test,
    }
}

pub(crate) fn write(address: u16, ty: RegisterType, access: Access) -> WriteRegister {
    WriteRegister {
        address,
        ty,
        words: WordOrder::HighFirst,
        words_fixed: false,
        access,
        repeat: 1,
        station: false,
    }
}

fn source() -> Source {
    Source {
        document: "sample".to_owned(),
        also: vec![],
    }
}

/// RTU, one state register, limit 0.1 A with 0 as pause, failsafe fed by any request.
pub(crate) fn heidelberg_like() -> Profile {
    let rule = |values: &[u64], state| StateRule {
        when: vec![condition("state", RawMatch::OneOf(values.to_vec()))],
        state,
    };
    Profile {
        id: "heidelberg-like".to_owned(),
        vendor: "Sample".to_owned(),
        model: "RTU".to_owned(),
        same_map: vec![],
        kind: Kind::Charger,
        source: source(),
        link: Link {
            rtu: Some(SerialLine {
                baud: 19_200,
                parity: Parity::Even,
                stop_bits: 1,
            }),
            ascii: None,
            tcp: None,
            unit: 1,
            station_unit: None,
            wake_up: false,
            gap_ms: 100,
            answer_timeout_ms: 300,
            read_interval_ms: 0,
            write_interval_ms: 0,
            max_registers_per_read: 14,
            max_hole_registers: 1,
            block_reads: true,
        },
        connectors: None,
        sunspec: None,
        word_probe: None,
        setup: vec![],
        registers: heidelberg_registers(),
        state_rules: vec![
            rule(&[2, 3], VehicleState::A),
            rule(&[4, 5], VehicleState::B),
            rule(&[6, 7], VehicleState::C),
            rule(&[9, 10, 11], VehicleState::Fault),
        ],
        limit: Some(LimitControl {
            write: write(261, RegisterType::U16, Access::Single),
            unit: LimitUnit::Milliamps,
            scale: scale(100, 1),
            minimum: Milliamps(6_000),
            maximum: Milliamps(16_000),
            pause: Some(PauseControl::Value(0)),
            read_back: Some("limit".to_owned()),
            paused_when: vec![],
            volatile: true,
            meanings: vec![],
            unconfirmed: false,
        }),
        failsafe: Some(heidelberg_failsafe()),
        keep_alive: KeepAlive::AnyRequest { interval_ms: 5_000 },
        keep_alive_unconfirmed: false,
        phase_switch: None,
        probes: vec![condition("layout_version", RawMatch::Between(0x100, 0x2FF))],
    }
}

fn heidelberg_failsafe() -> Failsafe {
    Failsafe {
        current: Some(write(262, RegisterType::U16, Access::Single)),
        current_unit: LimitUnit::Milliamps,
        current_scale: scale(100, 1),
        current_pause: None,
        timeout: Some(write(257, RegisterType::U16, Access::Single)),
        timeout_scale: scale(1, 1),
        timeout_default_ms: 15_000,
        current_read_back: Some("failsafe_current".to_owned()),
        timeout_read_back: Some("watchdog".to_owned()),
        factory_current: None,
        enable: None,
        persist: None,
        when: vec![],
        unconfirmed: false,
    }
}

fn heidelberg_registers() -> Vec<Register> {
    let input = |name: &str, quantity, address, scale_mul| {
        let (u16, scale) = (RegisterType::U16, scale(scale_mul, 1));
        register(name, quantity, Table::Input, address, u16, scale)
    };
    let holding = |name: &str, quantity, address, scale_mul| {
        let (u16, scale) = (RegisterType::U16, scale(scale_mul, 1));
        register(name, quantity, Table::Holding, address, u16, scale)
    };
    let mut energy = input("apparent_energy", Some(Quantity::ApparentEnergy), 17, 1);
    energy.ty = RegisterType::U32;
    energy.when = vec![condition(
        "layout_version",
        RawMatch::Between(0x107, 0xFFFF),
    )];
    vec![
        input("layout_version", None, 4, 1),
        input("state", None, 5, 1),
        input("current_l1", Some(Quantity::CurrentL1), 6, 100),
        input("current_l2", Some(Quantity::CurrentL2), 7, 100),
        input("current_l3", Some(Quantity::CurrentL3), 8, 100),
        input("voltage_l1", Some(Quantity::VoltageL1), 10, 1000),
        input("voltage_l2", Some(Quantity::VoltageL2), 11, 1000),
        input("voltage_l3", Some(Quantity::VoltageL3), 12, 1000),
        input("apparent_power", Some(Quantity::ApparentPower), 14, 1),
        energy,
        holding("watchdog", None, 257, 1),
        holding("limit", Some(Quantity::CurrentLimit), 261, 100),
        holding("failsafe_current", None, 262, 100),
    ]
}

/// TCP, state from two registers, one value per read, pause by a switch and shown by the state.
pub(crate) fn keba_like() -> Profile {
    let value = |name: &str, quantity, address, scale_num, scale_den| {
        let (u32, scale) = (RegisterType::U32, scale(scale_num, scale_den));
        register(name, quantity, Table::Holding, address, u32, scale)
    };
    let rule = |register: &str, test, state| StateRule {
        when: vec![condition(register, test)],
        state,
    };
    Profile {
        id: "keba-like".to_owned(),
        vendor: "Sample".to_owned(),
        model: "TCP".to_owned(),
        link: Link {
            rtu: None,
            tcp: Some(TcpDefaults {
                port: 502,
                max_connections: Some(2),
            }),
            unit: 255,
            gap_ms: 0,
            read_interval_ms: 500,
            write_interval_ms: 5_000,
            max_registers_per_read: 2,
            max_hole_registers: 0,
            block_reads: false,
            ..heidelberg_like().link
        },
        registers: vec![
            value("state", None, 1000, 1, 1),
            value("cable", None, 1004, 1, 1),
            value("current_l1", Some(Quantity::CurrentL1), 1008, 1, 1),
            value("serial", Some(Quantity::Serial), 1014, 1, 1),
            value("product_code", Some(Quantity::Model), 1016, 1, 1),
            value("power", Some(Quantity::Power), 1020, 1, 1000),
            value("energy", Some(Quantity::EnergyImport), 1036, 1, 10),
            value("limit", Some(Quantity::CurrentLimit), 1100, 1, 1),
        ],
        state_rules: vec![
            rule("cable", RawMatch::BitsClear(4), VehicleState::A),
            rule("state", RawMatch::OneOf(vec![3]), VehicleState::C),
            rule("state", RawMatch::OneOf(vec![4]), VehicleState::Fault),
            StateRule {
                when: vec![],
                state: VehicleState::B,
            },
        ],
        limit: Some(keba_limit()),
        failsafe: None,
        keep_alive: KeepAlive::RewriteLimit {
            interval_ms: 10_000,
        },
        probes: vec![condition(
            "product_code",
            RawMatch::Between(300_000, 399_999),
        )],
        ..heidelberg_like()
    }
}

fn keba_limit() -> LimitControl {
    LimitControl {
        write: write(5004, RegisterType::U16, Access::Single),
        unit: LimitUnit::Milliamps,
        scale: scale(1, 1),
        minimum: Milliamps(6_000),
        maximum: Milliamps(32_000),
        pause: Some(PauseControl::Switch {
            write: write(5014, RegisterType::U16, Access::Single),
            pause: 0,
            resume: 1,
        }),
        read_back: Some("limit".to_owned()),
        paused_when: vec![condition("state", RawMatch::OneOf(vec![1, 5]))],
        volatile: false,
        meanings: vec![],
        unconfirmed: false,
    }
}
