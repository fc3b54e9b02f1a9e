//! How frames are told apart on a serial line, and how damage is done to them.

use hw_profiles::SerialLine;

use crate::codec::{RtuScan, ascii_frame, ascii_scan, rtu_frame, rtu_scan, silence_ns};
use crate::device::{Answer, Damage};

/// Modbus on a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Rtu,
    Ascii,
}

impl Mode {
    pub(super) fn scan(self, received: &[u8]) -> RtuScan {
        match self {
            Self::Rtu => rtu_scan(received),
            Self::Ascii => ascii_scan(received),
        }
    }

    /// Silence that ends a frame; ASCII says its end.
    pub(super) fn silence_ns(self, line: SerialLine) -> u64 {
        match self {
            Self::Rtu => silence_ns(line),
            Self::Ascii => 0,
        }
    }

    /// An answer as it goes over the line.
    pub(super) fn frame(self, unit: u8, answer: &Answer) -> Vec<u8> {
        let unit = match answer.damage {
            Damage::None | Damage::Checksum => unit,
            Damage::Foreign => unit.wrapping_add(1),
        };
        let mut frame = match self {
            Self::Rtu => rtu_frame(unit, &answer.pdu),
            Self::Ascii => answered_frame(unit, &answer.pdu),
        };
        if answer.damage == Damage::Checksum {
            self.spoil(&mut frame);
        }
        frame
    }

    /// Breaks the check at the end of a frame.
    fn spoil(self, frame: &mut [u8]) {
        match (self, frame) {
            (Self::Rtu, [.., last]) => *last ^= 0x55,
            (Self::Ascii, [.., digit, _, _]) => *digit = if *digit == b'0' { b'1' } else { b'0' },
            (Self::Rtu | Self::Ascii, _) => {}
        }
    }
}

/// An answer in ASCII. Some devices begin theirs with `>` instead of a colon (seen in published
/// captures); here the data decide, so that a master meets both.
fn answered_frame(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut frame = ascii_frame(unit, pdu);
    if pdu.iter().fold(0, |odd, byte| odd ^ byte) & 1 == 1 {
        frame[0] = b'>';
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_seen_by_whoever_checks() {
        for mode in [Mode::Rtu, Mode::Ascii] {
            let answer = |damage| Answer {
                pdu: vec![6, 1, 5, 0, 161],
                damage,
                delay_ms: 0,
            };
            let scan = |damage| {
                let mut frame = mode.frame(7, &answer(damage));
                if mode == Mode::Ascii {
                    assert_eq!(frame[0], b'>', "6, 1, 5, 0 and 161 have odd bits together");
                    frame[0] = b':';
                }
                mode.scan(&frame)
            };
            let heard = |scan| match scan {
                RtuScan::Request { unit, .. } => Some(unit),
                RtuScan::Incomplete | RtuScan::Garbage { .. } => None,
            };
            assert_eq!(heard(scan(Damage::None)), Some(7));
            assert_eq!(heard(scan(Damage::Foreign)), Some(8));
            assert_eq!(heard(scan(Damage::Checksum)), None);
        }
    }
}
