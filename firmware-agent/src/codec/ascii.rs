//! ASCII frames: a start character, unit and protocol data unit as hexadecimal digits, LRC, CR LF.
//!
//! Receiving is as strict as with RTU: only a whole frame with a right LRC that answers the
//! request is an answer, whatever stands before it. Source: Modbus over Serial Line V1.02, 2.5.2.

use std::time::Duration;

use super::pdu::{Answer, Request};
use super::rtu::Stray;

/// What a request begins with.
const START: u8 = b':';
/// What some devices begin their answers with instead (traces in evcc issue 526, 2021-08-23).
const START_OF_ANSWER: u8 = b'>';
const CR: u8 = b'\r';
const LF: u8 = b'\n';
/// Longest pause inside a frame (V1.02, 2.5.2.1).
pub const CHARACTER_TIMEOUT: Duration = Duration::from_secs(1);
/// Most characters of a frame (V1.02, 2.5.2.1).
const FRAME_MAX: usize = 513;

/// Longitudinal redundancy check: what makes the sum of all bytes 0.
#[must_use]
pub fn lrc(bytes: &[u8]) -> u8 {
    bytes
        .iter()
        .fold(0_u8, |sum, byte| sum.wrapping_add(*byte))
        .wrapping_neg()
}

/// The whole frame of a request.
#[must_use]
pub fn encode(unit: u8, request: &Request) -> Vec<u8> {
    let mut body = vec![unit];
    body.extend(request.encode());
    body.push(lrc(&body));
    let mut frame = vec![START];
    frame.extend(body.iter().flat_map(|byte| digits(*byte)));
    frame.extend([CR, LF]);
    frame
}

/// Characters of the frame of a granting answer.
#[must_use]
pub fn answer_len(request: &Request) -> usize {
    1 + 2 * (1 + request.answer_len() + 1) + 2
}

/// Where the answer begins in what was heard so far, and the answer, if it is already whole.
#[must_use]
pub fn find_answer(heard: &[u8], unit: u8, request: &Request) -> Option<(usize, Answer)> {
    frames(heard).find_map(|frame| {
        let (from, pdu) = frame.body.as_deref()?.split_first()?;
        let answer = request.decode_answer(pdu).ok();
        Some((frame.start, answer.filter(|_| *from == unit)?))
    })
}

/// Splits what was heard into whole frames with a right LRC and the number of characters that
/// belong to none.
#[must_use]
pub fn strays(heard: &[u8]) -> (Vec<Stray>, usize) {
    let found: Vec<Stray> = frames(heard)
        .filter_map(|frame| {
            let [unit, function, ..] = *frame.body.as_deref()? else {
                return None;
            };
            Some(Stray {
                unit,
                function,
                len: frame.end - frame.start,
            })
        })
        .collect();
    let noise = heard.len() - found.iter().map(|stray| stray.len).sum::<usize>();
    (found, noise)
}

/// Whether a frame has begun that is not whole yet.
#[must_use]
pub fn is_under_way(heard: &[u8]) -> bool {
    let start = heard.iter().rposition(|byte| is_start(*byte));
    start.is_some_and(|start| heard.len() - start < FRAME_MAX && !heard[start..].contains(&LF))
}

/// One frame between a start character and the next line feed.
struct Frame {
    start: usize,
    end: usize,
    /// Unit and protocol data unit; absent: no digits, or a wrong LRC.
    body: Option<Vec<u8>>,
}

/// Frames in order. A start character begins anew, whatever was before (V1.02, 2.5.2.1).
fn frames(heard: &[u8]) -> impl Iterator<Item = Frame> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let end = at + heard[at..].iter().position(|byte| *byte == LF)? + 1;
        let begun = heard[at..end].iter().rposition(|byte| is_start(*byte));
        let start = begun.map_or(at, |offset| at + offset);
        at = end;
        Some(Frame {
            start,
            end,
            body: begun.and_then(|_| body(&heard[start..end])),
        })
    })
}

/// Unit and protocol data unit of a frame whose LRC is right.
fn body(frame: &[u8]) -> Option<Vec<u8>> {
    let digits = frame.get(1..)?.strip_suffix(&[CR, LF])?;
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let mut bytes = Vec::with_capacity(pairs.len());
    for [high, low] in pairs {
        bytes.push((nibble(*high)? << 4) | nibble(*low)?);
    }
    let check = bytes.pop()?;
    (lrc(&bytes) == check).then_some(bytes)
}

fn is_start(byte: u8) -> bool {
    matches!(byte, START | START_OF_ANSWER)
}

