//! What the driver makes of the frames of a profile, compared with what their file expects.

use std::collections::BTreeMap;

use firmware_agent::codec::{Answer, Request, ascii, rtu, tcp};
use firmware_agent::decode::{Image, decode};
use firmware_agent::encode::{self, limit_order};
use hw_profiles::{
    Frame, FrameFile, Framing, KeepAlive, Profile, Quantity, SetupWrite, Table, WriteRegister,
};
use site_model::{Milliamps, Value};

/// Every frame that the driver encodes, decodes or understands otherwise, as a sentence.
pub(crate) fn faults(profile: &Profile, file: &FrameFile) -> Vec<String> {
    let of_frame = |frame: &Frame| {
        let said = prove(profile, file, frame).err()?;
        Some(format!("frame `{}`: {said}", frame.name))
    };
    file.frames.iter().filter_map(of_frame).collect()
}

fn prove(profile: &Profile, file: &FrameFile, frame: &Frame) -> Result<(), String> {
    let profile = frame
        .profile(profile)
        .ok_or("it is about nothing of the profile")?;
    let (unit, request) = request_of(frame)?;
    let encoded = framed(frame, unit, &request);
    if encoded != frame.request {
        return Err(format!("the driver asks it as {encoded:02X?}"));
    }
    if request.is_write() {
        return prove_write(&profile, frame, &request);
    }
    let mut image = image_of(&profile);
    for name in &frame.after {
        let earlier = file.frame(name).ok_or("it comes after an unknown frame")?;
        take(&profile, &mut image, earlier)?;
    }
    let read = read_as(&profile, &mut image, frame)?;
    if read == frame.expect {
        return Ok(());
    }
    Err(format!(
        "the driver reads {read:?}, expected are {:?}",
        frame.expect
    ))
}

/// Nothing heard yet; a variant's frames leave out what it does not have.
fn image_of(profile: &Profile) -> Image {
    let mut image = Image::new(profile);
    for (index, register) in profile.registers.iter().enumerate() {
        if register.optional {
            image.set_absent(index);
        }
    }
    image
}

/// The driver makes this request, and takes the answer for a yes.
fn prove_write(profile: &Profile, frame: &Frame, request: &Request) -> Result<(), String> {
    let answer = answer_of(frame)?;
    if answer != Answer::Written {
        return Err(format!("the driver takes the answer as {answer:?}"));
    }
    for (key, value) in &frame.expect {
        let made = requests_for(profile, key, value)
            .map_err(|problem| format!("`{key} = \"{value}\"`: {problem}"))?;
        if !made.contains(request) {
            return Err(format!(
                "for `{key} = \"{value}\"` the driver writes {made:?}"
            ));
        }
    }
    Ok(())
}

/// The requests that the driver makes for what a write is expected to be.
fn requests_for(profile: &Profile, key: &str, value: &str) -> Result<Vec<Request>, String> {
    let number = |unit: &str| -> Option<u64> { value.strip_suffix(unit)?.parse().ok() };
    let nothing = || "the profile writes no such thing".to_owned();
    let failsafe = || profile.failsafe.as_ref().ok_or_else(nothing);
    let one = |register: &Option<WriteRegister>, raw| {
        let register = register.as_ref().ok_or_else(nothing)?;
        Ok::<_, String>(vec![made(register, raw)?])
    };
    match key {
        "limit" => limit_requests(profile, number(" mA")),
        "failsafe_current" => {
            let in_watts = number(" W").map(|watts| (watts * 1_000).div_ceil(3 * 230));
            let asked = milliamps(number(" mA").or(in_watts))?;
            let limit = profile.limit.as_ref();
            let raw = encode::failsafe_current(failsafe()?, limit, asked, 3);
            one(&failsafe()?.current, raw.ok_or("the driver cannot say it")?)
        }
        "failsafe_timeout" => {
            let asked = number(" ms").ok_or("it is no number of ms")?;
            let raw = encode::failsafe_timeout(failsafe()?, asked);
            one(&failsafe()?.timeout, raw.ok_or("the driver cannot say it")?)
        }
        "failsafe_enable" => fixed(failsafe()?.enable.iter()),
        "failsafe_persist" => fixed(failsafe()?.persist.iter()),
        "phases" => {
            let switch = profile.phase_switch.as_ref().ok_or_else(nothing)?;
            let raw = if value == "1" {
                switch.one
            } else {
                switch.three
            };
            Ok(vec![made(&switch.write, raw)?])
        }
        "setup" => {
            let phases = profile.phase_switch.iter();
            fixed(
                profile
                    .setup
                    .iter()
                    .chain(phases.flat_map(|switch| &switch.setup)),
            )
        }
        "keep_alive" => match &profile.keep_alive {
            KeepAlive::WriteRegister { write, value, .. }
            | KeepAlive::LifeBit { write, value, .. } => Ok(vec![made(write, *value)?]),
            KeepAlive::None
            | KeepAlive::AnyRequest { .. }
            | KeepAlive::RewriteLimit { .. }
            | KeepAlive::RewriteTimeout { .. } => Err(nothing()),
        },
        _ => Err(nothing()),
    }
}

