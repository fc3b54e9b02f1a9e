//! Words as one number or text, before any scale.

use std::fmt;

use hw_profiles::{Condition, RawMatch, Register, RegisterType, WordOrder};

/// Content of a register before scale and unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Raw {
    /// The bits of a numeric register, as an unsigned number of its width.
    Number(u64),
    /// Text, trimmed.
    Text(String),
}

impl Raw {
    /// Whether a condition on the raw content holds. Text under a numeric test counts as the number
    /// of its decimal digits, all else dropped; text without digits fails it. A test on the value fails:
    /// the raw content does not tell it.
    #[must_use]
    pub fn matches(&self, condition: &Condition) -> bool {
        match &condition.test {
            RawMatch::OneOf(_)
            | RawMatch::Between(..)
            | RawMatch::BitsSet(_)
            | RawMatch::BitsClear(_) => self.number().is_some_and(|n| condition.holds_for(n)),
            RawMatch::Text(allowed) => self.to_text().is_some_and(|text| allowed.contains(&text)),
            RawMatch::ValueBetween(..) => false,
        }
    }

    /// With a mask applied to the number; text has none.
    #[must_use]
    pub fn masked(&self, mask: Option<u64>) -> Self {
        match (self, mask) {
            (Self::Number(number), Some(mask)) => Self::Number(number & mask),
            (Self::Number(_) | Self::Text(_), _) => self.clone(),
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
                let digits: String = text.chars().filter(char::is_ascii_digit).collect();
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
        RegisterType::Bit
        | RegisterType::U16
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
        RegisterType::Ascii { .. } => ascii(words.iter().flat_map(|word| word.to_be_bytes())),
        RegisterType::AsciiSwapped { .. } => {
            ascii(words.iter().flat_map(|word| word.to_le_bytes()))
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

/// Characters up to the first NUL, trimmed, if all can be printed.
fn ascii(bytes: impl Iterator<Item = u8>) -> Option<Raw> {
    let text: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
    let printable = text.iter().all(|byte| (0x20..0x7F).contains(byte));
    let text = String::from_utf8(text).ok().filter(|_| printable)?;
    Some(Raw::Text(text.trim().to_owned()))
}

/// The words of a raw number in a numeric register; `None` if it does not fit its width or the
/// register holds text.
#[must_use]
pub fn words_of(ty: RegisterType, order: WordOrder, number: u64) -> Option<Vec<u16>> {
    let count = match ty {
        RegisterType::Bit if number > 1 => return None,
        RegisterType::Bit
        | RegisterType::U16
        | RegisterType::I16
        | RegisterType::U32
        | RegisterType::I32
        | RegisterType::U64
        | RegisterType::I64
        | RegisterType::F32
        | RegisterType::F64 => usize::from(ty.count()),
        RegisterType::Ascii { .. }
        | RegisterType::AsciiSwapped { .. }
        | RegisterType::Utf16 { .. } => return None,
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
