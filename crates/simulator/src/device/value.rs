//! Numbers and texts to register words and back: type, word order, scale, sentinels.

use hw_profiles::{Quantity, Register, RegisterType, Scale, WordOrder};

/// What stands in a register before scaling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RawValue {
    /// Bit pattern of an integer, zero-extended; whole part of a float.
    Number(u64),
    /// Text without padding.
    Text(String),
}

/// What a register shall show, in its quantity's base unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Thousandths of the base unit (mA, mV, W, Wh, …).
    Milli(i128),
    /// The device does not know it.
    NotAvailable,
}

/// Words of a register that shows a raw value.
pub(crate) fn raw_words(register: &Register, raw: &RawValue) -> Vec<u16> {
    match (raw, register.ty) {
        (RawValue::Number(n), RegisterType::Ascii { .. } | RegisterType::Utf16 { .. }) => {
            text_words(register.ty, &n.to_string())
        }
        (RawValue::Number(n), RegisterType::F32 | RegisterType::F64) => {
            float_words(register, *n as f64)
        }
        (RawValue::Number(n), _) => bits_words(register, *n),
        (RawValue::Text(text), RegisterType::Ascii { .. } | RegisterType::Utf16 { .. }) => {
            text_words(register.ty, text)
        }
        (RawValue::Text(text), _) => bits_words(register, digits(text).unwrap_or(0)),
    }
}

/// Words of a register that shows a physical value: the inverse of its scale, rounded down.
pub(crate) fn shown_words(register: &Register, shown: &Shown) -> Vec<u16> {
    match shown {
        Shown::NotAvailable => {
            let sentinel = register.sentinels.first().copied().unwrap_or(0);
            bits_words(register, sentinel)
        }
        Shown::Milli(milli) => match register.ty {
            RegisterType::F32 | RegisterType::F64 => {
                let Scale {
                    numerator,
                    denominator,
                } = register.scale;
                let value = *milli as f64 * denominator as f64 / (numerator as f64 * 1000.0);
                float_words(register, value)
            }
            RegisterType::U16
            | RegisterType::I16
            | RegisterType::U32
            | RegisterType::I32
            | RegisterType::U64
            | RegisterType::I64 => bits_words(register, integer_bits(register, *milli)),
            RegisterType::Ascii { .. } | RegisterType::Utf16 { .. } => {
                text_words(register.ty, &milli.div_euclid(1000).to_string())
            }
        },
    }
}

/// Whether a master wrote a number that is not negative, endless or none at all.
pub(crate) fn is_sound(ty: RegisterType, words: WordOrder, values: &[u16]) -> bool {
    written_float(ty, words, values).is_none_or(|float| float.is_finite() && float >= 0.0)
}

/// Number that a master wrote, as counts: the bit pattern of integers, the whole part of floats.
pub(crate) fn written_counts(ty: RegisterType, words: WordOrder, values: &[u16]) -> u64 {
    match written_float(ty, words, values) {
        Some(float) => whole(float),
        None => joined_bits(words, values),
    }
}

/// Number that a master wrote, in base units, rounded down.
pub(crate) fn written_base_units(
    ty: RegisterType,
    words: WordOrder,
    scale: Scale,
    values: &[u16],
) -> u64 {
    if let Some(float) = written_float(ty, words, values) {
        return whole(float * scale.numerator as f64 / scale.denominator as f64);
    }
    let counts = u128::from(joined_bits(words, values));
    let units = counts * u128::from(scale.numerator) / u128::from(scale.denominator);
    u64::try_from(units).unwrap_or(u64::MAX)
}

/// Counts that mean at most so many base units.
pub(crate) fn counts_for(scale: Scale, base_units: u64) -> u64 {
    let counts =
        u128::from(base_units) * u128::from(scale.denominator) / u128::from(scale.numerator);
    u64::try_from(counts).unwrap_or(u64::MAX)
}

/// Words of counts in a register to write.
pub(crate) fn counts_words(ty: RegisterType, words: WordOrder, counts: u64) -> Vec<u16> {
    let bits = match ty {
        RegisterType::F32 => u64::from(single(counts as f64).to_bits()),
        RegisterType::F64 => (counts as f64).to_bits(),
        RegisterType::U16
        | RegisterType::I16
        | RegisterType::U32
        | RegisterType::I32
        | RegisterType::U64
        | RegisterType::I64
        | RegisterType::Ascii { .. }
        | RegisterType::Utf16 { .. } => counts,
    };
    split_bits(bits, ty.count(), words)
}

