//! A profile as text, one fact per line.

use hw_profiles::{Condition, Failsafe, LimitControl, Profile, RawMatch, Register, WriteRegister};

pub(crate) fn of(profile: &Profile) -> String {
    let Profile {
        id,
        vendor,
        model,
        same_map: _,
        kind,
        source: _,
        link,
        registers,
        state_rules,
        limit,
        failsafe,
        keep_alive,
        probes,
    } = profile;
    let mut text = format!("{id}: {vendor} {model}, {kind:?}\n{link:?}\n");
    for one in registers {
        line(&mut text, &register(one));
    }
    for rule in state_rules {
        line(
            &mut text,
            &format!("{}{}", rule.state, conditions(" if", &rule.when)),
        );
    }
    if let Some(one) = limit {
        line(&mut text, &limit_of(one));
    }
    if let Some(one) = failsafe {
        line(&mut text, &failsafe_of(one));
    }
    line(&mut text, &format!("keep alive {keep_alive:?}"));
    for probe in probes {
        line(
            &mut text,
            &format!("probe {} {}", probe.register, test(&probe.test)),
        );
    }
    text
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn register(one: &Register) -> String {
    let quantity = one.quantity.map_or("raw".to_owned(), |quantity| {
        let per = format!("{}/{}", one.scale.numerator, one.scale.denominator);
        let unit = quantity.base_unit().map(|unit| format!(" × {per} {unit}"));
        format!("{}{}", quantity.as_str(), unit.unwrap_or_default())
    });
    let sentinels: String = one
        .sentinels
        .iter()
        .map(|s| format!(" not {s:#X}"))
        .collect();
    format!(
        "{:?} {} {:?} {:?} {}: {quantity}, {:?}{sentinels}{}{}",
        one.table,
        one.address,
        one.ty,
        one.words,
        one.name,
        one.poll,
        conditions(" if", &one.when),
        if one.unconfirmed { ", unconfirmed" } else { "" }
    )
}

fn conditions(before: &str, all: &[Condition]) -> String {
    all.iter()
        .map(|one| format!("{before} {} {}", one.register, test(&one.test)))
        .collect()
}

fn test(test: &RawMatch) -> String {
    match test {
        RawMatch::OneOf(values) => format!("in {values:?}"),
        RawMatch::Between(low, high) => format!("from {low} to {high}"),
        RawMatch::BitsSet(mask) => format!("has {mask:#X}"),
        RawMatch::BitsClear(mask) => format!("lacks {mask:#X}"),
        RawMatch::Text(texts) => format!("in {texts:?}"),
    }
}

fn write(one: &WriteRegister) -> String {
    format!(
        "{} {:?} {:?} {:?}",
        one.address, one.ty, one.words, one.access
    )
}

fn limit_of(one: &LimitControl) -> String {
    format!(
        "limit {}: {:?} × {}/{}, {} to {}, pause {:?}, read back {:?}{}, volatile {}",
        write(&one.write),
        one.unit,
        one.scale.numerator,
        one.scale.denominator,
        one.minimum,
        one.maximum,
        one.pause,
        one.read_back,
        conditions(", paused if", &one.paused_when),
        one.volatile
    )
}

fn failsafe_of(one: &Failsafe) -> String {
    format!(
        "failsafe current {} × {}/{} mA read back {:?}, timeout {} × {}/{} ms read back {:?}, default {} ms",
        write(&one.current),
        one.current_scale.numerator,
        one.current_scale.denominator,
        one.current_read_back,
        write(&one.timeout),
        one.timeout_scale.numerator,
        one.timeout_scale.denominator,
        one.timeout_read_back,
        one.timeout_default_ms
    )
}
