//! Modbus frames as a device sees them: requests in, answers out. Pure, and shared with nobody.

mod ascii;
mod checksum;
mod frame;
mod pdu;

pub use ascii::{ascii_frame, ascii_scan, lrc};
pub use checksum::crc16;
pub use frame::{
    MbapHeader, RtuScan, mbap_frame, mbap_header, rtu_frame, rtu_scan, silence_ns, wire_ns,
};
pub(crate) use pdu::write_answer;
pub use pdu::{ExceptionCode, Request, exception_pdu, parse_request, read_answer, request_pdu};