fn limit_requests(profile: &Profile, asked: Option<u64>) -> Result<Vec<Request>, String> {
    let asked = milliamps(asked)?;
    let control = profile.limit.as_ref().ok_or("the profile has no limit")?;
    let order = limit_order(control, asked, 3).map_err(|error| error.to_string())?;
    if order.applied != asked {
        return Err(format!("the driver applies {}", order.applied));
    }
    Ok(order
        .writes
        .into_iter()
        .map(|write| write.request)
        .collect())
}

fn milliamps(number: Option<u64>) -> Result<Milliamps, String> {
    let number = number.and_then(|number| u32::try_from(number).ok());
    Ok(Milliamps(number.ok_or("it is no current")?))
}

fn fixed<'p>(setups: impl Iterator<Item = &'p SetupWrite>) -> Result<Vec<Request>, String> {
    setups
        .map(|setup| made(&setup.write, setup.value))
        .collect()
}

fn made(register: &WriteRegister, raw: u64) -> Result<Request, String> {
    let write = encode::write(register, raw).map_err(|error| error.to_string())?;
    Ok(write.request)
}

/// The request inside a frame, read independently of the encoder.
fn request_of(frame: &Frame) -> Result<(u8, Request), String> {
    let (unit, pdu) = frame.request_pdu();
    let word = |at: usize| match pdu.get(at..at + 2) {
        Some([high, low]) => Ok(u16::from_be_bytes([*high, *low])),
        Some(_) | None => Err("its request is too short".to_owned()),
    };
    let (address, second) = (word(1)?, word(3)?);
    let read = |table| Request::Read {
        table,
        address,
        count: second,
    };
    let request = match pdu[0] {
        1 => read(Table::Coil),
        2 => read(Table::Discrete),
        3 => read(Table::Holding),
        4 => read(Table::Input),
        5 => Request::WriteCoil {
            address,
            on: second == 0xFF00,
        },
        6 => Request::WriteSingle {
            address,
            value: second,
        },
        16 => Request::WriteMultiple {
            address,
            values: (0..usize::from(second))
                .map(|index| word(6 + 2 * index))
                .collect::<Result<_, _>>()?,
        },
        function => return Err(format!("function {function} is unknown")),
    };
    Ok((unit, request))
}

/// What the driver sends for this request, as the frame file writes it.
fn framed(frame: &Frame, unit: u8, request: &Request) -> Vec<u8> {
    match frame.framing {
        Framing::Rtu => rtu::encode(unit, request),
        Framing::Ascii => {
            let line = ascii::encode(unit, request);
            line.strip_suffix(b"\r\n")
                .map(<[u8]>::to_vec)
                .unwrap_or(line)
        }
        Framing::Tcp => {
            let transaction = u16::from_be_bytes([frame.request[0], frame.request[1]]);
            tcp::encode(transaction, unit, request)
        }
    }
}

