//! Frames of Modbus ASCII: a colon, two hexadecimal digits per byte, a longitudinal check, CR LF
//! (Modbus over serial line V1.02, section 2.5.2).

use super::RtuScan;

/// Longest frame: colon, 2 × 255 digits, CR LF.
const ASCII_MAX: usize = 513;

/// Longitudinal redundancy check: what makes the sum of all bytes 0 (section 6.2.1).
#[must_use]
pub fn lrc(bytes: &[u8]) -> u8 {
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    sum.wrapping_neg()
}

/// Frame of a PDU.
#[must_use]
pub fn ascii_frame(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut bytes = vec![unit];
    bytes.extend_from_slice(pdu);
    bytes.push(lrc(&bytes));
    let mut frame = vec![b':'];
    for byte in bytes {
        frame.extend([digit(byte >> 4), digit(byte & 0x0F)]);
    }
    frame.extend(*b"\r\n");
    frame
}

/// Finds a request at the beginning of `bytes`. Whatever stands before a colon is garbage.
#[must_use]
pub fn ascii_scan(bytes: &[u8]) -> RtuScan {
    let Some(begin) = bytes.iter().position(|byte| *byte == b':') else {
        return match bytes.len() {
            0 => RtuScan::Incomplete,
            length => RtuScan::Garbage { length },
        };
    };
    // A second colon begins a new frame: the one before it was broken.
    let again = bytes[1..].iter().position(|byte| *byte == b':');
    let end = bytes.windows(2).position(|pair| pair == b"\r\n");
    if begin > 0 {
        return RtuScan::Garbage { length: begin };
    }
    match (end, again.map(|at| at + 1)) {
        (Some(end), again) if again.is_none_or(|again| end < again) => {
            whole(&bytes[1..end], end + 2)
        }
        (_, Some(again)) => RtuScan::Garbage { length: again },
        (_, None) if bytes.len() > ASCII_MAX => RtuScan::Garbage {
            length: bytes.len(),
        },
        (_, None) => RtuScan::Incomplete,
    }
}

fn whole(digits: &[u8], length: usize) -> RtuScan {
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(value(*high)? << 4 | value(*low)?),
        _ => None,
    });
    match pairs.collect::<Option<Vec<u8>>>().as_deref() {
        Some(bytes @ [unit, pdu @ .., _]) if !pdu.is_empty() && lrc(bytes) == 0 => {
            RtuScan::Request {
                unit: *unit,
                pdu: pdu.to_vec(),
                length,
            }
        }
        Some(_) | None => RtuScan::Garbage { length },
    }
}

fn digit(half: u8) -> u8 {
    if half < 10 {
        b'0' + half
    } else {
        b'A' + half - 10
    }
}

/// Hexadecimal digits are upper case.
fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unit 1 reads one register from 4: 01 + 03 + 04 + 01 = 09, its complement F7.
    const ASK: &[u8] = b":010300040001F7\r\n";

    #[test]
    fn a_request_goes_there_and_back() {
        assert_eq!(ascii_frame(1, &[3, 0, 4, 0, 1]), ASK);
        let mut more = ASK.to_vec();
        more.extend_from_slice(b":01");
        let request = RtuScan::Request {
            unit: 1,
            pdu: vec![3, 0, 4, 0, 1],
            length: 17,
        };
        assert_eq!(ascii_scan(&more), request);
        for length in 0..ASK.len() {
            assert_eq!(ascii_scan(&ASK[..length]), RtuScan::Incomplete, "{length}");
        }
    }

    #[test]
    fn what_is_broken_is_garbage_up_to_the_next_colon() {
        assert_eq!(ascii_scan(b"\x00:01"), RtuScan::Garbage { length: 1 });
        assert_eq!(
            ascii_scan(b":0103:010300040001F7\r\n"),
            RtuScan::Garbage { length: 5 }
        );
        assert_eq!(
            ascii_scan(b":010300040001F6\r\n"),
            RtuScan::Garbage { length: 17 }
        );
        assert_eq!(ascii_scan(b":01030\r\n"), RtuScan::Garbage { length: 8 });
        assert_eq!(ascii_scan(b":01f7\r\n"), RtuScan::Garbage { length: 7 });
        assert_eq!(ascii_scan(&[b':'; 1]), RtuScan::Incomplete);
        let mut endless = vec![b'0'; 600];
        endless[0] = b':';
        assert_eq!(ascii_scan(&endless), RtuScan::Garbage { length: 600 });
    }
}
