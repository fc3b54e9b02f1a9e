//! Protocol data units: function code and its data, without addressing and checksum.

use hw_profiles::Table;

/// Exception codes a device may answer with (Modbus application protocol V1.1b3, section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExceptionCode {
    /// 1: the function is not supported here.
    IllegalFunction,
    /// 2: no such register, or not in this combination.
    IllegalDataAddress,
    /// 3: the value or count is not allowed.
    IllegalDataValue,
    /// 4: the device failed.
    ServerDeviceFailure,
    /// 5: accepted, still busy with it.
    Acknowledge,
    /// 6: busy, ask again later.
    ServerDeviceBusy,
}

impl ExceptionCode {
    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::IllegalFunction => 1,
            Self::IllegalDataAddress => 2,
            Self::IllegalDataValue => 3,
            Self::ServerDeviceFailure => 4,
            Self::Acknowledge => 5,
            Self::ServerDeviceBusy => 6,
        }
    }
}

/// What a master asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Functions 1 to 4.
    Read {
        /// Which table.
        table: Table,
        /// First register or bit, counted from 0.
        address: u16,
        /// Number of registers, 1 to 125, or of bits, 1 to 2000.
        count: u16,
    },
    /// Function 5.
    WriteCoil {
        /// Coil, counted from 0.
        address: u16,
        /// Its new state.
        on: bool,
    },
    /// Function 6.
    WriteSingle {
        /// Register, counted from 0.
        address: u16,
        /// Its new value.
        value: u16,
    },
    /// Function 16.
    WriteMultiple {
        /// First register, counted from 0.
        address: u16,
        /// New values, 1 to 123.
        values: Vec<u16>,
    },
}

/// Most registers in one read (Modbus application protocol V1.1b3, section 6.3).
const MAX_READ: u16 = 125;
/// Most bits in one read (section 6.1).
const MAX_BITS: u16 = 2000;
/// What a coil is switched on and off with (section 6.5).
const COIL_ON: u16 = 0xFF00;
const COIL_OFF: u16 = 0x0000;
/// Most registers in one write (section 6.12).
const MAX_WRITE: u16 = 123;

/// Reads a request.
///
/// # Errors
/// The exception a device answers with: 1 for a function it has not, 3 for a wrong length or count.
pub fn parse_request(pdu: &[u8]) -> Result<Request, ExceptionCode> {
    let (function, data) = pdu.split_first().ok_or(ExceptionCode::IllegalFunction)?;
    match (function, data) {
        (1..=4, [a, b, c, d]) => {
            let (table, most) = match function {
                1 => (Table::Coil, MAX_BITS),
                2 => (Table::Discrete, MAX_BITS),
                3 => (Table::Holding, MAX_READ),
                _ => (Table::Input, MAX_READ),
            };
            let (address, count) = (word(*a, *b), word(*c, *d));
            if count == 0 || count > most {
                return Err(ExceptionCode::IllegalDataValue);
            }
            Ok(Request::Read {
                table,
                address,
                count,
            })
        }
        (5, [a, b, c, d]) => match word(*c, *d) {
            value @ (COIL_ON | COIL_OFF) => Ok(Request::WriteCoil {
                address: word(*a, *b),
                on: value == COIL_ON,
            }),
            _ => Err(ExceptionCode::IllegalDataValue),
        },
        (6, [a, b, c, d]) => Ok(Request::WriteSingle {
            address: word(*a, *b),
            value: word(*c, *d),
        }),
        (16, [a, b, c, d, bytes, rest @ ..]) => {
            let count = word(*c, *d);
            let fits = rest.len() == usize::from(*bytes) && rest.len() == usize::from(count) * 2;
            if count == 0 || count > MAX_WRITE || !fits {
                return Err(ExceptionCode::IllegalDataValue);
            }
            Ok(Request::WriteMultiple {
                address: word(*a, *b),
                values: rest.chunks_exact(2).map(|w| word(w[0], w[1])).collect(),
            })
        }
        (1..=6 | 16, _) => Err(ExceptionCode::IllegalDataValue),
        (_, _) => Err(ExceptionCode::IllegalFunction),
    }
}

/// Bytes of a request, for clients that test a line.
#[must_use]
pub fn request_pdu(request: &Request) -> Vec<u8> {
    match request {
        Request::Read {
            table,
            address,
            count,
        } => joined(function(*table), &[*address, *count]),
        Request::WriteCoil { address, on } => {
            joined(5, &[*address, if *on { COIL_ON } else { COIL_OFF }])
        }
        Request::WriteSingle { address, value } => joined(6, &[*address, *value]),
        Request::WriteMultiple { address, values } => {
            let count = u16::try_from(values.len()).unwrap_or(u16::MAX);
            let mut pdu = joined(16, &[*address, count]);
            pdu.push(u8::try_from(values.len() * 2).unwrap_or(u8::MAX));
            pdu.extend(values.iter().flat_map(|value| value.to_be_bytes()));
            pdu
        }
    }
}

/// Answer to a read. Of bits each word is one bit, eight of them go into a byte, the first one
/// lowest (section 6.1).
#[must_use]
pub fn read_answer(table: Table, words: &[u16]) -> Vec<u8> {
    let data: Vec<u8> = if table.is_bits() {
        let byte = |bits: &[u16]| {
            let set = bits.iter().enumerate().filter(|(_, bit)| **bit != 0);
            set.fold(0_u8, |byte, (index, _)| byte | 1 << index)
        };
        words.chunks(8).map(byte).collect()
    } else {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    };
    let mut pdu = vec![function(table), u8::try_from(data.len()).unwrap_or(u8::MAX)];
    pdu.extend(data);
    pdu
}

