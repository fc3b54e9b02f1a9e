//! Requests and answers without their framing.

use std::fmt;

use hw_profiles::Table;

/// Most registers that one read may ask for (Modbus Application Protocol V1.1b3, 6.3).
pub const READ_REGISTERS_MAX: u16 = 125;
/// Most registers that one write may carry (V1.1b3, 6.12).
pub const WRITE_REGISTERS_MAX: usize = 123;

/// Most bits that one read may ask for (V1.1b3, 6.1 and 6.2).
pub const READ_BITS_MAX: u16 = 2_000;

const READ_COILS: u8 = 0x01;
const READ_DISCRETE: u8 = 0x02;
const READ_HOLDING: u8 = 0x03;
const READ_INPUT: u8 = 0x04;
const WRITE_COIL: u8 = 0x05;
const WRITE_SINGLE: u8 = 0x06;
const WRITE_MULTIPLE: u8 = 0x10;
/// What function 5 writes (V1.1b3, 6.5).
const COIL_ON: u16 = 0xFF00;
const COIL_OFF: u16 = 0x0000;
/// Set in the function code of an answer that refuses.
pub(crate) const EXCEPTION_BIT: u8 = 0x80;

/// What is asked of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Functions 1 to 4.
    Read {
        /// Which table.
        table: Table,
        /// First register or bit, counted from 0.
        address: u16,
        /// How many, 1 to [`READ_REGISTERS_MAX`]; of bits to [`READ_BITS_MAX`].
        count: u16,
    },
    /// Function 5.
    WriteCoil {
        /// Coil, counted from 0.
        address: u16,
        /// Its new content.
        on: bool,
    },
    /// Function 6.
    WriteSingle {
        /// Holding register, counted from 0.
        address: u16,
        /// Its new content.
        value: u16,
    },
    /// Function 16.
    WriteMultiple {
        /// First holding register, counted from 0.
        address: u16,
        /// New contents, 1 to [`WRITE_REGISTERS_MAX`].
        values: Vec<u16>,
    },
}

/// What a fitting answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The registers that were asked for, exactly as many; of bits 0 or 1 each.
    Registers(Vec<u16>),
    /// The write was echoed exactly.
    Written,
    /// Refused.
    Exception(ExceptionCode),
}

/// Why a device refuses (V1.1b3, section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExceptionCode(pub u8);

impl ExceptionCode {
    /// "Acknowledge" (5) and "server device busy" (6): the same request may succeed later.
    #[must_use]
    pub fn is_busy(self) -> bool {
        matches!(self.0, 5 | 6)
    }

    /// A gateway (10, 11) tells that the device behind it did not answer.
    #[must_use]
    pub fn is_silence_behind_gateway(self) -> bool {
        matches!(self.0, 10 | 11)
    }

    /// Name in the specification.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            1 => "illegal function",
            2 => "illegal data address",
            3 => "illegal data value",
            4 => "server device failure",
            5 => "acknowledge, takes long",
            6 => "server device busy",
            7 => "negative acknowledge",
            8 => "memory parity error",
            10 => "gateway path unavailable",
            11 => "gateway target device failed to respond",
            _ => "a code that Modbus does not define",
        }
    }
}

impl fmt::Display for ExceptionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exception {} ({})", self.0, self.name())
    }
}

/// Why bytes are no answer to the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Another function's answer.
    #[error("answer to function {found} instead of {expected}")]
    Function {
        /// What was asked for.
        expected: u8,
        /// What came.
        found: u8,
    },
    /// Too short or too long.
    #[error("answer of {found} bytes instead of {expected}")]
    Length {
        /// Bytes of the protocol data unit.
        expected: usize,
        /// What came.
        found: usize,
    },
    /// A write was answered with another address, value or count.
    #[error("the write was echoed with another address, value or count")]
    Echo,
}

