//! TCP frames: MBAP header and protocol data unit.

use super::pdu::Request;

/// Transaction, protocol, length; the unit counts as content.
const HEADER_LEN: usize = 6;
/// Longest content: unit and 253 bytes (Modbus Application Protocol V1.1b3, 4.1).
const CONTENT_MAX: usize = 254;

/// The whole frame of a request.
#[must_use]
pub fn encode(transaction: u16, unit: u8, request: &Request) -> Vec<u8> {
    let pdu = request.encode();
    let length = u16::try_from(pdu.len() + 1).expect("a request has at most 253 bytes");
    let mut frame = Vec::with_capacity(HEADER_LEN + 1 + pdu.len());
    frame.extend(transaction.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(length.to_be_bytes());
    frame.push(unit);
    frame.extend(pdu);
    frame
}

/// Bytes of the frame of a granting answer.
#[must_use]
pub fn answer_len(request: &Request) -> usize {
    HEADER_LEN + 1 + request.answer_len()
}

/// One received frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Which request it belongs to.
    pub transaction: u16,
    /// Who answers.
    pub unit: u8,
    /// The protocol data unit.
    pub pdu: &'a [u8],
    /// Bytes on the wire, header included.
    pub len: usize,
}

/// The stream holds no Modbus: frames cannot be told apart any more, only a new connection helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes on this connection are not Modbus TCP")]
pub struct NotModbus;

/// Takes the first frame, or `None` while it is incomplete.
///
/// # Errors
/// [`NotModbus`] when the header is impossible.
pub fn first_frame(heard: &[u8]) -> Result<Option<Frame<'_>>, NotModbus> {
    let Some((header, rest)) = heard.split_first_chunk::<HEADER_LEN>() else {
        return Ok(None);
    };
    let [t0, t1, p0, p1, l0, l1] = *header;
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    if (p0, p1) != (0, 0) || !(2..=CONTENT_MAX).contains(&length) {
        return Err(NotModbus);
    }
    let Some([unit, pdu @ ..]) = rest.get(..length) else {
        return Ok(None);
    };
    Ok(Some(Frame {
        transaction: u16::from_be_bytes([t0, t1]),
        unit: *unit,
        pdu,
        len: HEADER_LEN + length,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hw_profiles::Table;

    #[test]
    fn request_carries_transaction_length_and_unit() {
        let request = Request::Read {
            table: Table::Input,
            address: 0,
            count: 1,
        };
        // Modbus Messaging on TCP/IP V1.0b, 4.4.2.1: example of a read of input register 1.
        assert_eq!(
            encode(0x1501, 0xFF, &request),
            [0x15, 0x01, 0, 0, 0, 6, 0xFF, 4, 0, 0, 0, 1]
        );
    }

    #[test]
    fn frame_is_taken_only_when_whole_and_leaves_the_rest() {
        let bytes = [0x15, 0x01, 0, 0, 0, 5, 0xFF, 4, 2, 0, 9, 0xAA];
        for len in 0..11 {
            assert_eq!(first_frame(&bytes[..len]), Ok(None));
        }
        let frame = Frame {
            transaction: 0x1501,
            unit: 0xFF,
            pdu: &[4, 2, 0, 9],
            len: 11,
        };
        assert_eq!(first_frame(&bytes), Ok(Some(frame)));
    }

    #[test]
    fn impossible_headers_are_not_waited_for() {
        for bytes in [
            [0, 1, 0, 1, 0, 5], // another protocol
            [0, 1, 0, 0, 0, 1], // too short for unit and function
            [0, 1, 0, 0, 0, 255],
            [b'H', b'T', b'T', b'P', b'/', b'1'],
        ] {
            assert_eq!(first_frame(&bytes), Err(NotModbus), "{bytes:?}");
        }
    }
}
