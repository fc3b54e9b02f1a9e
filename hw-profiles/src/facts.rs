//! A profile as sentences, one fact per line, for eyes that compare it with the source.

use crate::profile::{
    Access, Condition, ConnectorAddressing, Failsafe, KeepAlive, LimitControl, LimitUnit, Link,
    PauseControl, PhaseSwitch, Profile, RawMatch, Register, RegisterType, Scale, SerialLine,
    SetupWrite, WordOrder, WriteRegister,
};
use crate::read::Words;

impl Profile {
    /// What the file was understood to say: one fact per line, all numbers as the driver uses them
    /// (addresses counted from 0, values in base units).
    #[must_use]
    pub fn facts(&self) -> String {
        let Self {
            id,
            vendor,
            model,
            kind,
            same_map: _,
            source: _,
            link,
            connectors: _,
            sunspec,
            word_probe,
            setup,
            registers,
            state_rules,
            limit,
            failsafe,
            keep_alive,
            keep_alive_unconfirmed,
            phase_switch,
            probes,
        } = self;
        let mut lines = vec![format!("{id}: {vendor} {model}, {}", kind.word())];
        lines.extend(link_lines(link));
        lines.extend(connector_line(self));
        lines.extend(
            sunspec
                .iter()
                .map(|s| format!("SunSpec marker at {:?}", s.bases)),
        );
        lines.extend(word_probe.iter().map(|probe| {
            let unit = unit_of(self, &probe.register);
            let (low, high) = (probe.low, probe.high);
            format!(
                "word order is right if {} is {low} to {high}{unit}",
                probe.register
            )
        }));
        lines.extend(registers.iter().map(|one| register(self, one)));
        lines.extend(state_rules.iter().map(|rule| {
            let when = conditions(self, " if", &rule.when);
            format!("state {}{when}", rule.state)
        }));
        lines.extend(setup.iter().map(|one| format!("set up: {}", fixed(one))));
        lines.extend(limit.iter().flat_map(|one| limit_lines(self, one)));
        lines.extend(failsafe.iter().flat_map(|one| failsafe_lines(self, one)));
        lines.push(keep_alive_line(keep_alive, *keep_alive_unconfirmed));
        lines.extend(phase_switch.iter().flat_map(|one| phase_lines(self, one)));
        lines.extend(
            probes
                .iter()
                .map(|probe| format!("probe{}", condition(self, probe))),
        );
        lines.push(String::new());
        lines.join("\n")
    }
}

fn link_lines(link: &Link) -> Vec<String> {
    let serial = |name: &str, line: &Option<SerialLine>| {
        line.map(|line| {
            let SerialLine {
                baud,
                parity,
                stop_bits,
            } = line;
            format!(
                "{name} {baud} Bd, parity {}, stop bits {stop_bits}",
                parity.word()
            )
        })
    };
    let tcp = link.tcp.map(|tcp| {
        let most = tcp
            .max_connections
            .map(|most| format!(", at most {most} connections"));
        format!("TCP port {}{}", tcp.port, most.unwrap_or_default())
    });
    let ways = [serial("RTU", &link.rtu), serial("ASCII", &link.ascii), tcp];
    let ways: Vec<String> = ways.into_iter().flatten().collect();
    let station = link.station_unit.map(|unit| format!(", station {unit}"));
    let mut rules = vec![
        format!("silence of {} ms before a request", link.gap_ms),
        format!("answers begin within {} ms", link.answer_timeout_ms),
        format!("a register is read every {} ms", link.read_interval_ms),
        format!("the limit is written every {} ms", link.write_interval_ms),
        format!(
            "at most {} registers in a read",
            link.max_registers_per_read
        ),
        match (link.block_reads, link.max_hole_registers) {
            (false, _) => "one value in a read".to_owned(),
            (true, 0) => "no holes in a read".to_owned(),
            (true, most) => format!("holes of at most {most} registers in a read"),
        },
    ];
    if link.wake_up {
        rules.push("each request is sent twice".to_owned());
    }
    vec![
        format!(
            "unit {}{}; {}",
            link.unit,
            station.unwrap_or_default(),
            ways.join("; ")
        ),
        rules.join("; "),
    ]
}

fn connector_line(profile: &Profile) -> Option<String> {
    let connectors = profile.connectors.as_ref()?;
    let by = match &connectors.by {
        ConnectorAddressing::Stride(stride) => format!("registers {stride} apart"),
        ConnectorAddressing::Units(units) => format!("units {units:?}"),
        ConnectorAddressing::Ports(ports) => format!("TCP ports {ports:?}"),
    };
    Some(format!("at most {} connectors: {by}", connectors.maximum))
}

