//! Faults on request, and what they do to the answers of a device.

use crate::codec::ExceptionCode;

/// A fault of a device. One of each kind may be active at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is heard and nothing answered, as with a cut cable.
    Silence,
    /// So many of 1000 answers have a wrong CRC. On TCP, which has none, they are lost.
    CrcErrors {
        /// Of 1000.
        permille: u16,
    },
    /// So many of 1000 answers come late; other requests are answered meanwhile.
    LateAnswers {
        /// How late, milliseconds.
        delay_ms: u64,
        /// Of 1000.
        permille: u16,
    },
    /// The device restarts: silence and no current for so long, volatile limits are forgotten,
    /// energy registers stay. Ends by itself.
    Reboot {
        /// Duration, milliseconds.
        duration_ms: u64,
    },
    /// Every request is refused with this code and not carried out.
    Exception(ExceptionCode),
    /// A stranger's frame of the same shape comes before each answer: another unit on the serial
    /// line, another transaction on TCP.
    ForeignAnswers,
    /// Answers are whole frames with a right CRC but carry one register (reads) or byte (writes)
    /// too few.
    ShortAnswers,
}

/// Damage that a shell has to do to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// None.
    None,
    /// Break the checksum.
    Checksum,
    /// Send it as somebody else: unit or transaction + 1.
    Foreign,
}

/// One frame that a device sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Function and data.
    pub pdu: Vec<u8>,
    /// Damage on the way.
    pub damage: Damage,
    /// Milliseconds that it comes late.
    pub delay_ms: u64,
}

/// Active faults of one device.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    active: Vec<Fault>,
}

impl Faults {
    /// Adds a fault or replaces the one of the same kind.
    pub(crate) fn set(&mut self, fault: Fault) {
        let kind = std::mem::discriminant(&fault);
        self.active.retain(|f| std::mem::discriminant(f) != kind);
        self.active.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.active.clear();
    }

    pub(crate) fn silent(&self) -> bool {
        self.active.contains(&Fault::Silence)
    }

    /// Code that every request is refused with.
    pub(crate) fn exception(&self) -> Option<ExceptionCode> {
        self.active.iter().find_map(|fault| match fault {
            Fault::Exception(code) => Some(*code),
            Fault::Silence
            | Fault::CrcErrors { .. }
            | Fault::LateAnswers { .. }
            | Fault::Reboot { .. }
            | Fault::ForeignAnswers
            | Fault::ShortAnswers => None,
        })
    }

    /// Frames that leave the device instead of `pdu`.
    pub(crate) fn applied(&self, pdu: Vec<u8>, rng: &mut fastrand::Rng) -> Vec<Answer> {
        let mut answers = vec![Answer {
            pdu,
            damage: Damage::None,
            delay_ms: 0,
        }];
        for fault in &self.active {
            match fault {
                Fault::CrcErrors { permille } if hits(*permille, rng) => {
                    answers.iter_mut().for_each(|a| a.damage = Damage::Checksum);
                }
                Fault::LateAnswers { delay_ms, permille } if hits(*permille, rng) => {
                    answers.iter_mut().for_each(|a| a.delay_ms = *delay_ms);
                }
                Fault::ForeignAnswers => {
                    let mut foreign = answers[0].clone();
                    foreign.damage = Damage::Foreign;
                    answers.insert(0, foreign);
                }
                Fault::ShortAnswers => answers.iter_mut().for_each(|a| shorten(&mut a.pdu)),
                Fault::Silence
                | Fault::CrcErrors { .. }
                | Fault::LateAnswers { .. }
                | Fault::Reboot { .. }
                | Fault::Exception(_) => {}
            }
        }
        answers
    }
}

fn hits(permille: u16, rng: &mut fastrand::Rng) -> bool {
    rng.u16(0..1000) < permille
}

fn shorten(pdu: &mut Vec<u8>) {
    match pdu.as_mut_slice() {
        [3 | 4, bytes, rest @ ..] if rest.len() >= 2 => {
            *bytes = bytes.saturating_sub(2);
            pdu.truncate(pdu.len() - 2);
        }
        [1 | 2, bytes, rest @ ..] if !rest.is_empty() => {
            *bytes = bytes.saturating_sub(1);
            pdu.pop();
        }
        _ => {
            pdu.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(faults: &[Fault]) -> Vec<Answer> {
        let mut active = Faults::default();
        faults.iter().for_each(|fault| active.set(*fault));
        active.applied(vec![4, 4, 0, 1, 0, 2], &mut fastrand::Rng::with_seed(1))
    }

    fn answer(pdu: &[u8], damage: Damage, delay_ms: u64) -> Answer {
        Answer {
            pdu: pdu.to_vec(),
            damage,
            delay_ms,
        }
    }

    #[test]
    fn each_fault_changes_the_answer_as_it_says() {
        let whole = [4, 4, 0, 1, 0, 2];
        assert_eq!(applied(&[]), [answer(&whole, Damage::None, 0)]);
        assert_eq!(
            applied(&[Fault::CrcErrors { permille: 1000 }]),
            [answer(&whole, Damage::Checksum, 0)]
        );
        assert_eq!(
            applied(&[Fault::LateAnswers {
                delay_ms: 500,
                permille: 1000
            }]),
            [answer(&whole, Damage::None, 500)]
        );
        assert_eq!(
            applied(&[Fault::ForeignAnswers]),
            [
                answer(&whole, Damage::Foreign, 0),
                answer(&whole, Damage::None, 0)
            ]
        );
        assert_eq!(
            applied(&[Fault::ShortAnswers]),
            [answer(&[4, 2, 0, 1], Damage::None, 0)]
        );
    }

    #[test]
    fn chance_follows_its_share() {
        let mut faults = Faults::default();
        faults.set(Fault::CrcErrors { permille: 900 });
        faults.set(Fault::CrcErrors { permille: 250 });
        let mut rng = fastrand::Rng::with_seed(7);
        let damaged = (0..4000)
            .filter(|_| faults.applied(vec![6, 0, 0, 0, 0], &mut rng)[0].damage != Damage::None)
            .count();
        assert!((900..1100).contains(&damaged), "{damaged} of 4000");
    }
}
