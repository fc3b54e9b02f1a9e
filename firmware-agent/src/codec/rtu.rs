//! RTU frames: unit, protocol data unit, CRC; and how long they take on the wire.
//!
//! Receiving looks for the one frame that answers the request, at any offset. So noise before it,
//! an adapter's echo and frames of other devices neither hide it nor pass for it.

use std::time::Duration;

use hw_profiles::SerialLine;

use super::pdu::{Answer, EXCEPTION_BIT, Request};

/// Silence between frames above 19 200 Bd (Modbus over Serial Line V1.02, 2.5.1.1).
const FIXED_SILENCE: Duration = Duration::from_micros(1_750);
/// Unit, function, exception code, CRC.
const EXCEPTION_FRAME_LEN: usize = 5;

/// CRC-16/MODBUS: polynomial 0xA001 reflected, start 0xFFFF, low byte first on the wire.
#[must_use]
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                (crc >> 1) ^ 0xA001
            } else {
                crc >> 1
            }
        })
    })
}

/// The whole frame of a request.
#[must_use]
pub fn encode(unit: u8, request: &Request) -> Vec<u8> {
    let mut frame = vec![unit];
    frame.extend(request.encode());
    let crc = crc16(&frame);
    frame.extend(crc.to_le_bytes());
    frame
}

/// Bytes of the frame of a granting answer.
#[must_use]
pub fn answer_len(request: &Request) -> usize {
    1 + request.answer_len() + 2
}

/// Where the answer begins in what was heard so far, and the answer, if it is already whole.
#[must_use]
pub fn find_answer(heard: &[u8], unit: u8, request: &Request) -> Option<(usize, Answer)> {
    (0..heard.len()).find_map(|start| {
        let rest = &heard[start..];
        let [first, function, ..] = *rest else {
            return None;
        };
        let len = if first != unit {
            return None;
        } else if function == request.function() {
            answer_len(request)
        } else if function == request.function() | EXCEPTION_BIT {
            EXCEPTION_FRAME_LEN
        } else {
            return None;
        };
        let pdu = checked_pdu(rest.get(..len)?)?;
        Some((start, request.decode_answer(pdu).ok()?))
    })
}

/// A whole frame that was heard though nobody waited for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stray {
    /// Who sent it.
    pub unit: u8,
    /// Function code.
    pub function: u8,
    /// Its bytes.
    pub len: usize,
}

/// Splits what was heard into whole answer frames with a valid CRC and the number of bytes that
/// belong to none.
#[must_use]
pub fn strays(heard: &[u8]) -> (Vec<Stray>, usize) {
    let mut found = Vec::new();
    let mut noise = 0;
    let mut rest = heard;
    while !rest.is_empty() {
        if let Some(stray) = stray_at_start(rest) {
            rest = &rest[stray.len..];
            found.push(stray);
        } else {
            noise += 1;
            rest = &rest[1..];
        }
    }
    (found, noise)
}

fn stray_at_start(bytes: &[u8]) -> Option<Stray> {
    let [unit, function, third, ..] = *bytes else {
        return None;
    };
    let len = match function {
        1..=4 => 5 + usize::from(third),
        5 | 6 | 16 => 8,
        code if code & EXCEPTION_BIT != 0 => EXCEPTION_FRAME_LEN,
        _ => return None,
    };
    checked_pdu(bytes.get(..len)?)?;
    Some(Stray {
        unit,
        function,
        len,
    })
}

/// The protocol data unit of a frame whose CRC is right.
fn checked_pdu(frame: &[u8]) -> Option<&[u8]> {
    let (body, crc) = frame.split_last_chunk::<2>()?;
    (crc16(body) == u16::from_le_bytes(*crc)).then(|| body.get(1..))?
}

/// How long things take on a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    character: Duration,
    silence: Duration,
}

impl Timing {
    /// Timing of a line with these settings.
    #[must_use]
    pub fn new(line: SerialLine) -> Self {
        let bits_ns = u64::from(line.bits_per_character()) * 1_000_000_000;
        let character = Duration::from_nanos(bits_ns.div_ceil(u64::from(line.baud.max(1))));
        let silence = if line.baud > 19_200 {
            FIXED_SILENCE
        } else {
            character * 7 / 2
        };
        Self { character, silence }
    }

