//! What an API key looks like, so that secret scanners can recognise one.
//!
//! `dyn_live_` or `dyn_test_`, 30 random characters of base62 (178 bits), then 6 characters of checksum:
//! the CRC-32 (IEEE 802.3, reflected, as in zlib) of everything before it, written in base62 with the
//! digits `0-9A-Za-z`, most significant first, padded with `0`. The checksum keeps nobody out; it
//! tells keys from other text, and a mistyped key from an unknown one, without asking the database.

use crate::secret::{Secret, random_base62};

const LIVE: &str = "dyn_live_";
const SANDBOX: &str = "dyn_test_";
/// 30 × log2(62) = 178.6 bits; the contract asks for 160.
const RANDOM_LENGTH: usize = 30;
/// 62^6 > 2^32.
const CHECKSUM_LENGTH: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A new key; a sandbox organisation's says so.
pub(super) fn generate(sandbox: bool) -> Secret<String> {
    let prefix = if sandbox { SANDBOX } else { LIVE };
    let body = format!("{prefix}{}", random_base62(RANDOM_LENGTH).expose());
    let checksum = checksum(&body);
    Secret::new(body + &checksum)
}

/// Whether the text has the form of a key, checksum included.
pub(super) fn is_well_formed(text: &str) -> bool {
    let Some(rest) = text
        .strip_prefix(LIVE)
        .or_else(|| text.strip_prefix(SANDBOX))
    else {
        return false;
    };
    let plain = rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !plain || rest.len() != RANDOM_LENGTH + CHECKSUM_LENGTH {
        return false;
    }
    let (body, shown) = text.split_at(text.len() - CHECKSUM_LENGTH);
    checksum(body) == shown
}

fn checksum(body: &str) -> String {
    let mut rest = crc32(body.as_bytes());
    let mut digits = [b'0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(rest % 62).expect("below 62")];
        rest /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

/// CRC-32 of IEEE 802.3, bit by bit: 45 bytes are not worth a table.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_agrees_with_its_published_check_value() {
        // "123456789" gives 0xCBF43926 (ITU-T V.42; catalogue of parametrised CRC algorithms, CRC-32/ISO-HDLC).
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_key_says_what_it_is_and_any_slip_of_one_character_shows() {
        for (sandbox, prefix) in [(false, "dyn_live_"), (true, "dyn_test_")] {
            let key = generate(sandbox).expose().clone();
            assert!(key.starts_with(prefix));
            assert_eq!(key.len(), 45);
            assert!(is_well_formed(&key));
            for place in 0..key.len() {
                let mut slipped = key.clone().into_bytes();
                slipped[place] = if slipped[place] == b'7' { b'8' } else { b'7' };
                assert!(
                    !is_well_formed(&String::from_utf8(slipped).unwrap()),
                    "{place}"
                );
            }
            assert!(!is_well_formed(&key[..44]));
            assert!(!is_well_formed(&format!("{key}0")));
        }
        for stranger in [
            "",
            "dyn_live_",
            "dyn_live_abc123xyz789...",
            "YOUR_API_KEY",
            "dyn_live_ü",
        ] {
            assert!(!is_well_formed(stranger), "{stranger:?}");
        }
    }
}