fn register(profile: &Profile, one: &Register) -> String {
    let quantity = one.quantity.map_or("raw".to_owned(), |quantity| {
        let unit = quantity.base_unit();
        let mask = one
            .mask
            .map(|mask| format!(" & {mask:#X}"))
            .unwrap_or_default();
        let counts = unit.map(|unit| format!("{mask}, {}", per_count(one.scale, unit)));
        format!("{}{}", quantity.as_str(), counts.unwrap_or_default())
    });
    let power = one
        .scale_register
        .as_ref()
        .map(|name| format!(" × 10^{name}"));
    let models = (!one.models.is_empty()).then(|| format!(" of SunSpec models {:?}", one.models));
    let sentinels: String = one
        .sentinels
        .iter()
        .map(|s| format!(", not {s:#X}"))
        .collect();
    format!(
        "{} {}{} {}: {quantity}{}{}, {}{sentinels}{}{}",
        one.table.word(),
        one.address,
        models.unwrap_or_default(),
        encoding(one.ty, one.words, &one.name),
        power.unwrap_or_default(),
        if one.negate { ", sign changed" } else { "" },
        one.poll.word(),
        flags(&[
            (one.station, "station-wide"),
            (one.alone, "read alone"),
            (one.optional, "optional"),
            (one.unconfirmed, "unconfirmed"),
        ]),
        conditions(profile, ", if", &one.when),
    )
}

/// `name (u32 low_first)`.
fn encoding(ty: RegisterType, words: WordOrder, name: &str) -> String {
    let order = match (ty, ty.count()) {
        (RegisterType::Ascii { .. }, count)
        | (RegisterType::AsciiSwapped { .. }, count)
        | (RegisterType::Utf16 { .. }, count) => format!(" of {count} registers"),
        (_, 1) => String::new(),
        (_, _) => format!(" {}", words.word()),
    };
    format!("{}{order} {name}", type_word(ty))
        .trim_end()
        .to_owned()
}

const fn type_word(ty: RegisterType) -> &'static str {
    match ty {
        RegisterType::Bit => "bit",
        RegisterType::U16 => "u16",
        RegisterType::I16 => "i16",
        RegisterType::U32 => "u32",
        RegisterType::I32 => "i32",
        RegisterType::U64 => "u64",
        RegisterType::I64 => "i64",
        RegisterType::F32 => "f32",
        RegisterType::F64 => "f64",
        RegisterType::Ascii { .. } => "ascii",
        RegisterType::AsciiSwapped { .. } => "ascii_swapped",
        RegisterType::Utf16 { .. } => "utf16",
    }
}

fn per_count(scale: Scale, unit: &str) -> String {
    match scale {
        Scale {
            numerator,
            denominator: 1,
        } => format!("a count is {numerator} {unit}"),
        Scale {
            numerator,
            denominator,
        } => format!("a count is {numerator}/{denominator} {unit}"),
    }
}

fn flags(flags: &[(bool, &str)]) -> String {
    let set = flags.iter().filter(|(set, _)| *set);
    set.map(|(_, name)| format!(", {name}")).collect()
}

fn conditions(profile: &Profile, before: &str, all: &[Condition]) -> String {
    let one = |one| format!("{before}{}", condition(profile, one));
    all.iter().map(one).collect()
}

fn condition(profile: &Profile, one: &Condition) -> String {
    let mask = one
        .mask
        .map(|mask| format!(" & {mask:#X}"))
        .unwrap_or_default();
    let test = match &one.test {
        RawMatch::OneOf(values) => format!("in {values:?}"),
        RawMatch::Between(low, high) => format!("from {low} to {high}"),
        RawMatch::BitsSet(mask) => format!("has {mask:#X}"),
        RawMatch::BitsClear(mask) => format!("lacks {mask:#X}"),
        RawMatch::Text(texts) => format!("in {texts:?}"),
        RawMatch::ValueBetween(low, high) => {
            let unit = unit_of(profile, &one.register);
            format!("is {low} to {high}{unit}")
        }
    };
    format!(" {}{mask} {test}", one.register)
}

/// Base unit of a register by name, after a blank.
fn unit_of(profile: &Profile, name: &str) -> String {
    let quantity = profile
        .register(name)
        .and_then(|register| register.quantity);
    let unit = quantity.and_then(|quantity| quantity.base_unit());
    unit.map(|unit| format!(" {unit}")).unwrap_or_default()
}

fn write(one: &WriteRegister) -> String {
    let (table, function) = match one.access {
        Access::Coil => ("coil", 5),
        Access::Single => ("holding", 6),
        Access::Multiple => ("holding", 16),
    };
    let repeat = (one.repeat > 1).then(|| format!(" {} times", one.repeat));
    format!(
        "{table} {} {} by function {function}{}{}",
        one.address,
        encoding(one.ty, one.words, ""),
        repeat.unwrap_or_default(),
        if one.station { ", station-wide" } else { "" }
    )
}

fn fixed(one: &SetupWrite) -> String {
    format!(
        "{} to {}{}{}",
        one.value,
        write(&one.write),
        read_back(one.read_back.as_ref()),
        flags(&[(one.unconfirmed, "unconfirmed")])
    )
}

