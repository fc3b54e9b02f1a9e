//! Words as one number or text, before any scale.

use std::fmt;

use hw_profiles::{RawMatch, Register, RegisterType, WordOrder};

/// Content of a register before scale and unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Raw {
    /// The bits of a numeric register, as an unsigned number of its width.
    Number(u64),
    /// Text, trimmed.
    Text(String),
}

impl Raw {
    /// Whether a condition holds. Text under a numeric test counts as the number of its decimal
    /// digits, dots dropped; text without digits fails it.
    #[must_use]
    pub fn matches(&self, test: &RawMatch) -> bool {
        match test {
            RawMatch::OneOf(allowed) => self.number().is_some_and(|n| allowed.contains(&n)),
            RawMatch::Between(low, high) => {
                self.number().is_some_and(|n| (*low..=*high).contains(&n))
            }
            RawMatch::BitsSet(mask) => self.number().is_some_and(|n| n & mask == *mask),
            RawMatch::BitsClear(mask) => self.number().is_some_and(|n| n & mask == 0),
            RawMatch::Text(allowed) => self.to_text().is_some_and(|text| allowed.contains(&text)),
        }
    }

    /// As text: a number in decimal; empty text is no text.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        match self {
            Self::Number(number) => Some(number.to_string()),
            Self::Text(text) if text.is_empty() => None,
            Self::Text(text) => Some(text.clone()),
        }
    }

    fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => {
                let digits: String = text.chars().filter(|c| *c != '.').collect();
                digits.parse().ok()
            }
        }
    }
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// The content of a register's words; `None` if they are not its words or not its characters.
#[must_use]
pub fn raw_of(register: &Register, words: &[u16]) -> Option<Raw> {
    if words.len() != usize::from(register.count()) {
        return None;
    }
    match register.ty {
        RegisterType::U16
        | RegisterType::I16
        | RegisterType::U32
        | RegisterType::I32
        | RegisterType::U64
        | RegisterType::I64
        | RegisterType::F32
        | RegisterType::F64 => {
            let join = |number: u64, word: &u16| (number << 16) | u64::from(*word);
            Some(Raw::Number(match register.words {
                WordOrder::HighFirst => words.iter().fold(0, join),
                WordOrder::LowFirst => words.iter().rev().fold(0, join),
            }))
        }
        RegisterType::Ascii { .. } => {
            let bytes = words.iter().flat_map(|word| word.to_be_bytes());
            let text: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
            let printable = text.iter().all(|byte| (0x20..0x7F).contains(byte));
            let text = String::from_utf8(text).ok().filter(|_| printable)?;
            Some(Raw::Text(text.trim().to_owned()))
        }
        RegisterType::Utf16 { .. } => {
            let end = words
                .iter()
                .position(|word| *word == 0)
                .unwrap_or(words.len());
            let text = String::from_utf16(&words[..end]).ok()?;
            Some(Raw::Text(text.trim().to_owned()))
        }
    }
}

/// The words of a raw number in a numeric register; `None` if it does not fit its width or the
/// register holds text.
#[must_use]
pub fn words_of(ty: RegisterType, order: WordOrder, number: u64) -> Option<Vec<u16>> {
    let count = match ty {
        RegisterType::U16
        | RegisterType::I16
        | RegisterType::U32
        | RegisterType::I32
        | RegisterType::U64
        | RegisterType::I64
        | RegisterType::F32
        | RegisterType::F64 => usize::from(ty.count()),
        RegisterType::Ascii { .. } | RegisterType::Utf16 { .. } => return None,
    };
    let bytes = number.to_be_bytes();
    let (beyond, inside) = bytes.split_at(8 - 2 * count);
    if beyond.iter().any(|byte| *byte != 0) {
        return None;
    }
    let mut words: Vec<u16> = inside
        .as_chunks::<2>()
        .0
        .iter()
        .map(|w| u16::from_be_bytes(*w))
        .collect();
    if order == WordOrder::LowFirst {
        words.reverse();
    }
    Some(words)
}
