//! Every frame of every built-in profile is decoded to what its file expects, and re-encoded.

use std::collections::BTreeMap;

use firmware_agent::codec::{Answer, Request, rtu, tcp};
use firmware_agent::decode::{Image, decode, raw_of, value_of};
use firmware_agent::encode::limit_order;
use firmware_agent::poll_plan::{Wish, plan};
use hw_profiles::{Frame, Framing, Profile, Table, builtin, builtin_frames, find};
use site_model::{Milliamps, Value};

/// The request inside a frame, read independently of the encoder.
fn request_of(frame: &Frame) -> (u8, Request) {
    let body = match frame.framing {
        Framing::Rtu => &frame.request[..frame.request.len() - 2],
        Framing::Tcp => &frame.request[6..],
    };
    let word = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    let (address, second) = (word(2), word(4));
    let request = match body[1] {
        3 => Request::Read {
            table: Table::Holding,
            address,
            count: second,
        },
        4 => Request::Read {
            table: Table::Input,
            address,
            count: second,
        },
        6 => Request::WriteSingle {
            address,
            value: second,
        },
        16 => Request::WriteMultiple {
            address,
            values: (0..usize::from(second))
                .map(|index| word(7 + 2 * index))
                .collect(),
        },
        function => panic!("{}: function {function}", frame.name),
    };
    (body[0], request)
}

fn answer_of(frame: &Frame) -> Answer {
    let (unit, request) = request_of(frame);
    match frame.framing {
        Framing::Rtu => {
            let found = rtu::find_answer(&frame.response, unit, &request);
            found
                .unwrap_or_else(|| panic!("{}: no answer found", frame.name))
                .1
        }
        Framing::Tcp => {
            let found = tcp::first_frame(&frame.response)
                .expect("Modbus")
                .expect("a whole frame");
            let transaction = u16::from_be_bytes([frame.request[0], frame.request[1]]);
            assert_eq!(
                (found.transaction, found.unit),
                (transaction, unit),
                "{}",
                frame.name
            );
            request
                .decode_answer(found.pdu)
                .expect("an answer to the request")
        }
    }
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

/// Puts the registers of a read into the image; which these are.
fn take(profile: &Profile, image: &mut Image, frame: &Frame) -> Vec<usize> {
    let (
        _,
        Request::Read {
            table,
            address,
            count,
        },
    ) = request_of(frame)
    else {
        panic!("{}: only a read has registers", frame.name);
    };
    let Answer::Registers(words) = answer_of(frame) else {
        panic!("{}: no registers", frame.name);
    };
    let end = u32::from(address) + u32::from(count);
    let mut taken = vec![];
    for (index, register) in profile.registers.iter().enumerate() {
        let register_end = u32::from(register.address) + u32::from(register.count());
        if register.table == table && register.address >= address && register_end <= end {
            let start = usize::from(register.address - address);
            image.set(index, &words[start..start + usize::from(register.count())]);
            taken.push(index);
        }
    }
    taken
}

/// What a read says, in the words of the frame file.
fn read_as(profile: &Profile, earlier: &[&Frame], frame: &Frame) -> BTreeMap<String, String> {
    let mut image = Image::new(profile);
    for earlier in earlier {
        take(profile, &mut image, earlier);
    }
    let taken = take(profile, &mut image, frame);
    let mut shown = BTreeMap::new();
    let mut fresh = vec![false; profile.registers.len()];
    for index in taken {
        fresh[index] = true;
        let register = &profile.registers[index];
        if image.holds(profile, &register.when) != Some(true) {
            continue;
        }
        let words = image.words(index).expect("taken above");
        let text = match register.quantity {
            Some(_) => value_of(register, words).as_ref().map(in_base_units),
            None => image
                .raw(profile, &register.name)
                .and_then(|raw| raw.to_text()),
        };
        assert!(
            raw_of(register, words).is_some(),
            "{}: {}",
            frame.name,
            register.name
        );
        shown.insert(
            register.name.clone(),
            text.unwrap_or("not available".to_owned()),
        );
    }
    let decoded = decode(profile, &image, &fresh);
    let state = decoded
        .values
        .iter()
        .find(|value| matches!(value, Value::VehicleState(_)));
    if let Some(state) = state {
        shown.insert("vehicle_state".to_owned(), in_base_units(state));
    }
    shown
}

#[test]
fn every_frame_of_every_profile_is_read_as_its_file_says() {
    let mut checked = 0;
    for file in builtin_frames().unwrap() {
        let profile = find(&file.profile).unwrap();
        for frame in &file.frames {
            let (_, request) = request_of(frame);
            if request.is_write() {
                assert_eq!(
                    answer_of(frame),
                    Answer::Written,
                    "{}: {}",
                    file.profile,
                    frame.name
                );
                let asked = frame.expect["limit"]
                    .strip_suffix(" mA")
                    .unwrap()
                    .parse()
                    .unwrap();
                let control = profile.limit.as_ref().unwrap();
                let order = limit_order(control, Milliamps(asked), 3).unwrap();
                assert!(
                    order.requests.contains(&request),
                    "{}: {order:?}",
                    frame.name
                );
                assert_eq!(order.applied, Milliamps(asked), "{}", frame.name);
            } else {
                let earlier: Vec<&Frame> = frame
                    .after
                    .iter()
                    .map(|name| file.frame(name).unwrap())
                    .collect();
                let shown = read_as(profile, &earlier, frame);
                assert_eq!(shown, frame.expect, "{}: {}", file.profile, frame.name);
            }
            checked += 1;
        }
    }
    assert!(checked >= 15, "{checked} frames");
}

#[test]
fn every_request_of_every_profile_is_encoded_to_the_same_bytes() {
    for file in builtin_frames().unwrap() {
        for frame in &file.frames {
            let (unit, request) = request_of(frame);
            let encoded = match frame.framing {
                Framing::Rtu => rtu::encode(unit, &request),
                Framing::Tcp => {
                    let transaction = u16::from_be_bytes([frame.request[0], frame.request[1]]);
                    tcp::encode(transaction, unit, &request)
                }
            };
            assert_eq!(encoded, frame.request, "{}: {}", file.profile, frame.name);
        }
    }
}

#[test]
fn every_built_in_profile_can_be_polled_within_its_constraints() {
    for profile in builtin() {
        let reads = plan(profile, &vec![Wish::Due; profile.registers.len()]);
        let covered: usize = reads.iter().map(|read| read.registers.len()).sum();
        assert!(covered >= profile.registers.len(), "{}", profile.id);
        for read in reads {
            assert!(
                read.count <= profile.link.max_registers_per_read,
                "{}: {read:?}",
                profile.id
            );
        }
    }
}
