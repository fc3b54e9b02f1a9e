//! The page of all devices, from their profiles.

use std::fmt::Write as _;

use hw_profiles::{
    ConnectorAddressing, KeepAlive, Kind, LimitUnit, Parity, PauseControl, Profile, Quantity,
    SerialLine,
};

pub(crate) fn document() -> String {
    let of = |kind: Kind| {
        let mut profiles: Vec<&Profile> = hw_profiles::builtin()
            .iter()
            .filter(|profile| profile.kind == kind)
            .collect();
        profiles.sort_by_key(|profile| (name(profile).to_lowercase(), &profile.id));
        profiles
    };
    let (chargers, meters) = (of(Kind::Charger), of(Kind::Meter));
    let mut text = introduction(chargers.len(), meters.len());
    for charger in &chargers {
        text += &charger_row(charger);
    }
    text += METERS;
    for meter in &meters {
        text += &meter_row(meter);
    }
    text += OCPP_ONLY;
    for device in hw_profiles::ocpp_only() {
        let _ = writeln!(
            text,
            "| {} {} | {} | {} |",
            device.vendor, device.model, device.reason, device.source
        );
    }
    text
}

fn introduction(chargers: usize, meters: usize) -> String {
    format!(
        "# Devices

{chargers} chargers and {meters} meters come with the software, each as one file of facts with its sources and the
frames that prove it (`hw-profiles/`). This page is made from them by `cargo xtask generate`. A device that is not
here: [add it](how-to-add/device.md), which takes an hour and no Rust. `firmware-agent scan` finds out by itself
which of them is on a line.

*To confirm* counts the facts that only one source tells; `firmware-agent identify` and `site-controller
--check-config` list them by name, to be looked at when the device is commissioned. *By itself* is what a charger
does without the controller: the time until its own fallback current applies, as it comes from the factory.
*May wear flash*: the limit is not known to be forgotten on power loss, so it is written only when it changes.

## Chargers

| profile | device | also | link | connectors | limit | pause | by itself | kept alive by | phases | energy | to confirm |
|---|---|---|---|--:|---|---|---|---|---|---|--:|
"
    )
}

const METERS: &str = "
## Meters

| profile | device | also | link | per phase | energy | to confirm |
|---|---|---|---|---|---|--:|
";

const OCPP_ONLY: &str = "
## By OCPP only

No usable public Modbus map is known of these.

| device | why | source |
|---|---|---|
";

fn charger_row(profile: &Profile) -> String {
    format!(
        "| `{}` | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
        profile.id,
        name(profile),
        profile.same_map.join(", "),
        link(profile),
        connectors(profile),
        limit(profile),
        pause(profile),
        fallback(profile),
        keep_alive(profile),
        phases(profile),
        energy(profile),
        profile.unconfirmed().len()
    )
}

fn meter_row(profile: &Profile) -> String {
    let measures = |quantity| has(profile, quantity);
    let per_phase = match (measures(Quantity::CurrentL2), measures(Quantity::CurrentL1)) {
        (true, _) => "yes",
        (false, true) => "one phase",
        (false, false) => "no",
    };
    let both = [
        (Quantity::EnergyImport, "import"),
        (Quantity::EnergyExport, "export"),
    ];
    let energy: Vec<&str> = both
        .into_iter()
        .filter_map(|(quantity, word)| measures(quantity).then_some(word))
        .collect();
    format!(
        "| `{}` | {} | {} | {} | {per_phase} | {} | {} |\n",
        profile.id,
        name(profile),
        profile.same_map.join(", "),
        link(profile),
        energy.join(", "),
        profile.unconfirmed().len()
    )
}

fn name(profile: &Profile) -> String {
    format!("{} {}", profile.vendor, profile.model)
}

fn has(profile: &Profile, quantity: Quantity) -> bool {
    let mut registers = profile.registers.iter();
    registers.any(|register| register.quantity == Some(quantity))
}

fn link(profile: &Profile) -> String {
    let link = &profile.link;
    let mut ways = Vec::new();
    ways.extend(link.rtu.map(|line| format!("RTU {}", settings(line))));
    ways.extend(link.ascii.map(|line| format!("ASCII {}", settings(line))));
    ways.extend(link.tcp.map(|tcp| format!("TCP {}", tcp.port)));
    format!("{}, unit {}", ways.join(" or "), link.unit)
}

fn settings(line: SerialLine) -> String {
    let parity = match line.parity {
        Parity::None => 'N',
        Parity::Even => 'E',
        Parity::Odd => 'O',
    };
    format!("{} 8{parity}{}", line.baud, line.stop_bits)
}

fn connectors(profile: &Profile) -> String {
    match &profile.connectors {
        None => "1".to_owned(),
        Some(connectors) => {
            let by = match &connectors.by {
                ConnectorAddressing::Stride(_) => "registers",
                ConnectorAddressing::Units(_) => "units",
                ConnectorAddressing::Ports(_) => "ports",
            };
            format!("up to {}, by {by}", connectors.maximum)
        }
    }
}

fn limit(profile: &Profile) -> String {
    profile.limit.as_ref().map_or_else(String::new, |limit| {
        let unit = match limit.unit {
            LimitUnit::Milliamps => "",
            LimitUnit::Watts => " by power",
        };
        let flash = if limit.volatile {
            ""
        } else {
            ", may wear flash"
        };
        let amps = |milliamps: u32| format!("{}", f64::from(milliamps) / 1_000.0);
        let (low, high) = (amps(limit.minimum.0), amps(limit.maximum.0));
        format!("{low}–{high} A{unit}{flash}")
    })
}

fn pause(profile: &Profile) -> &'static str {
    match profile
        .limit
        .as_ref()
        .and_then(|limit| limit.pause.as_ref())
    {
        Some(PauseControl::Value(_)) => "by the limit",
        Some(PauseControl::Switch { .. }) => "by a switch",
        None => "cannot",
    }
}

fn fallback(profile: &Profile) -> String {
    let Some(failsafe) = &profile.failsafe else {
        return "keeps the limit".to_owned();
    };
    let after = match failsafe.timeout_default_ms {
        0 => "off".to_owned(),
        time if time % 1_000 == 0 => format!("after {} s", time / 1_000),
        time => format!("after {time} ms"),
    };
    let settable = [
        failsafe.current.as_ref().map(|_| "current"),
        failsafe.timeout.as_ref().map(|_| "time"),
    ];
    let settable: Vec<&str> = settable.into_iter().flatten().collect();
    if settable.is_empty() {
        after
    } else {
        format!("{after}; {} set here", settable.join(" and "))
    }
}

fn keep_alive(profile: &Profile) -> &'static str {
    match profile.keep_alive {
        KeepAlive::None => "–",
        KeepAlive::AnyRequest { .. } => "any request",
        KeepAlive::RewriteLimit { .. } => "the limit again",
        KeepAlive::RewriteTimeout { .. } => "the time again",
        KeepAlive::WriteRegister { .. } => "a token",
        KeepAlive::LifeBit { .. } => "a life bit",
    }
}

fn phases(profile: &Profile) -> &'static str {
    match &profile.phase_switch {
        None => "–",
        Some(switch) if switch.only_paused => "switched while paused",
        Some(_) => "switched",
    }
}

fn energy(profile: &Profile) -> &'static str {
    if has(profile, Quantity::EnergyImport) {
        "counter"
    } else if has(profile, Quantity::EnergySession) {
        "per session"
    } else if has(profile, Quantity::Power) {
        "from power"
    } else {
        "needs a meter"
    }
}