impl Request {
    /// Function code.
    #[must_use]
    pub fn function(&self) -> u8 {
        match self {
            Self::Read { table, .. } => match table {
                Table::Coil => READ_COILS,
                Table::Discrete => READ_DISCRETE,
                Table::Holding => READ_HOLDING,
                Table::Input => READ_INPUT,
            },
            Self::WriteCoil { .. } => WRITE_COIL,
            Self::WriteSingle { .. } => WRITE_SINGLE,
            Self::WriteMultiple { .. } => WRITE_MULTIPLE,
        }
    }

    /// Whether it changes the device.
    #[must_use]
    pub fn is_write(&self) -> bool {
        match self {
            Self::Read { .. } => false,
            Self::WriteCoil { .. } | Self::WriteSingle { .. } | Self::WriteMultiple { .. } => true,
        }
    }

    /// The protocol data unit.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut pdu = vec![self.function()];
        match self {
            Self::Read { address, count, .. } => {
                pdu.extend(address.to_be_bytes());
                pdu.extend(count.to_be_bytes());
            }
            Self::WriteCoil { address, on } => {
                pdu.extend(address.to_be_bytes());
                pdu.extend(if *on { COIL_ON } else { COIL_OFF }.to_be_bytes());
            }
            Self::WriteSingle { address, value } => {
                pdu.extend(address.to_be_bytes());
                pdu.extend(value.to_be_bytes());
            }
            Self::WriteMultiple { address, values } => {
                let count = u16::try_from(values.len()).expect("bounded by WRITE_REGISTERS_MAX");
                let bytes = u8::try_from(values.len() * 2).expect("bounded by WRITE_REGISTERS_MAX");
                pdu.extend(address.to_be_bytes());
                pdu.extend(count.to_be_bytes());
                pdu.push(bytes);
                pdu.extend(values.iter().flat_map(|value| value.to_be_bytes()));
            }
        }
        pdu
    }

    /// Bytes of the protocol data unit of a granting answer.
    #[must_use]
    pub fn answer_len(&self) -> usize {
        match self {
            Self::Read { table, count, .. } if table.is_bits() => {
                2 + usize::from(*count).div_ceil(8)
            }
            Self::Read { count, .. } => 2 + 2 * usize::from(*count),
            Self::WriteCoil { .. } | Self::WriteSingle { .. } | Self::WriteMultiple { .. } => 5,
        }
    }

    /// Reads the protocol data unit of an answer to this request.
    ///
    /// # Errors
    /// [`Misfit`] when it answers something else.
    pub fn decode_answer(&self, pdu: &[u8]) -> Result<Answer, Misfit> {
        let function = pdu.first().copied().unwrap_or(0);
        if function == self.function() | EXCEPTION_BIT {
            let [_, code] = pdu else {
                return Err(misfit_length(2, pdu));
            };
            return Ok(Answer::Exception(ExceptionCode(*code)));
        }
        if function != self.function() {
            return Err(Misfit::Function {
                expected: self.function(),
                found: function,
            });
        }
        let expected = self.answer_len();
        if pdu.len() != expected {
            return Err(misfit_length(expected, pdu));
        }
        match self {
            Self::Read { table, count, .. } => {
                if usize::from(pdu[1]) != expected - 2 {
                    return Err(misfit_length(usize::from(pdu[1]) + 2, pdu));
                }
                Ok(Answer::Registers(if table.is_bits() {
                    bits(&pdu[2..], *count)
                } else {
                    words(&pdu[2..])
                }))
            }
            // Functions 5 and 6 echo address and value, function 16 address and count: all are
            // the first five bytes of the request.
            Self::WriteCoil { .. } | Self::WriteSingle { .. } | Self::WriteMultiple { .. } => {
                if pdu == &self.encode()[..5] {
                    Ok(Answer::Written)
                } else {
                    Err(Misfit::Echo)
                }
            }
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read {
                table,
                address,
                count,
            } => {
                let table = match table {
                    Table::Coil => "coil",
                    Table::Discrete => "discrete input",
                    Table::Holding => "holding register",
                    Table::Input => "input register",
                };
                let last = u32::from(*address) + u32::from(*count) - 1;
                if *count == 1 {
                    write!(f, "read of {table} {address}")
                } else {
                    write!(f, "read of {table}s {address} to {last}")
                }
            }
            Self::WriteCoil { address, on } => {
                write!(f, "write of {} to coil {address}", u8::from(*on))
            }
            Self::WriteSingle { address, value } => {
                write!(f, "write of {value} to register {address}")
            }
            Self::WriteMultiple { address, values } => {
                write!(f, "write of {values:?} from register {address}")
            }
        }
    }
}