/// Function that reads a table.
fn function(table: Table) -> u8 {
    match table {
        Table::Coil => 1,
        Table::Discrete => 2,
        Table::Holding => 3,
        Table::Input => 4,
    }
}

/// Answer that refuses a request.
#[must_use]
pub fn exception_pdu(function: u8, code: ExceptionCode) -> Vec<u8> {
    vec![function | 0x80, code.code()]
}

/// Answer to a write: the echo of address and value, or of address and count.
pub(crate) fn write_answer(request: &Request) -> Vec<u8> {
    let mut pdu = request_pdu(request);
    pdu.truncate(5);
    pdu
}

fn joined(function: u8, words: &[u16]) -> Vec<u8> {
    let mut pdu = vec![function];
    pdu.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    pdu
}

fn word(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high, low])
}

#[cfg(test)]
mod tests {
    use super::*;

    // The byte strings are the examples printed in the Modbus application protocol V1.1b3,
    // sections 6.3, 6.4, 6.6, 6.12 and 7.

    #[test]
    fn printed_read_requests_parse() {
        assert_eq!(
            parse_request(&[0x03, 0x00, 0x6B, 0x00, 0x03]),
            Ok(Request::Read {
                table: Table::Holding,
                address: 107,
                count: 3
            })
        );
        assert_eq!(
            parse_request(&[0x04, 0x00, 0x08, 0x00, 0x01]),
            Ok(Request::Read {
                table: Table::Input,
                address: 8,
                count: 1
            })
        );
    }

    #[test]
    fn printed_answers_are_built() {
        assert_eq!(
            read_answer(Table::Holding, &[0x022B, 0x0000, 0x0064]),
            [0x03, 0x06, 0x02, 0x2B, 0x00, 0x00, 0x00, 0x64]
        );
        assert_eq!(read_answer(Table::Input, &[10]), [0x04, 0x02, 0x00, 0x0A]);
        // Section 6.1: coils 20 to 38, CD 6B 05.
        let coils = [1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1];
        assert_eq!(
            read_answer(Table::Coil, &coils),
            [0x01, 0x03, 0xCD, 0x6B, 0x05]
        );
        assert_eq!(
            exception_pdu(0x01, ExceptionCode::IllegalDataAddress),
            [0x81, 0x02]
        );
    }

    #[test]
    fn printed_bit_requests_parse() {
        // Sections 6.1, 6.2 and 6.5.
        for (pdu, table, address, count) in [
            ([0x01, 0x00, 0x13, 0x00, 0x13], Table::Coil, 19, 19),
            ([0x02, 0x00, 0xC4, 0x00, 0x16], Table::Discrete, 196, 22),
        ] {
            let read = Request::Read {
                table,
                address,
                count,
            };
            assert_eq!(parse_request(&pdu), Ok(read.clone()));
            assert_eq!(request_pdu(&read), pdu);
        }
        let on = [0x05, 0x00, 0xAC, 0xFF, 0x00];
        let parsed = parse_request(&on).unwrap();
        let coil = Request::WriteCoil {
            address: 172,
            on: true,
        };
        assert_eq!(parsed, coil);
        assert_eq!(write_answer(&parsed), on);
        assert_eq!(
            parse_request(&[5, 0, 0xAC, 0, 1]),
            Err(ExceptionCode::IllegalDataValue)
        );
        assert_eq!(
            parse_request(&[1, 0, 0, 0x07, 0xD1]),
            Err(ExceptionCode::IllegalDataValue)
        );
    }

    #[test]
    fn printed_writes_parse_and_echo() {
        let single = [0x06, 0x00, 0x01, 0x00, 0x03];
        let parsed = parse_request(&single).unwrap();
        assert_eq!(
            parsed,
            Request::WriteSingle {
                address: 1,
                value: 3
            }
        );
        assert_eq!(write_answer(&parsed), single);
        assert_eq!(request_pdu(&parsed), single);

        let multiple = [0x10, 0x00, 0x01, 0x00, 0x02, 0x04, 0x00, 0x0A, 0x01, 0x02];
        let parsed = parse_request(&multiple).unwrap();
        assert_eq!(
            parsed,
            Request::WriteMultiple {
                address: 1,
                values: vec![0x000A, 0x0102]
            }
        );
        assert_eq!(write_answer(&parsed), [0x10, 0x00, 0x01, 0x00, 0x02]);
        assert_eq!(request_pdu(&parsed), multiple);
    }

    #[test]
    fn wrong_requests_get_the_exception_of_the_specification() {
        for (pdu, expected) in [
            (vec![], ExceptionCode::IllegalFunction),
            (vec![0x2B, 0x0E, 0x01, 0x00], ExceptionCode::IllegalFunction),
            (vec![3, 0, 0, 0, 0], ExceptionCode::IllegalDataValue),
            (vec![3, 0, 0, 0, 126], ExceptionCode::IllegalDataValue),
            (vec![4, 0, 0, 0], ExceptionCode::IllegalDataValue),
            (
                vec![16, 0, 0, 0, 2, 4, 0, 1],
                ExceptionCode::IllegalDataValue,
            ),
            (vec![16, 0, 0, 0, 0, 0], ExceptionCode::IllegalDataValue),
        ] {
            assert_eq!(parse_request(&pdu), Err(expected), "{pdu:02x?}");
        }
    }
}
