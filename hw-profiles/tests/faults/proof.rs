//! Faults of frames that do not prove their profile.

use hw_profiles::{Faults, FrameFile, Profile};

/// A charger with two connectors and everything that can be written, in few registers.
const PROFILE: &str = r#"
vendor = "Acme"
model = "AC22"
kind = "charger"
[source]
document = "Acme Modbus guide, revision 3.1"
[link]
unit = 1
rtu = { baud = 9600, parity = "none", stop_bits = 1 }
[connectors]
maximum = 2
stride = 100
[read.state]
table = "input"
address = 5
type = "u16"
[read.current_l2]
quantity = "current_l2"
table = "input"
address = 6
type = "u16"
unit = "mA"
[[state]]
is = "A"
when = [{ register = "state", one_of = [1] }]
[[state]]
is = "B"
when = [{ register = "state", one_of = [2] }]
[[state]]
is = "C"
when = [{ register = "state", one_of = [3] }]
[limit]
write = { address = 10, type = "u16", function = 6 }
unit = "mA"
minimum_ma = 6000
maximum_ma = 32000
volatile = true
[failsafe.current]
write = { address = 11, type = "u16", function = 16, repeat = 2 }
unit = "A"
pause_value = 99
[failsafe.timeout]
write = { address = 14, type = "u32", words = "low_first", function = 16 }
unit = "s"
[keep_alive]
kind = "write_register"
interval_ms = 1000
write = { address = 20, type = "bit", function = 5 }
value = 1
[phase_switch]
write = { address = 21, type = "u16", function = 6 }
one = 1
three = 3
[[setup]]
write = { address = 22, type = "u16", function = 6 }
value = 7
"#;

/// CRC of Modbus, so that a test shows the bytes that matter.
fn rtu(body: &str) -> String {
    let byte = |pair: &str| u8::from_str_radix(pair, 16).expect("hexadecimal");
    let bytes: Vec<u8> = body.split_whitespace().map(byte).collect();
    let mut crc = 0xFFFF_u16;
    for byte in &bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xA001
            } else {
                crc >> 1
            };
        }
    }
    let [low, high] = crc.to_le_bytes();
    format!("{body} {low:02X} {high:02X}")
}

fn frame(name: &str, request: &str, response: &str, expect: &str) -> String {
    let (request, response) = (rtu(request), rtu(response));
    format!(
        "[[frame]]\nname = \"{name}\"\norigin = \"constructed\"\nsource = \"register 5\"\n\
         framing = \"rtu\"\nrequest = \"{request}\"\nresponse = \"{response}\"\n\
         expect = {{ {expect} }}\n"
    )
}

fn good() -> Vec<String> {
    let read = "01 04 00 05 00 02";
    vec![
        frame(
            "a",
            read,
            "01 04 04 00 01 00 00",
            "state = \"1\", current_l2 = \"0 mA\", vehicle_state = \"A\"",
        ),
        frame(
            "b",
            read,
            "01 04 04 00 02 00 00",
            "state = \"2\", current_l2 = \"0 mA\", vehicle_state = \"B\"",
        ),
        frame(
            "c",
            read,
            "01 04 04 00 03 00 09",
            "state = \"3\", current_l2 = \"9 mA\", vehicle_state = \"C\"",
        ),
        frame(
            "limit",
            "01 06 00 0A 3E 80",
            "01 06 00 0A 3E 80",
            "limit = \"16000 mA\"",
        ),
    ]
}

fn load(frames: &[String]) -> Vec<String> {
    let profile = Profile::from_toml("acme-ac22.toml", PROFILE).expect("it is sound");
    let text = frames.concat();
    match FrameFile::for_profile(&profile, "acme-ac22.frames.toml", &text) {
        Ok(_) => vec![],
        Err(Faults(faults)) => faults.iter().map(ToString::to_string).collect(),
    }
}

/// What is told of one more frame, which begins at line 33.
fn told(frame: &str) -> Vec<String> {
    let mut frames = good();
    frames.push(frame.to_owned());
    load(&frames)
}

#[test]
fn everything_has_a_frame() {
    assert_eq!(load(&good()), Vec::<String>::new());
    let two = [good().remove(0), good().remove(1)];
    assert_eq!(
        load(&two),
        [
            "acme-ac22.frames.toml: no frame proves `vehicle_state = \"C\"`. Add a frame that expects it",
            "acme-ac22.frames.toml: no frame proves `limit`. Add a frame that expects it",
        ]
    );
}

#[test]
fn a_constructed_frame_cites_its_table_and_fits_the_link() {
    let cites_nothing = good()[0]
        .replace("register 5", "the guide")
        .replace("\"a\"", "\"x\"");
    assert_eq!(
        told(&cites_nothing),
        [
            "acme-ac22.frames.toml:36:10: frame `x` cites no register table. Name the document and the registers, for instance \"Acme guide 3.1, table 4: input registers 5 to 8\"",
        ]
    );
    let ascii = "[[frame]]\nname = \"x\"\norigin = \"published\"\nsource = \"y\"\nframing = \"ascii\"\n\
                 request = \":010400050001F5\"\nresponse = \">0104020002F7\"\nexpect = { state = \"2\" }\n";
    assert_eq!(
        told(ascii),
        [
            "acme-ac22.frames.toml:37:11: frame `x` is not framed as the profile's link. Correct `framing`, or add `link.ascii` to the profile",
        ]
    );
}