/// What the driver takes from the answer.
fn answer_of(frame: &Frame) -> Result<Answer, String> {
    let (unit, request) = request_of(frame)?;
    let none = || "the driver finds no answer in its response".to_owned();
    match frame.framing {
        Framing::Rtu => {
            let found = rtu::find_answer(&frame.response, unit, &request);
            Ok(found.ok_or_else(none)?.1)
        }
        Framing::Ascii => {
            let line = [&*frame.response, b"\r\n"].concat();
            let found = ascii::find_answer(&line, unit, &request);
            Ok(found.ok_or_else(none)?.1)
        }
        Framing::Tcp => {
            let found = tcp::first_frame(&frame.response)
                .ok()
                .flatten()
                .ok_or_else(none)?;
            if frame.request[..2] != frame.response[..2] || found.unit != unit {
                return Err("its response has another transaction or unit".to_owned());
            }
            request
                .decode_answer(found.pdu)
                .map_err(|misfit| misfit.to_string())
        }
    }
}

/// Puts the registers of a read into the image; which these are.
fn take(profile: &Profile, image: &mut Image, frame: &Frame) -> Result<Vec<usize>, String> {
    let (unit, request) = request_of(frame)?;
    let Request::Read {
        table,
        address,
        count,
    } = request
    else {
        return Err("it or one before it is no read".to_owned());
    };
    let Answer::Registers(words) = answer_of(frame)? else {
        return Err("the driver finds no registers in its response".to_owned());
    };
    let end = u32::from(address) + u32::from(count);
    let at_station = profile.link.station_unit.map(|station| station == unit);
    let mut taken = vec![];
    for (index, register) in profile.registers.iter().enumerate() {
        let register_end = u32::from(register.address) + u32::from(register.count());
        let here = at_station.is_none_or(|at_station| at_station == register.station);
        let inside = register.address >= address && register_end <= end;
        if register.table == table && inside && here {
            let start = usize::from(register.address - address);
            image.set(index, &words[start..start + usize::from(register.count())]);
            taken.push(index);
        }
    }
    Ok(taken)
}

/// What a read says, in the words of the frame file.
fn read_as(
    profile: &Profile,
    image: &mut Image,
    frame: &Frame,
) -> Result<BTreeMap<String, String>, String> {
    let taken = take(profile, image, frame)?;
    let mut shown = BTreeMap::new();
    let mut fresh = vec![false; profile.registers.len()];
    for index in taken {
        fresh[index] = true;
        let register = &profile.registers[index];
        if image.holds(profile, &register.when) != Some(true) {
            continue;
        }
        let text = match register.quantity {
            Some(Quantity::PowerLimit) => image
                .base_value(profile, &register.name)
                .map(|watts| format!("{watts} W")),
            Some(_) => image.value(profile, index).as_ref().map(in_base_units),
            None => image
                .raw(profile, &register.name)
                .and_then(|raw| raw.to_text()),
        };
        let text = text.unwrap_or("not available".to_owned());
        shown.insert(register.name.clone(), text);
    }
    let decoded = decode(profile, image, &fresh);
    let mut values = decoded.values.iter();
    if let Some(state) = values.find(|value| matches!(value, Value::VehicleState(_))) {
        shown.insert("vehicle_state".to_owned(), in_base_units(state));
    }
    Ok(shown)
}

fn in_base_units(value: &Value) -> String {
    match value {
        Value::VehicleState(state) => state.to_string(),
        Value::CurrentLimit(current) | Value::Current(_, current) => current.to_string(),
        Value::Voltage(_, voltage) => voltage.to_string(),
        Value::PowerOfPhase(_, power) | Value::Power(power) => power.to_string(),
        Value::ApparentPower(power) => power.to_string(),
        Value::EnergyImport { energy, .. }
        | Value::EnergyExport(energy)
        | Value::EnergySession(energy) => energy.to_string(),
        Value::ApparentEnergy(energy) => energy.to_string(),
        Value::Frequency(frequency) => frequency.to_string(),
        Value::ErrorCode(code) => code.to_string(),
        Value::Firmware(text) | Value::Serial(text) | Value::Model(text) => text.clone(),
    }
}