/// Largest bit pattern of a numeric type; `None` for texts.
pub(crate) fn largest_bits(ty: RegisterType) -> Option<u64> {
    match ty {
        RegisterType::U16 | RegisterType::I16 => Some(u64::from(u16::MAX)),
        RegisterType::U32 | RegisterType::I32 | RegisterType::F32 => Some(u64::from(u32::MAX)),
        RegisterType::U64 | RegisterType::I64 | RegisterType::F64 => Some(u64::MAX),
        RegisterType::Ascii { .. } | RegisterType::Utf16 { .. } => None,
    }
}

/// Number made of a text's digits, dots and letters dropped; `None` without any.
pub(crate) fn digits(text: &str) -> Option<u64> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Counts of an integer register: energies roll over, everything else stops at the type's ends.
fn integer_bits(register: &Register, milli: i128) -> u64 {
    let scaled = milli * i128::from(register.scale.denominator);
    let counts = scaled.div_euclid(1000 * i128::from(register.scale.numerator));
    let modulus = 1_i128 << (16 * u32::from(register.ty.count()));
    let signed = matches!(
        register.ty,
        RegisterType::I16 | RegisterType::I32 | RegisterType::I64
    );
    let (low, high) = if signed {
        (-(modulus / 2), modulus / 2 - 1)
    } else {
        (0, modulus - 1)
    };
    let pattern = if is_counter(register.quantity) {
        counts.rem_euclid(high + 1)
    } else {
        counts.clamp(low, high).rem_euclid(modulus)
    };
    u64::try_from(pattern).expect("a pattern is at least 0 and below 2^64")
}

fn is_counter(quantity: Option<Quantity>) -> bool {
    matches!(
        quantity,
        Some(
            Quantity::EnergyImport
                | Quantity::EnergyExport
                | Quantity::EnergySession
                | Quantity::ApparentEnergy
        )
    )
}

fn float_words(register: &Register, value: f64) -> Vec<u16> {
    let bits = match register.ty {
        RegisterType::F32 => u64::from(single(value).to_bits()),
        RegisterType::F64
        | RegisterType::U16
        | RegisterType::I16
        | RegisterType::U32
        | RegisterType::I32
        | RegisterType::U64
        | RegisterType::I64
        | RegisterType::Ascii { .. }
        | RegisterType::Utf16 { .. } => value.to_bits(),
    };
    bits_words(register, bits)
}

fn bits_words(register: &Register, bits: u64) -> Vec<u16> {
    split_bits(bits, register.ty.count(), register.words)
}

fn split_bits(bits: u64, count: u16, order: WordOrder) -> Vec<u16> {
    let bytes = bits.to_be_bytes();
    let four = bytes
        .chunks_exact(2)
        .map(|w| u16::from_be_bytes([w[0], w[1]]));
    let count = usize::from(count);
    let mut words: Vec<u16> = four.skip(4_usize.saturating_sub(count)).collect();
    if order == WordOrder::LowFirst {
        words.reverse();
    }
    words.resize(count, 0);
    words
}

fn joined_bits(order: WordOrder, values: &[u16]) -> u64 {
    let fold = |bits: u64, word: &u16| (bits << 16) | u64::from(*word);
    match order {
        WordOrder::HighFirst => values.iter().fold(0, fold),
        WordOrder::LowFirst => values.iter().rev().fold(0, fold),
    }
}

fn written_float(ty: RegisterType, order: WordOrder, values: &[u16]) -> Option<f64> {
    let bits = joined_bits(order, values);
    match ty {
        RegisterType::F32 => u32::try_from(bits)
            .ok()
            .map(|b| f64::from(f32::from_bits(b))),
        RegisterType::F64 => Some(f64::from_bits(bits)),
        RegisterType::U16
        | RegisterType::I16
        | RegisterType::U32
        | RegisterType::I32
        | RegisterType::U64
        | RegisterType::I64
        | RegisterType::Ascii { .. }
        | RegisterType::Utf16 { .. } => None,
    }
}

