//! Faults of frame files.

use hw_profiles::{Frame, FrameFile, Framing, Origin};

const GOOD: &str = r#"[[frame]]
name = "idle"
origin = "constructed"
source = "Acme Modbus guide 3.1, input register 5"
framing = "rtu"
request = "01 04 00 05 00 01 21 CB"
response = "01 04 02 00 02 38 F1"
expect = { state = "2", vehicle_state = "A" }

[[frame]]
name = "serial"
origin = "published"
source = "https://example.org/capture"
framing = "tcp"
request = "00 01 00 00 00 06 FF 03 03 F6 00 02"
response = "00 01 00 00 00 07 FF 03 04 00 00 00 2A"
after = ["idle"]
[frame.expect]
serial = "42"
"#;

fn load(text: &str) -> Result<FrameFile, Vec<String>> {
    FrameFile::from_toml("chargers/acme-ac22.frames.toml", text)
        .map_err(|faults| faults.0.iter().map(ToString::to_string).collect())
}

fn faults_after(from: &str, to: &str, expected: &[&str]) {
    assert_eq!(GOOD.matches(from).count(), 1, "{from:?} must stand once");
    let found = load(&GOOD.replace(from, to)).err().unwrap_or_default();
    assert_eq!(found, expected);
}

#[test]
fn a_frame_file_loads_whole() {
    let frame =
        |name: &str, origin, source: &str, framing, after: &[&str], expect: &[(&str, &str)]| {
            Frame {
                name: name.to_owned(),
                origin,
                source: source.to_owned(),
                framing,
                connector: 1,
                block: None,
                request: vec![],
                response: vec![],
                after: after.iter().map(ToString::to_string).collect(),
                expect: expect
                    .iter()
                    .map(|(k, v)| (k.to_string(), v.to_string()))
                    .collect(),
            }
        };
    let expected = FrameFile {
        profile: "acme-ac22".to_owned(),
        frames: vec![
            Frame {
                request: vec![0x01, 0x04, 0x00, 0x05, 0x00, 0x01, 0x21, 0xCB],
                response: vec![0x01, 0x04, 0x02, 0x00, 0x02, 0x38, 0xF1],
                ..frame(
                    "idle",
                    Origin::Constructed,
                    "Acme Modbus guide 3.1, input register 5",
                    Framing::Rtu,
                    &[],
                    &[("state", "2"), ("vehicle_state", "A")],
                )
            },
            Frame {
                request: vec![0, 1, 0, 0, 0, 6, 0xFF, 3, 3, 0xF6, 0, 2],
                response: vec![0, 1, 0, 0, 0, 7, 0xFF, 3, 4, 0, 0, 0, 42],
                ..frame(
                    "serial",
                    Origin::Published,
                    "https://example.org/capture",
                    Framing::Tcp,
                    &["idle"],
                    &[("serial", "42")],
                )
            },
        ],
    };
    assert_eq!(load(GOOD), Ok(expected));
}

#[test]
fn an_rtu_frame_has_its_crc() {
    faults_after(
        "38 F1",
        "38 F2",
        &[
            "chargers/acme-ac22.frames.toml:7:12: the CRC of `response` does not match. For these bytes it is 38 F1",
        ],
    );
    faults_after(
        "01 04 02 00 02 38 F1",
        "38",
        &[
            "chargers/acme-ac22.frames.toml:7:12: `response` is too short. Write the whole frame with its CRC",
        ],
    );
}

#[test]
fn a_tcp_frame_has_its_header() {
    faults_after(
        "07 FF",
        "08 FF",
        &[
            "chargers/acme-ac22.frames.toml:16:12: the MBAP header of `response` does not match. Protocol is 0 and the length of these bytes 7",
        ],
    );
    faults_after(
        "00 01 00 00 00 06 FF 03 03 F6 00 02",
        "00 01",
        &[
            "chargers/acme-ac22.frames.toml:15:11: `request` is too short. Write the whole frame with its MBAP header",
        ],
    );
}

#[test]
fn a_frame_is_hexadecimal() {
    faults_after(
        "01 04 00 05",
        "01 04 0005",
        &[
            "chargers/acme-ac22.frames.toml:6:11: `request` is not hexadecimal. Write bytes as \"01 04 00 05\"",
        ],
    );
}

#[test]
fn a_frame_has_a_name_of_its_own_and_a_source() {
    faults_after(
        "\"serial\"\norigin",
        "\"idle\"\norigin",
        &["chargers/acme-ac22.frames.toml:11:8: a second frame named `idle`. Choose another name"],
    );
    faults_after(
        "\"https://example.org/capture\"",
        "\"\"",
        &["chargers/acme-ac22.frames.toml:13:10: `source` is empty. Write a source"],
    );
}

#[test]
fn after_names_frames_above() {
    faults_after(
        "[\"idle\"]",
        "[\"serial\"]",
        &["chargers/acme-ac22.frames.toml:17:10: `serial` names no frame above. Known are `idle`"],
    );
}

#[test]
fn an_origin_is_published_or_constructed() {
    faults_after(
        "\"published\"",
        "\"invented\"",
        &[
            "chargers/acme-ac22.frames.toml:12:10: `frame[2].origin` is \"invented\". Known are `published`, `constructed`",
        ],
    );
    faults_after(
        "origin = \"published\"\n",
        "",
        &["chargers/acme-ac22.frames.toml:10:1: `frame[2]` has no `origin`. Add the key `origin`"],
    );
}

#[test]
fn a_frame_file_without_frames_proves_nothing() {
    assert_eq!(
        load("frame = []").unwrap_err(),
        ["chargers/acme-ac22.frames.toml:1:1: a frame file without frames. Add a `[[frame]]`"]
    );
}