fn read_back(name: Option<&String>) -> String {
    name.map(|name| format!(", read back {name}"))
        .unwrap_or_default()
}

const fn base_unit(unit: LimitUnit) -> &'static str {
    match unit {
        LimitUnit::Milliamps => "mA",
        LimitUnit::Watts => "W",
    }
}

fn limit_lines(profile: &Profile, one: &LimitControl) -> Vec<String> {
    let pause = match &one.pause {
        None => "it cannot be paused".to_owned(),
        Some(PauseControl::Value(value)) => format!("{value} pauses"),
        Some(PauseControl::Switch {
            write: switch,
            pause,
            resume,
        }) => format!("pause {pause} and resume {resume} to {}", write(switch)),
    };
    let limit = format!(
        "limit: {}, {}, {} to {}{}, {}{}{}",
        write(&one.write),
        per_count(one.scale, base_unit(one.unit)),
        one.minimum,
        one.maximum,
        read_back(one.read_back.as_ref()),
        if one.volatile { "volatile" } else { "in flash" },
        conditions(profile, ", paused if", &one.paused_when),
        flags(&[(one.unconfirmed, "unconfirmed")])
    );
    let meanings = one
        .meanings
        .iter()
        .map(|(raw, meaning)| format!("limit: {raw} is no current but {}", meaning.word()));
    let lines = [limit, format!("limit: {pause}")];
    lines.into_iter().chain(meanings).collect()
}

fn failsafe_lines(profile: &Profile, one: &Failsafe) -> Vec<String> {
    let value =
        |name: &str, register: &Option<WriteRegister>, scale, unit, back: &Option<String>| {
            let register = register.as_ref()?;
            let (write, back) = (write(register), read_back(back.as_ref()));
            Some(format!(
                "failsafe {name}: {write}, {}{back}",
                per_count(scale, unit)
            ))
        };
    let unit = base_unit(one.current_unit);
    let after = match one.timeout_default_ms {
        0 => "off, or not documented".to_owned(),
        ms => format!("after {ms} ms"),
    };
    let factory = one.factory_current.map(|current| format!(", {current}"));
    let back = &one.current_read_back;
    let pause = one.current_pause;
    let lines = [
        value("current", &one.current, one.current_scale, unit, back),
        value(
            "timeout",
            &one.timeout,
            one.timeout_scale,
            "ms",
            &one.timeout_read_back,
        ),
        pause.map(|value| format!("failsafe current: {value} is 0 A")),
        one.enable
            .as_ref()
            .map(|write| format!("failsafe on: {}", fixed(write))),
        one.persist
            .as_ref()
            .map(|write| format!("failsafe stored: {}", fixed(write))),
        Some(format!(
            "failsafe from the factory: {after}{}{}{}",
            factory.unwrap_or_default(),
            flags(&[(one.unconfirmed, "unconfirmed")]),
            conditions(profile, ", if", &one.when)
        )),
    ];
    lines.into_iter().flatten().collect()
}

fn keep_alive_line(keep_alive: &KeepAlive, unconfirmed: bool) -> String {
    let what = match keep_alive {
        KeepAlive::None => "nothing needed".to_owned(),
        KeepAlive::AnyRequest { interval_ms } => format!("any request every {interval_ms} ms"),
        KeepAlive::RewriteLimit { interval_ms } => {
            format!("the limit written every {interval_ms} ms")
        }
        KeepAlive::RewriteTimeout { interval_ms } => {
            format!("the failsafe timeout written every {interval_ms} ms")
        }
        KeepAlive::WriteRegister {
            write: register,
            value,
            interval_ms,
        } => format!("{value} to {} every {interval_ms} ms", write(register)),
        KeepAlive::LifeBit {
            write: register,
            value,
            read_back,
            cleared,
            interval_ms,
        } => format!(
            "{value} to {} every {interval_ms} ms, cleared when {read_back} is {cleared}",
            write(register)
        ),
    };
    format!(
        "keep alive: {what}{}",
        flags(&[(unconfirmed, "unconfirmed")])
    )
}

fn phase_lines(profile: &Profile, one: &PhaseSwitch) -> Vec<String> {
    let back = one.read_back.as_ref().map(|back| {
        let (name, one, three) = (&back.register, &back.one, &back.three);
        format!(", read back {name}: {one:?} is one, {three:?} is three")
    });
    let switch = format!(
        "phases: {} for one and {} for three to {}{}, settled after {} ms{}{}",
        one.one,
        one.three,
        write(&one.write),
        back.unwrap_or_default(),
        one.settle_ms,
        flags(&[
            (one.only_paused, "only while paused"),
            (one.unconfirmed, "unconfirmed")
        ]),
        conditions(profile, ", if", &one.when)
    );
    let before = one
        .setup
        .iter()
        .map(|one| format!("phases: before, {}", fixed(one)));
    before.chain([switch]).collect()
}