fn text_words(ty: RegisterType, text: &str) -> Vec<u16> {
    let count = usize::from(ty.count());
    let mut words: Vec<u16> = if let RegisterType::Utf16 { .. } = ty {
        text.encode_utf16().collect()
    } else {
        let pair = |w: &[u8]| u16::from_be_bytes([w[0], w.get(1).copied().unwrap_or(0)]);
        text.as_bytes().chunks(2).map(pair).collect()
    };
    words.resize(count, 0);
    words
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a register of 32 bits holds the nearest single; there is no other conversion"
)]
fn single(value: f64) -> f32 {
    value as f32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates; a set-point that is not sound is refused anyway"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use hw_profiles::{PollClass, Table};

    use super::*;

    fn register(ty: RegisterType, words: WordOrder, scale: (u64, u64)) -> Register {
        Register {
            name: "value".to_owned(),
            quantity: Some(Quantity::Power),
            table: Table::Input,
            address: 0,
            ty,
            words,
            scale: Scale {
                numerator: scale.0,
                denominator: scale.1,
            },
            sentinels: vec![],
            poll: PollClass::Fast,
            when: vec![],
            unconfirmed: false,
        }
    }

    #[test]
    fn published_floats_come_out_word_by_word() {
        // IEEE 754: 230.2 is 0x43663333.
        let be = register(RegisterType::F32, WordOrder::HighFirst, (1, 1));
        assert_eq!(shown_words(&be, &Shown::Milli(230_200)), [0x4366, 0x3333]);
        // EVlink capture cited in the register notes: 0x412EFEC6 = 10.937 kW, low word first.
        let le = register(RegisterType::F32, WordOrder::LowFirst, (1000, 1));
        assert_eq!(
            shown_words(&le, &Shown::Milli(10_937_201)),
            [0xFEC6, 0x412E]
        );
    }

    #[test]
    fn integers_round_down_and_stop_at_their_ends() {
        let tenth = register(RegisterType::U16, WordOrder::HighFirst, (100, 1));
        assert_eq!(shown_words(&tenth, &Shown::Milli(15_999_999)), [159]);
        assert_eq!(shown_words(&tenth, &Shown::Milli(-5)), [0]);
        assert_eq!(
            shown_words(&tenth, &Shown::Milli(i128::from(u64::MAX))),
            [0xFFFF]
        );
        let signed = register(RegisterType::I32, WordOrder::LowFirst, (1, 1));
        assert_eq!(
            shown_words(&signed, &Shown::Milli(-2_000)),
            [0xFFFE, 0xFFFF]
        );
    }

    #[test]
    fn energy_rolls_over() {
        let mut counter = register(RegisterType::U32, WordOrder::HighFirst, (1, 1));
        counter.quantity = Some(Quantity::EnergyImport);
        let beyond = (i128::from(u32::MAX) + 6) * 1000;
        assert_eq!(shown_words(&counter, &Shown::Milli(beyond)), [0, 5]);
    }

    #[test]
    fn unknown_is_the_first_sentinel() {
        let mut bender = register(RegisterType::U32, WordOrder::HighFirst, (1, 1));
        bender.sentinels = vec![0xFFFF_FFFF];
        assert_eq!(shown_words(&bender, &Shown::NotAvailable), [0xFFFF, 0xFFFF]);
    }

    #[test]
    fn texts_are_padded_and_cut() {
        let ascii = register(
            RegisterType::Ascii { registers: 3 },
            WordOrder::HighFirst,
            (1, 1),
        );
        assert_eq!(
            raw_words(&ascii, &RawValue::Text("5.22a".to_owned())),
            [0x352E, 0x3232, 0x6100]
        );
        let utf16 = register(
            RegisterType::Utf16 { registers: 2 },
            WordOrder::HighFirst,
            (1, 1),
        );
        assert_eq!(
            raw_words(&utf16, &RawValue::Text("EVC".to_owned())),
            [0x0045, 0x0056]
        );
    }

    #[test]
    fn written_numbers_go_there_and_back() {
        let tenths = Scale {
            numerator: 100,
            denominator: 1,
        };
        let u16_be = (RegisterType::U16, WordOrder::HighFirst);
        assert_eq!(
            written_base_units(u16_be.0, u16_be.1, tenths, &[160]),
            16_000
        );
        assert_eq!(counts_for(tenths, 16_099), 160);
        for ty in [RegisterType::U32, RegisterType::F32, RegisterType::F64] {
            for words in [WordOrder::HighFirst, WordOrder::LowFirst] {
                let encoded = counts_words(ty, words, 75_000);
                assert_eq!(
                    written_counts(ty, words, &encoded),
                    75_000,
                    "{ty:?} {words:?}"
                );
            }
        }
    }
}