fn digits(byte: u8) -> [u8; 2] {
    let digit = |nibble: u8| match nibble {
        0..=9 => b'0' + nibble,
        _ => b'A' + nibble - 10,
    };
    [digit(byte >> 4), digit(byte & 0xF)]
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hw_profiles::Table;
    use proptest::prelude::*;

    fn read(address: u16, count: u16) -> Request {
        Request::Read {
            table: Table::Holding,
            address,
            count,
        }
    }

    /// A frame with right LRC around these bytes.
    fn framed(start: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = body.to_vec();
        bytes.push(lrc(body));
        let mut frame = vec![start];
        frame.extend(
            bytes
                .iter()
                .flat_map(|byte| format!("{byte:02X}").into_bytes()),
        );
        frame.extend(b"\r\n");
        frame
    }

    // Traces of a charger that its users published (evcc issue 526, 2021-08-23).
    #[test]
    fn published_frames_encode_and_decode() {
        let request = read(0x2E, 5);
        assert_eq!(encode(1, &request), b":0103002E0005C9\r\n");
        let heard = b">01030A2EA1106403E803E803E8EE\r\n";
        assert_eq!(answer_len(&request), heard.len());
        assert_eq!(
            find_answer(heard, 1, &request),
            Some((
                0,
                Answer::Registers(vec![0x2EA1, 0x1064, 0x03E8, 0x03E8, 0x03E8])
            ))
        );
        let write = Request::WriteMultiple {
            address: 5,
            values: vec![0xE0E0],
        };
        assert_eq!(encode(1, &write), b":01100005000102E0E027\r\n");
        assert_eq!(
            find_answer(b">011000050001E9\r\n", 1, &write),
            Some((0, Answer::Written))
        );
    }

    #[test]
    fn answer_is_found_after_noise_echo_and_foreign_frames() {
        let request = read(0, 1);
        let answer = framed(b':', &[1, 3, 2, 0x12, 0x34]);
        let foreign = framed(b'>', &[2, 3, 2, 9, 9]);
        let echo = encode(1, &request);
        for before in [vec![], vec![0], b"noise\n:0103".to_vec(), foreign, echo] {
            let start = before.len();
            let mut heard = before;
            heard.extend(&answer);
            assert_eq!(
                find_answer(&heard, 1, &request),
                Some((start, Answer::Registers(vec![0x1234]))),
                "{}",
                String::from_utf8_lossy(&heard)
            );
        }
        for len in 0..answer.len() {
            assert_eq!(find_answer(&answer[..len], 1, &request), None);
            assert_eq!(is_under_way(&answer[..len]), len > 0);
        }
        assert!(!is_under_way(&answer));
    }

    #[test]
    fn other_unit_function_length_or_a_wrong_check_is_no_answer() {
        let request = read(0, 1);
        for heard in [
            framed(b':', &[2, 3, 2, 0x12, 0x34]),
            framed(b':', &[1, 4, 2, 0x12, 0x34]),
            framed(b':', &[1, 3, 4, 0, 1, 0x12, 0x34]),
            b":010302123499\r\n".to_vec(),
            b":0103021234\r\n".to_vec(),
            b":01030212G4B4\r\n".to_vec(),
            b":010302123 4B4\r\n".to_vec(),
            b"010302123 4B4\r\n".to_vec(),
        ] {
            assert_eq!(
                find_answer(&heard, 1, &request),
                None,
                "{}",
                String::from_utf8_lossy(&heard)
            );
        }
    }

    #[test]
    fn exceptions_are_answers_and_strays_are_told_from_noise() {
        let heard = framed(b'>', &[1, 0x83, 2]);
        assert!(matches!(
            find_answer(&heard, 1, &read(0, 1)),
            Some((0, Answer::Exception(_)))
        ));
        let mut both = b"xy".to_vec();
        both.extend(&heard);
        both.extend(b":01");
        let stray = Stray {
            unit: 1,
            function: 0x83,
            len: heard.len(),
        };
        assert_eq!(strays(&both), (vec![stray], 5));
    }

    #[test]
    fn a_frame_longer_than_any_is_not_waited_for() {
        let mut heard = vec![START];
        heard.resize(FRAME_MAX - 1, b'0');
        assert!(is_under_way(&heard));
        heard.push(b'0');
        assert!(!is_under_way(&heard));
    }

    proptest! {
        #[test]
        fn no_bytes_can_break_the_receiver(
            heard in proptest::collection::vec(any::<u8>(), 0..600), unit: u8, count in 1u16..=125,
        ) {
            let _ = find_answer(&heard, unit, &read(0, count));
            let (frames, noise) = strays(&heard);
            prop_assert_eq!(frames.iter().map(|f| f.len).sum::<usize>() + noise, heard.len());
        }

        #[test]
        fn a_changed_digit_is_always_noticed(digit in 1usize..15, by in 1u8..16, values: [u16; 1]) {
            let mut body = vec![1, 3, 2];
            body.extend(values.iter().flat_map(|v| v.to_be_bytes()));
            let mut frame = framed(START_OF_ANSWER, &body);
            frame[digit.min(12)] = digits((nibble(frame[digit.min(12)]).unwrap() + by) % 16)[1];
            prop_assert_eq!(find_answer(&frame, 1, &read(0, 1)), None);
        }
    }
}