#[test]
fn a_line_of_ascii_has_its_start_and_lrc() {
    let line = |request: &str, response: &str| {
        format!(
            "[[frame]]\nname = \"x\"\norigin = \"published\"\nsource = \"y\"\nframing = \"ascii\"\n\
                 request = \"{request}\"\nresponse = \"{response}\"\nexpect = {{ state = \"2\" }}\n"
        )
    };
    assert_eq!(
        told(&line(">010400050001F5", ":0104020002F8")),
        [
            "acme-ac22.frames.toml:38:11: `request` is no line of Modbus ASCII. Write it as on the line, without CR and LF: \":0103002E0005C9\"",
            "acme-ac22.frames.toml:39:12: the LRC of `response` does not match. For these bytes it is F7",
        ]
    );
}

#[test]
fn a_read_expects_what_the_profile_reads_in_base_units() {
    let wrong = frame(
        "x",
        "01 04 00 05 00 02",
        "01 04 04 00 01 00 00",
        "stat = \"1\", current_l2 = \"0 A\"",
    );
    assert_eq!(
        told(&wrong),
        [
            "acme-ac22.frames.toml:40:12: a read expects `stat`. Did you mean `state`?",
            "acme-ac22.frames.toml:40:37: `current_l2` is expected as \"0 A\". Write a number and the base unit: \"16 mA\"",
        ]
    );
}

#[test]
fn a_frame_of_another_connector_says_so() {
    let second = frame("x", "01 04 00 69 00 01", "01 04 02 00 01", "state = \"1\"");
    let with = |line: &str| second.replace("framing", &format!("{line}\nframing"));
    assert_eq!(told(&with("connector = 2")), Vec::<String>::new());
    assert_eq!(
        told(&with("connector = 3")),
        ["acme-ac22.frames.toml:37:13: there is no connector 3. Correct it, or the profile"]
    );
    assert_eq!(
        told(&with("block = { model = 203, address = 40069 }")),
        ["acme-ac22.frames.toml:37:9: no register is in model 203. Correct it, or the profile"]
    );
}

#[test]
fn a_write_expects_one_thing_and_is_acknowledged() {
    let write = "01 06 00 0A 1F 40";
    assert_eq!(
        told(&frame(
            "x",
            write,
            write,
            "limit = \"8000 mA\", state = \"1\""
        )),
        [
            "acme-ac22.frames.toml:33:1: a write does not expect exactly one thing. Expect one of `limit`, `failsafe_current`, `failsafe_timeout`, `failsafe_enable`, `failsafe_persist`, `phases`, `setup`, `keep_alive`",
        ]
    );
    assert_eq!(
        told(&frame("x", write, "01 06 00 0A 1F 41", "limit = \"8 A\"")),
        [
            "acme-ac22.frames.toml:39:12: the answer acknowledges another write. Functions 5 and 6 echo address and value, function 16 address and count",
            "acme-ac22.frames.toml:40:20: `limit` is expected as \"8 A\". Write \"16000 mA\"; \"0 mA\" pauses",
        ]
    );
    assert_eq!(
        told(&frame("x", write, write, "limits = \"8000 mA\"")),
        ["acme-ac22.frames.toml:40:12: a write expects `limits`. Did you mean `limit`?"]
    );
    assert_eq!(
        told(&frame("x", "01 07", "01 07 00", "state = \"1\"")),
        [
            "acme-ac22.frames.toml:38:11: a function that is not used here. Prove the profile with functions 1 to 6 and 16",
        ]
    );
}

/// Bytes made by hand from the profile above, for every key.
#[test]
fn every_write_is_compared_with_the_bytes_that_the_profile_makes() {
    let right = [
        (
            "failsafe_current = \"7500 mA\"",
            "01 10 00 0B 00 02 04 00 07 00 07",
            6,
        ),
        (
            "failsafe_current = \"0 mA\"",
            "01 10 00 0B 00 02 04 00 63 00 63",
            6,
        ),
        (
            "failsafe_timeout = \"70000000 ms\"",
            "01 10 00 0E 00 02 04 11 70 00 01",
            6,
        ),
        ("phases = \"1\"", "01 06 00 15 00 01", 6),
        ("phases = \"3\"", "01 06 00 15 00 03", 6),
        ("setup = \"written\"", "01 06 00 16 00 07", 6),
        ("keep_alive = \"written\"", "01 05 00 14 FF 00", 6),
    ];
    for (expect, request, answered) in right {
        let response: Vec<&str> = request.split_whitespace().take(answered).collect();
        let found = told(&frame("x", request, &response.join(" "), expect));
        assert_eq!(found, Vec::<String>::new(), "{expect}");
    }
    let one = "01 06 00 15 00 01";
    assert_eq!(
        told(&frame("x", one, one, "phases = \"3\"")),
        [
            "acme-ac22.frames.toml:38:11: the profile does not write this for `phases`. It writes 06 00 15 00 03; correct one of the two",
        ]
    );
    assert_eq!(
        told(&frame("x", one, one, "phases = \"2\"")),
        ["acme-ac22.frames.toml:40:21: `phases` is expected as \"2\". Write \"1\" or \"3\""]
    );
    assert_eq!(
        told(&frame("x", one, one, "failsafe_persist = \"written\"")),
        [
            "acme-ac22.frames.toml:40:12: the profile writes no `failsafe_persist`. Correct the key, or the profile",
        ]
    );
}