    /// Time of so many characters on the wire.
    #[must_use]
    pub fn characters(self, count: usize) -> Duration {
        self.character * u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Least silence between two frames: 3.5 characters.
    #[must_use]
    pub fn silence(self) -> Duration {
        self.silence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hw_profiles::{Parity, Table};
    use proptest::prelude::*;

    fn read(count: u16) -> Request {
        Request::Read {
            table: Table::Holding,
            address: 0,
            count,
        }
    }

    /// A frame with right CRC around these bytes.
    fn framed(body: &[u8]) -> Vec<u8> {
        let mut frame = body.to_vec();
        frame.extend(crc16(body).to_le_bytes());
        frame
    }

    #[test]
    fn crc_has_the_published_check_value() {
        // Check value of CRC-16/MODBUS in the CRC RevEng catalogue.
        assert_eq!(crc16(b"123456789"), 0x4B37);
    }

    #[test]
    fn request_frame_ends_with_the_low_byte_of_the_crc_first() {
        // 01 03 0000 000A C5CD: the frame that most Modbus texts print.
        assert_eq!(encode(1, &read(10)), [1, 3, 0, 0, 0, 10, 0xC5, 0xCD]);
    }

    #[test]
    fn answer_is_found_after_noise_echo_and_foreign_frames() {
        let request = read(1);
        let answer = framed(&[1, 3, 2, 0x12, 0x34]);
        let foreign = framed(&[2, 3, 2, 9, 9]);
        let echo = encode(1, &request);
        for before in [vec![], vec![0], vec![1, 3, 2], foreign, echo] {
            let start = before.len();
            let mut heard = before;
            heard.extend(&answer);
            assert_eq!(
                find_answer(&heard, 1, &request),
                Some((start, Answer::Registers(vec![0x1234]))),
                "{heard:02x?}"
            );
        }
    }

    #[test]
    fn answer_is_not_found_before_its_last_byte() {
        let answer = framed(&[1, 3, 2, 0x12, 0x34]);
        for len in 0..answer.len() {
            assert_eq!(find_answer(&answer[..len], 1, &read(1)), None);
        }
    }

    #[test]
    fn other_unit_function_length_or_a_wrong_crc_is_no_answer() {
        let request = read(1);
        let mut broken = framed(&[1, 3, 2, 0x12, 0x34]);
        broken[3] ^= 1;
        for heard in [
            framed(&[2, 3, 2, 0x12, 0x34]),
            framed(&[1, 4, 2, 0x12, 0x34]),
            framed(&[1, 3, 4, 0, 1, 0x12, 0x34]),
            broken,
        ] {
            assert_eq!(find_answer(&heard, 1, &request), None, "{heard:02x?}");
        }
    }

    #[test]
    fn strays_are_told_from_noise() {
        let mut heard = vec![0, 0xFF];
        heard.extend(framed(&[2, 3, 2, 9, 9]));
        heard.extend(framed(&[5, 0x83, 2]));
        heard.push(7);
        let expected = vec![
            Stray {
                unit: 2,
                function: 3,
                len: 7,
            },
            Stray {
                unit: 5,
                function: 0x83,
                len: 5,
            },
        ];
        assert_eq!(strays(&heard), (expected, 3));
    }

    #[test]
    fn timing_counts_the_bits_of_the_line() {
        let line = |baud, parity, stop_bits| {
            Timing::new(SerialLine {
                baud,
                parity,
                stop_bits,
            })
        };
        // 8E1 has 11 bits per character: 33 characters at 9 600 Bd take 37.8 ms.
        let slow = line(9_600, Parity::Even, 1);
        assert_eq!(slow.characters(33).as_micros(), 37_812);
        assert_eq!(slow.silence().as_micros(), 4_010);
        assert_eq!(line(9_600, Parity::None, 1).silence().as_micros(), 3_645);
        assert_eq!(line(19_200, Parity::Even, 1).silence().as_micros(), 2_005);
        assert_eq!(line(19_201, Parity::None, 1).silence().as_micros(), 1_750);
        assert_eq!(line(115_200, Parity::None, 2).silence().as_micros(), 1_750);
    }

    proptest! {
        #[test]
        fn no_bytes_can_break_the_receiver(
            heard in proptest::collection::vec(any::<u8>(), 0..300), unit: u8, count in 1u16..=125,
        ) {
            let _ = find_answer(&heard, unit, &read(count));
            let (frames, noise) = strays(&heard);
            prop_assert_eq!(frames.iter().map(|f| f.len).sum::<usize>() + noise, heard.len());
        }

        #[test]
        fn a_changed_bit_is_always_noticed(bit in 0usize..72, values: [u16; 2]) {
            let mut body = vec![1, 3, 4];
            body.extend(values.iter().flat_map(|v| v.to_be_bytes()));
            let mut frame = framed(&body);
            frame[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(find_answer(&frame, 1, &read(2)), None);
        }
    }
}
