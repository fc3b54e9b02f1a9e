//! CRC of a Modbus RTU frame, computed bit by bit as the specification describes it.

/// CRC-16 of the bytes (Modbus over serial line V1.02, section 6.2.2): start 0xFFFF, polynomial
/// 0xA001 reflected. The frame carries its low byte first.
#[must_use]
pub fn crc16(bytes: &[u8]) -> u16 {
    let mut crc = 0xFFFF_u16;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            let carry = crc & 1 == 1;
            crc >>= 1;
            if carry {
                crc ^= 0xA001;
            }
        }
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specification_example_has_the_printed_checksum() {
        // Modbus over serial line V1.02, section 6.2.2: unit 2, function 7 gives 0x1241.
        assert_eq!(crc16(&[0x02, 0x07]), 0x1241);
    }

    #[test]
    fn catalogue_check_value_matches() {
        // CRC catalogue, CRC-16/MODBUS: "123456789" gives 0x4B37.
        assert_eq!(crc16(b"123456789"), 0x4B37);
    }

    #[test]
    fn every_single_flipped_bit_is_seen() {
        let frame = [0x01, 0x04, 0x00, 0x05, 0x00, 0x0A];
        for bit in 0..48 {
            let mut damaged = frame;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(crc16(&damaged), crc16(&frame), "bit {bit}");
        }
    }
}
