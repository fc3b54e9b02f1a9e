//! Frames around a PDU: RTU (unit, CRC) and TCP (MBAP header), and what time a line needs.

use hw_profiles::SerialLine;

use super::checksum::crc16;

/// Longest frame on a serial line (Modbus over serial line V1.02, section 2.5.1).
const RTU_MAX: usize = 256;

/// Frame on a serial line: unit, PDU, CRC with its low byte first.
#[must_use]
pub fn rtu_frame(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(pdu.len() + 3);
    frame.push(unit);
    frame.extend_from_slice(pdu);
    let [low, high] = crc16(&frame).to_le_bytes();
    frame.extend_from_slice(&[low, high]);
    frame
}

/// What lies at the beginning of the bytes a line has received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RtuScan {
    /// More bytes are needed, or only silence can end this.
    Incomplete,
    /// A whole request with a right CRC.
    Request {
        /// Unit it is for.
        unit: u8,
        /// Function and data.
        pdu: Vec<u8>,
        /// Bytes it took.
        length: usize,
    },
    /// No request can begin like this.
    Garbage {
        /// Bytes that the broken request seems to have.
        length: usize,
    },
}

/// Finds a request at the beginning of `bytes`. Requests tell their own length; a function that
/// this crate does not know is complete as soon as its CRC is right.
#[must_use]
pub fn rtu_scan(bytes: &[u8]) -> RtuScan {
    let expected = match bytes {
        [_, 1..=6, ..] => Some(8),
        [_, 16, _, _, _, _, count, ..] => Some(9 + usize::from(*count)),
        _ => None,
    };
    let length = match expected {
        Some(length) if bytes.len() < length => return RtuScan::Incomplete,
        Some(length) => length,
        None if bytes.len() > RTU_MAX => {
            return RtuScan::Garbage {
                length: bytes.len(),
            };
        }
        None if bytes.len() < 4 || bytes[1] == 16 => return RtuScan::Incomplete,
        None => bytes.len(),
    };
    if crc16(&bytes[..length]) == 0 {
        return RtuScan::Request {
            unit: bytes[0],
            pdu: bytes[1..length - 2].to_vec(),
            length,
        };
    }
    if expected.is_some() {
        RtuScan::Garbage { length }
    } else {
        RtuScan::Incomplete
    }
}

/// Header of a Modbus TCP frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MbapHeader {
    /// Chosen by the client, repeated in the answer.
    pub transaction: u16,
    /// Unit it is for.
    pub unit: u8,
    /// Bytes of the PDU that follows.
    pub pdu_length: usize,
}

/// Reads the seven bytes of a header; `None` if they are not Modbus: another protocol, or a length
/// outside 2 to 254 (Modbus messaging on TCP/IP V1.0b, section 3.1.3).
#[must_use]
pub fn mbap_header(bytes: [u8; 7]) -> Option<MbapHeader> {
    let [t0, t1, p0, p1, l0, l1, unit] = bytes;
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    if [p0, p1] != [0, 0] || !(2..=254).contains(&length) {
        return None;
    }
    Some(MbapHeader {
        transaction: u16::from_be_bytes([t0, t1]),
        unit,
        pdu_length: length - 1,
    })
}

/// Frame on TCP.
#[must_use]
pub fn mbap_frame(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pdu.len() + 1).unwrap_or(u16::MAX);
    let mut frame = Vec::with_capacity(pdu.len() + 7);
    frame.extend_from_slice(&transaction.to_be_bytes());
    frame.extend_from_slice(&[0, 0]);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.push(unit);
    frame.extend_from_slice(pdu);
    frame
}

/// Nanoseconds that so many characters take on the line.
#[must_use]
pub fn wire_ns(line: SerialLine, characters: usize) -> u64 {
    let bits = u64::from(line.bits_per_character())
        .saturating_mul(u64::try_from(characters).unwrap_or(u64::MAX));
    bits.saturating_mul(1_000_000_000) / u64::from(line.baud.max(1))
}

/// Nanoseconds of silence that end a frame: 3.5 characters, 1.75 ms above 19 200 Bd (Modbus over
/// serial line V1.02, section 2.5.1.1).
#[must_use]
pub fn silence_ns(line: SerialLine) -> u64 {
    if line.baud > 19_200 {
        1_750_000
    } else {
        wire_ns(line, 7) / 2
    }
}

#[cfg(test)]
mod tests {
    use hw_profiles::Parity;

    use super::*;

    fn line(baud: u32, parity: Parity) -> SerialLine {
        SerialLine {
            baud,
            parity,
            stop_bits: 1,
        }
    }

    #[test]
    fn a_request_is_found_and_its_length_told() {
        // Frame printed in the pymodbus and libmodbus manuals: unit 1 reads 10 registers from 0.
        let frame = [0x01, 0x03, 0x00, 0x00, 0x00, 0x0A, 0xC5, 0xCD];
        assert_eq!(rtu_frame(1, &[3, 0, 0, 0, 10]), frame);
        let mut twice = frame.to_vec();
        twice.extend_from_slice(&frame[..3]);
        assert_eq!(
            rtu_scan(&twice),
            RtuScan::Request {
                unit: 1,
                pdu: vec![3, 0, 0, 0, 10],
                length: 8
            }
        );
    }

    #[test]
    fn every_prefix_of_a_request_is_incomplete() {
        let frame = rtu_frame(7, &[16, 1, 5, 0, 1, 2, 0, 160]);
        for length in 0..frame.len() {
            assert_eq!(rtu_scan(&frame[..length]), RtuScan::Incomplete, "{length}");
        }
    }

    #[test]
    fn a_damaged_request_is_garbage() {
        let mut frame = rtu_frame(1, &[6, 1, 5, 0, 160]);
        frame[4] ^= 0x10;
        assert_eq!(rtu_scan(&frame), RtuScan::Garbage { length: 8 });
    }

    #[test]
    fn unknown_functions_are_complete_with_their_checksum() {
        let frame = rtu_frame(1, &[0x2B, 0x0E, 1, 0]);
        assert_eq!(rtu_scan(&frame[..5]), RtuScan::Incomplete);
        assert_eq!(
            rtu_scan(&frame),
            RtuScan::Request {
                unit: 1,
                pdu: vec![0x2B, 0x0E, 1, 0],
                length: 7
            }
        );
    }

    #[test]
    fn mbap_goes_there_and_back() {
        let frame = mbap_frame(0x1501, 0xFF, &[3, 0, 4, 0, 1]);
        assert_eq!(
            frame,
            [0x15, 0x01, 0, 0, 0, 6, 0xFF, 0x03, 0x00, 0x04, 0x00, 0x01]
        );
        let header: [u8; 7] = frame[..7].try_into().unwrap();
        assert_eq!(
            mbap_header(header),
            Some(MbapHeader {
                transaction: 0x1501,
                unit: 0xFF,
                pdu_length: 5
            })
        );
        assert_eq!(mbap_header([0, 0, 0, 1, 0, 6, 1]), None);
        assert_eq!(mbap_header([0, 0, 0, 0, 0, 1, 1]), None);
        assert_eq!(mbap_header([0, 0, 0, 0, 0, 255, 1]), None);
    }

    #[test]
    fn line_times_follow_baud_and_parity() {
        assert_eq!(wire_ns(line(9_600, Parity::None), 96), 100_000_000);
        assert_eq!(wire_ns(line(19_200, Parity::Even), 8), 4_583_333);
        assert_eq!(silence_ns(line(19_200, Parity::Even)), 2_005_208);
        assert_eq!(silence_ns(line(57_600, Parity::None)), 1_750_000);
    }
}
