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
    /// Function 3 or 4.
    Read {
        /// Which table.
        table: Table,
        /// First register, counted from 0.
        address: u16,
        /// Number of registers, 1 to 125.
        count: u16,
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
/// Most registers in one write (section 6.12).
const MAX_WRITE: u16 = 123;

/// Reads a request.
///
/// # Errors
/// The exception a device answers with: 1 for a function it has not, 3 for a wrong length or count.
pub fn parse_request(pdu: &[u8]) -> Result<Request, ExceptionCode> {
    let (function, data) = pdu.split_first().ok_or(ExceptionCode::IllegalFunction)?;
    match (function, data) {
        (3 | 4, [a, b, c, d]) => {
            let table = if *function == 3 {
                Table::Holding
            } else {
                Table::Input
            };
            let (address, count) = (word(*a, *b), word(*c, *d));
            if count == 0 || count > MAX_READ {
                return Err(ExceptionCode::IllegalDataValue);
            }
            Ok(Request::Read {
                table,
                address,
                count,
            })
        }
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
        (3 | 4 | 6 | 16, _) => Err(ExceptionCode::IllegalDataValue),
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
        } => {
            let function = match table {
                Table::Holding => 3,
                Table::Input => 4,
            };
            joined(function, &[*address, *count])
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

/// Answer to a read.
#[must_use]
pub fn read_answer(table: Table, words: &[u16]) -> Vec<u8> {
    let function = match table {
        Table::Holding => 3,
        Table::Input => 4,
    };
    let bytes = u8::try_from(words.len() * 2).unwrap_or(u8::MAX);
    let mut pdu = vec![function, bytes];
    pdu.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    pdu
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
        assert_eq!(
            exception_pdu(0x01, ExceptionCode::IllegalDataAddress),
            [0x81, 0x02]
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