/// Registers are sent high byte first.
fn words(bytes: &[u8]) -> Vec<u16> {
    let pairs = bytes.as_chunks::<2>().0;
    pairs.iter().map(|word| u16::from_be_bytes(*word)).collect()
}

/// The first bit is the lowest of the first byte; what pads the last byte is not looked at.
fn bits(bytes: &[u8], count: u16) -> Vec<u16> {
    (0..usize::from(count))
        .map(|bit| u16::from(bytes[bit / 8] >> (bit % 8) & 1))
        .collect()
}

fn misfit_length(expected: usize, pdu: &[u8]) -> Misfit {
    Misfit::Length {
        expected,
        found: pdu.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // The examples of Modbus Application Protocol V1.1b3, 6.3, 6.4, 6.6 and 6.12.
    #[test]
    fn specification_examples_encode_and_decode() {
        let holding = Request::Read {
            table: Table::Holding,
            address: 107,
            count: 3,
        };
        assert_eq!(holding.encode(), [0x03, 0x00, 0x6B, 0x00, 0x03]);
        assert_eq!(
            holding.decode_answer(&[0x03, 0x06, 0x02, 0x2B, 0x00, 0x00, 0x00, 0x64]),
            Ok(Answer::Registers(vec![555, 0, 100]))
        );
        let input = Request::Read {
            table: Table::Input,
            address: 8,
            count: 1,
        };
        assert_eq!(input.encode(), [0x04, 0x00, 0x08, 0x00, 0x01]);
        assert_eq!(
            input.decode_answer(&[0x04, 0x02, 0x00, 0x0A]),
            Ok(Answer::Registers(vec![10]))
        );
        let single = Request::WriteSingle {
            address: 1,
            value: 3,
        };
        assert_eq!(single.encode(), [0x06, 0x00, 0x01, 0x00, 0x03]);
        assert_eq!(
            single.decode_answer(&[0x06, 0x00, 0x01, 0x00, 0x03]),
            Ok(Answer::Written)
        );
        let multiple = Request::WriteMultiple {
            address: 1,
            values: vec![10, 258],
        };
        assert_eq!(
            multiple.encode(),
            [0x10, 0x00, 0x01, 0x00, 0x02, 0x04, 0x00, 0x0A, 0x01, 0x02]
        );
        assert_eq!(
            multiple.decode_answer(&[0x10, 0x00, 0x01, 0x00, 0x02]),
            Ok(Answer::Written)
        );
    }

    // The examples of Modbus Application Protocol V1.1b3, 6.1, 6.2 and 6.5.
    #[test]
    fn specification_examples_of_bits_encode_and_decode() {
        let read = |table, address, count| Request::Read {
            table,
            address,
            count,
        };
        let ones = |answer: Result<Answer, Misfit>, first: usize| match answer {
            Ok(Answer::Registers(bits)) => (first..)
                .zip(bits)
                .filter(|(_, bit)| *bit == 1)
                .map(|(number, _)| number)
                .collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        let coils = read(Table::Coil, 0x13, 0x13);
        assert_eq!(coils.encode(), [0x01, 0x00, 0x13, 0x00, 0x13]);
        // Coils 20 to 38: CD, 6B, and 05 with padding.
        assert_eq!(
            ones(coils.decode_answer(&[0x01, 0x03, 0xCD, 0x6B, 0x05]), 20),
            [20, 22, 23, 26, 27, 28, 29, 31, 33, 34, 36, 38]
        );
        let inputs = read(Table::Discrete, 0xC4, 0x16);
        assert_eq!(inputs.encode(), [0x02, 0x00, 0xC4, 0x00, 0x16]);
        assert_eq!(
            ones(inputs.decode_answer(&[0x02, 0x03, 0xAC, 0xDB, 0x35]), 197),
            [
                199, 200, 202, 204, 205, 206, 208, 209, 211, 212, 213, 215, 217, 218
            ]
        );
        let write = Request::WriteCoil {
            address: 0xAC,
            on: true,
        };
        assert_eq!(write.encode(), [0x05, 0x00, 0xAC, 0xFF, 0x00]);
        assert_eq!(
            write.decode_answer(&[0x05, 0x00, 0xAC, 0xFF, 0x00]),
            Ok(Answer::Written)
        );
        assert_eq!(
            write.decode_answer(&[0x05, 0x00, 0xAC, 0x00, 0x00]),
            Err(Misfit::Echo)
        );
        assert_eq!(write.to_string(), "write of 1 to coil 172");
        assert_eq!(inputs.to_string(), "read of discrete inputs 196 to 217");
    }

    #[test]
    fn answers_that_do_not_fit_are_refused_with_the_reason() {
        let read = Request::Read {
            table: Table::Holding,
            address: 0,
            count: 2,
        };
        let write = Request::WriteSingle {
            address: 1,
            value: 3,
        };
        let cases: [(&Request, &[u8], Misfit); 7] = [
            (
                &read,
                &[0x04, 4, 0, 0, 0, 0],
                Misfit::Function {
                    expected: 3,
                    found: 4,
                },
            ),
            (
                &read,
                &[0x03, 2, 0, 0],
                Misfit::Length {
                    expected: 6,
                    found: 4,
                },
            ),
            (
                &read,
                &[0x03, 6, 0, 0, 0, 0, 0, 0],
                Misfit::Length {
                    expected: 6,
                    found: 8,
                },
            ),
            (
                &read,
                &[0x03, 9, 0, 0, 0, 0],
                Misfit::Length {
                    expected: 11,
                    found: 6,
                },
            ),
            (
                &read,
                &[],
                Misfit::Function {
                    expected: 3,
                    found: 0,
                },
            ),
            (
                &read,
                &[0x83],
                Misfit::Length {
                    expected: 2,
                    found: 1,
                },
            ),
            (&write, &[0x06, 0, 1, 0, 4], Misfit::Echo),
        ];
        for (request, pdu, expected) in cases {
            assert_eq!(request.decode_answer(pdu), Err(expected), "{pdu:?}");
        }
    }

    #[test]
    fn exceptions_are_answers() {
        let read = Request::Read {
            table: Table::Input,
            address: 0,
            count: 2,
        };
        assert_eq!(
            read.decode_answer(&[0x84, 0x06]),
            Ok(Answer::Exception(ExceptionCode(6)))
        );
        assert!(ExceptionCode(5).is_busy() && ExceptionCode(6).is_busy());
        assert!(!ExceptionCode(2).is_busy());
        assert_eq!(
            ExceptionCode(2).to_string(),
            "exception 2 (illegal data address)"
        );
    }

    proptest! {
        #[test]
        fn registers_that_a_device_sends_are_the_registers_that_are_read(
            values in proptest::collection::vec(any::<u16>(), 1..=125),
        ) {
            let count = u16::try_from(values.len()).unwrap();
            let request = Request::Read { table: Table::Input, address: 7, count };
            let mut pdu = vec![4, u8::try_from(values.len() * 2).unwrap()];
            pdu.extend(values.iter().flat_map(|value| value.to_be_bytes()));
            prop_assert_eq!(pdu.len(), request.answer_len());
            prop_assert_eq!(request.decode_answer(&pdu), Ok(Answer::Registers(values)));
        }

        #[test]
        fn no_bytes_can_break_the_decoder(pdu in proptest::collection::vec(any::<u8>(), 0..260)) {
            let request = Request::Read { table: Table::Holding, address: 7, count: 3 };
            if let Ok(Answer::Registers(values)) = request.decode_answer(&pdu) {
                prop_assert_eq!(values.len(), 3);
            }
        }
    }
}
