//! The two forms of an `AuthorizationKey`. By the book it is given as hexadecimal digits and shown as the bytes
//! that they stand for (OCPP-J 1.6 section 6.2, security whitepaper section 5.1); many central systems
//! compare the text that they sent.

/// Bytes of a key that is given as hexadecimal digits.
const BYTES: std::ops::RangeInclusive<usize> = 16..=20;

/// How a password is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::ocpp) enum Form {
    /// As it was given.
    #[default]
    Text,
    /// As the bytes that its hexadecimal digits stand for.
    Bytes,
}

impl Form {
    /// The forms that a key may have, in the order in which they are tried.
    pub(super) fn of(key: &str) -> Vec<Self> {
        match bytes_of(key) {
            Some(_) => vec![Self::Bytes, Self::Text],
            None => vec![Self::Text],
        }
    }

    /// What is shown.
    pub(in crate::ocpp) fn shown(self, key: &str) -> Vec<u8> {
        let bytes = match self {
            Self::Text => None,
            Self::Bytes => bytes_of(key),
        };
        bytes.unwrap_or_else(|| key.as_bytes().to_vec())
    }
}

fn bytes_of(key: &str) -> Option<Vec<u8>> {
    let (pairs, []) = key.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let byte = |pair: &[u8; 2]| {
        let digits = pair.iter().all(u8::is_ascii_hexdigit).then_some(pair)?;
        u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    BYTES
        .contains(&pairs.len())
        .then(|| pairs.iter().map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_to_twenty_bytes_in_hexadecimal_are_tried_as_bytes_first() {
        let both = vec![Form::Bytes, Form::Text];
        for digits in [32, 34, 40] {
            assert_eq!(Form::of(&"0aF9".repeat(10)[..digits]), both, "{digits}");
        }
        for text in [
            "a".repeat(30),
            "a".repeat(33),
            "a".repeat(42),
            "x".repeat(32),
        ] {
            assert_eq!(Form::of(&text), [Form::Text], "{text}");
        }
        let key = "00ff".repeat(8);
        assert_eq!(Form::Bytes.shown(&key), [0, 255].repeat(8));
        assert_eq!(Form::Text.shown(&key), key.as_bytes());
    }
}
