//! Bytes of a frame: how they are written in a file, and what each framing adds to be checked.

use crate::fault::Report;
use crate::read::At;

use super::Framing;

/// Unit identifier and protocol data unit inside a frame that passed the check of its framing.
pub(super) fn inside(bytes: &[u8], framing: Framing) -> Option<(u8, Vec<u8>)> {
    let body = match framing {
        Framing::Rtu => bytes.get(..bytes.len().checked_sub(2)?)?.to_vec(),
        Framing::Tcp => bytes.get(6..)?.to_vec(),
        Framing::Ascii => {
            let mut body = digits(std::str::from_utf8(bytes.get(1..)?).ok()?)?;
            body.pop();
            body
        }
    };
    let (unit, pdu) = body.split_first()?;
    (!pdu.is_empty()).then(|| (*unit, pdu.to_vec()))
}

/// The bytes of a frame, with the check that its framing allows: CRC, LRC, or length in the MBAP
/// header.
pub(super) fn bytes(
    text: &At<String>,
    key: &str,
    framing: Framing,
    report: &mut Report<'_>,
) -> Option<Vec<u8>> {
    if framing == Framing::Ascii {
        check_line(&text.value, key, text.at, report);
        return Some(text.value.clone().into_bytes());
    }
    let Some(bytes) = hex(&text.value) else {
        let problem = format!("`{key}` is not hexadecimal");
        report.fault(text.at, problem, "Write bytes as \"01 04 00 05\"");
        return None;
    };
    match framing {
        Framing::Rtu => check_crc(&bytes, key, text.at, report),
        Framing::Tcp => check_mbap(&bytes, key, text.at, report),
        Framing::Ascii => {}
    }
    Some(bytes)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let byte = |pair: &str| {
        let digits = pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
        digits.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
    };
    text.split_whitespace().map(byte).collect()
}

/// Pairs of digits without blanks between them, in capitals as on the line.
fn digits(text: &str) -> Option<Vec<u8>> {
    let is_digit = |b: &u8| b.is_ascii_digit() || (b'A'..=b'F').contains(b);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || !text.as_bytes().iter().all(is_digit) {
        return None;
    }
    let byte = |pair: &[u8; 2]| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    };
    pairs.iter().map(byte).collect()
}

/// Modbus ASCII: `:`, hexadecimal digits of unit, function, data and LRC. Some devices begin their
/// answers with `>`. CR and LF are left out of the file.
fn check_line(text: &str, key: &str, at: usize, report: &mut Report<'_>) {
    let starts: &[char] = match key {
        "response" => &[':', '>'],
        _ => &[':'],
    };
    let bytes = text.strip_prefix(starts).and_then(digits);
    let Some((lrc, body)) = bytes.as_deref().and_then(<[u8]>::split_last) else {
        let problem = format!("`{key}` is no line of Modbus ASCII");
        let remedy = "Write it as on the line, without CR and LF: \":0103002E0005C9\"";
        report.fault(at, problem, remedy);
        return;
    };
    let sum = body.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    let expected = sum.wrapping_neg();
    if *lrc != expected || body.len() < 2 {
        let problem = format!("the LRC of `{key}` does not match");
        report.fault(at, problem, format!("For these bytes it is {expected:02X}"));
    }
}

/// Modbus RTU: unit, function and CRC at least, low byte of the CRC first.
fn check_crc(bytes: &[u8], key: &str, at: usize, report: &mut Report<'_>) {
    let Some((body, [low, high])) = bytes.split_last_chunk::<2>() else {
        report.fault(
            at,
            format!("`{key}` is too short"),
            "Write the whole frame with its CRC",
        );
        return;
    };
    let expected = crc16(body);
    if u16::from_le_bytes([*low, *high]) != expected || body.len() < 2 {
        let [low, high] = expected.to_le_bytes();
        let problem = format!("the CRC of `{key}` does not match");
        report.fault(
            at,
            problem,
            format!("For these bytes it is {low:02X} {high:02X}"),
        );
    }
}

/// CRC of Modbus over Serial Line V1.02, 6.2.2: polynomial 0xA001 reflected, start 0xFFFF.
fn crc16(bytes: &[u8]) -> u16 {
    let mut crc: u16 = 0xFFFF;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            let carry = crc & 1 == 1;
            crc >>= 1;
            if carry {
                crc ^= 0xA001;
            }
        }
    }
    crc
}

/// MBAP header: transaction, protocol 0, length of what follows, unit; then the function.
fn check_mbap(bytes: &[u8], key: &str, at: usize, report: &mut Report<'_>) {
    let [
        _,
        _,
        protocol_high,
        protocol_low,
        length_high,
        length_low,
        rest @ ..,
    ] = bytes
    else {
        report.fault(
            at,
            format!("`{key}` is too short"),
            "Write the whole frame with its MBAP header",
        );
        return;
    };
    let protocol = u16::from_be_bytes([*protocol_high, *protocol_low]);
    let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
    if protocol != 0 || length != rest.len() || length < 2 {
        let problem = format!("the MBAP header of `{key}` does not match");
        let remedy = format!("Protocol is 0 and the length of these bytes {}", rest.len());
        report.fault(at, problem, remedy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_agrees_with_the_published_check_value() {
        // CRC catalogue (reveng), CRC-16/MODBUS: check value of "123456789".
        assert_eq!(crc16(b"123456789"), 0x4B37);
    }

    #[test]
    fn every_framing_is_taken_off() {
        // Modbus over Serial Line V1.02 and Messaging on TCP/IP V1.0b: unit 2, function 3.
        let pdu = vec![3, 0, 46, 0, 5];
        let inside = |bytes: &[u8], framing| inside(bytes, framing);
        let ascii = b":0203002E0005C8";
        assert_eq!(inside(ascii, Framing::Ascii), Some((2, pdu.clone())));
        let rtu = [2, 3, 0, 46, 0, 5, 0, 0];
        assert_eq!(inside(&rtu, Framing::Rtu), Some((2, pdu.clone())));
        let tcp = [0, 1, 0, 0, 0, 6, 2, 3, 0, 46, 0, 5];
        assert_eq!(inside(&tcp, Framing::Tcp), Some((2, pdu)));
        for framing in [Framing::Rtu, Framing::Tcp, Framing::Ascii] {
            assert_eq!(inside(&[], framing), None, "{framing:?}");
        }
    }

    #[test]
    fn hex_takes_pairs_between_blanks_only() {
        assert_eq!(hex("01 aF\n00"), Some(vec![0x01, 0xAF, 0x00]));
        for bad in ["0x01", "1", "012", "+1", "0 1", "gg"] {
            assert_eq!(hex(bad), None, "{bad:?}");
        }
    }
}
