//! Numbers and texts to register words and back: type, word order, scale, sign, sentinels.

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

/// A fraction: what one count means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    numerator: i128,
    denominator: i128,
}

impl Count {
    fn new(scale: Scale, exponent: i16) -> Self {
        let power = |exponent: i16| 10_i128.pow(u32::try_from(exponent.clamp(0, 12)).unwrap_or(0));
        Self {
            numerator: i128::from(scale.numerator) * power(exponent),
            denominator: i128::from(scale.denominator) * power(exponent.saturating_neg()),
        }
    }
}

/// How the numbers of a type are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Unsigned,
    Signed,
    Single,
    Double,
    Text,
}

pub(crate) fn form(ty: RegisterType) -> Form {
    match ty {
        RegisterType::Bit | RegisterType::U16 | RegisterType::U32 | RegisterType::U64 => {
            Form::Unsigned
        }
        RegisterType::I16 | RegisterType::I32 | RegisterType::I64 => Form::Signed,
        RegisterType::F32 => Form::Single,
        RegisterType::F64 => Form::Double,
        RegisterType::Ascii { .. }
        | RegisterType::AsciiSwapped { .. }
        | RegisterType::Utf16 { .. } => Form::Text,
    }
}

/// Words of a register that shows a raw value.
pub(crate) fn raw_words(register: &Register, raw: &RawValue) -> Vec<u16> {
    match (raw, form(register.ty)) {
        (RawValue::Number(n), Form::Text) => text_words(register.ty, &n.to_string()),
        (RawValue::Number(n), _) => bits_words(register, bits_of(register.ty, *n)),
        (RawValue::Text(text), Form::Text) => text_words(register.ty, text),
        (RawValue::Text(text), _) => {
            bits_words(register, bits_of(register.ty, digits(text).unwrap_or(0)))
        }
    }
}

/// Words of a register that shows a physical value: the inverse of its scale, rounded down.
/// `exponent` is what its scale register tells.
pub(crate) fn shown_words(register: &Register, exponent: i16, shown: &Shown) -> Vec<u16> {
    let milli = match shown {
        Shown::NotAvailable => {
            let sentinel = register.sentinels.first().copied().unwrap_or(0);
            return bits_words(register, sentinel);
        }
        Shown::Milli(milli) if register.negate => -milli,
        Shown::Milli(milli) => *milli,
    };
    let count = Count::new(register.scale, exponent);
    let float = || milli as f64 * count.denominator as f64 / (count.numerator as f64 * 1000.0);
    match form(register.ty) {
        Form::Single => bits_words(register, u64::from(single(float()).to_bits())),
        Form::Double => bits_words(register, float().to_bits()),
        Form::Unsigned | Form::Signed => {
            let bits = integer_bits(register, count, milli);
            // What a mask hides is set: who does not mask it sees a wrong number.
            let bits = register.mask.map_or(bits, |mask| bits & mask | !mask);
            bits_words(
                register,
                bits & largest_bits(register.ty).unwrap_or(u64::MAX),
            )
        }
        Form::Text => text_words(register.ty, &milli.div_euclid(1000).to_string()),
    }
}

/// Value of a raw number in whole base units, rounded down.
pub(crate) fn base_value(register: &Register, exponent: i16, raw: u64) -> i128 {
    let raw = raw & register.mask.unwrap_or(u64::MAX);
    let number = match form(register.ty) {
        Form::Signed => {
            let bits = 16 * u32::from(register.ty.count());
            let pattern = i128::from(raw);
            if pattern >> (bits - 1) & 1 == 1 {
                pattern - (1 << bits)
            } else {
                pattern
            }
        }
        Form::Unsigned | Form::Single | Form::Double | Form::Text => i128::from(raw),
    };
    let count = Count::new(register.scale, exponent);
    let value = (number * count.numerator).div_euclid(count.denominator);
    if register.negate { -value } else { value }
}

/// Raw number of a value in base units, if it is one that the type holds.
pub(crate) fn raw_of(register: &Register, exponent: i16, base: i64) -> Option<u64> {
    let count = Count::new(register.scale, exponent);
    let base = i128::from(if register.negate { -base } else { base });
    let number = (base * count.denominator).div_euclid(count.numerator);
    let bits = 16 * u32::from(register.ty.count());
    match form(register.ty) {
        Form::Signed => u64::try_from(number.rem_euclid(1_i128 << bits)).ok(),
        Form::Unsigned | Form::Single | Form::Double | Form::Text => u64::try_from(number).ok(),
    }
}

/// Whether written bits are a number that is not negative, endless or none at all.
pub(crate) fn is_sound(ty: RegisterType, bits: u64) -> bool {
    float_of(ty, bits).is_none_or(|float| float.is_finite() && float >= 0.0)
}

/// Written bits as a number: integers as they are, the whole part of floats.
pub(crate) fn number_of(ty: RegisterType, bits: u64) -> u64 {
    float_of(ty, bits).map_or(bits, whole)
}

/// Written bits in base units, rounded down.
pub(crate) fn base_units(ty: RegisterType, scale: Scale, bits: u64) -> u64 {
    if let Some(float) = float_of(ty, bits) {
        return whole(float * scale.numerator as f64 / scale.denominator as f64);
    }
    let units = u128::from(bits) * u128::from(scale.numerator) / u128::from(scale.denominator);
    u64::try_from(units).unwrap_or(u64::MAX)
}

/// Counts that mean at most so many base units.
pub(crate) fn counts_for(scale: Scale, base_units: u64) -> u64 {
    let counts =
        u128::from(base_units) * u128::from(scale.denominator) / u128::from(scale.numerator);
    u64::try_from(counts).unwrap_or(u64::MAX)
}

/// Bits of a number in a type: an integer as it is, a float of the same value.
pub(crate) fn bits_of(ty: RegisterType, number: u64) -> u64 {
    match form(ty) {
        Form::Single => u64::from(single(number as f64).to_bits()),
        Form::Double => (number as f64).to_bits(),
        Form::Unsigned | Form::Signed | Form::Text => number,
    }
}

/// Bits of one type as those of another that shows the same number.
pub(crate) fn converted(from: RegisterType, bits: u64, to: RegisterType) -> u64 {
    match (float_of(from, bits), form(to)) {
        (Some(float), Form::Single) => u64::from(single(float).to_bits()),
        (Some(float), Form::Double) => float.to_bits(),
        (Some(float), Form::Unsigned | Form::Signed | Form::Text) => whole(float),
        (None, _) => bits_of(to, bits),
    }
}

/// Largest bit pattern of a numeric type; `None` for texts.
pub(crate) fn largest_bits(ty: RegisterType) -> Option<u64> {
    match (ty, form(ty)) {
        (RegisterType::Bit, _) => Some(1),
        (_, Form::Text) => None,
        (_, Form::Unsigned | Form::Signed | Form::Single | Form::Double) => {
            Some(u64::MAX >> (64 - 16 * u32::from(ty.count()).min(4)))
        }
    }
}

/// Number made of a text's digits, dots and letters dropped; `None` without any.
pub(crate) fn digits(text: &str) -> Option<u64> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Counts of an integer register: energies roll over, everything else stops at the type's ends.
fn integer_bits(register: &Register, count: Count, milli: i128) -> u64 {
    let counts = (milli * count.denominator).div_euclid(1000 * count.numerator);
    let modulus = 1_i128 << (16 * u32::from(register.ty.count()));
    let (low, high) = match (register.ty, form(register.ty)) {
        (RegisterType::Bit, _) => (0, 1),
        (_, Form::Signed) => (-(modulus / 2), modulus / 2 - 1),
        (_, Form::Unsigned | Form::Single | Form::Double | Form::Text) => (0, modulus - 1),
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

/// Words of a register that holds these bits.
pub(crate) fn bits_words(register: &Register, bits: u64) -> Vec<u16> {
    split_bits(bits, register.ty.count(), register.words)
}

pub(crate) fn split_bits(bits: u64, count: u16, order: WordOrder) -> Vec<u16> {
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

pub(crate) fn joined_bits(order: WordOrder, values: &[u16]) -> u64 {
    let fold = |bits: u64, word: &u16| (bits << 16) | u64::from(*word);
    match order {
        WordOrder::HighFirst => values.iter().fold(0, fold),
        WordOrder::LowFirst => values.iter().rev().fold(0, fold),
    }
}

fn float_of(ty: RegisterType, bits: u64) -> Option<f64> {
    match form(ty) {
        Form::Single => u32::try_from(bits)
            .ok()
            .map(|b| f64::from(f32::from_bits(b))),
        Form::Double => Some(f64::from_bits(bits)),
        Form::Unsigned | Form::Signed | Form::Text => None,
    }
}

fn text_words(ty: RegisterType, text: &str) -> Vec<u16> {
    let count = usize::from(ty.count());
    let pair = |w: &[u8]| u16::from_be_bytes([w[0], w.get(1).copied().unwrap_or(0)]);
    let mut words: Vec<u16> = match ty {
        RegisterType::Utf16 { .. } => text.encode_utf16().collect(),
        RegisterType::AsciiSwapped { .. } => {
            let pairs = text.as_bytes().chunks(2);
            pairs.map(|bytes| pair(bytes).swap_bytes()).collect()
        }
        RegisterType::Ascii { .. }
        | RegisterType::Bit
        | RegisterType::U16
        | RegisterType::I16
        | RegisterType::U32
        | RegisterType::I32
        | RegisterType::U64
        | RegisterType::I64
        | RegisterType::F32
        | RegisterType::F64 => text.as_bytes().chunks(2).map(pair).collect(),
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
    use super::super::samples::register;
    use super::*;
    use hw_profiles::Table;

    fn power(ty: RegisterType, words: WordOrder, numerator: u64, denominator: u64) -> Register {
        let scale = Scale {
            numerator,
            denominator,
        };
        let mut power = register("value", Some(Quantity::Power), Table::Input, 0, ty, scale);
        power.words = words;
        power
    }

    #[test]
    fn published_floats_come_out_word_by_word() {
        // IEEE 754: 230.2 is 0x43663333.
        let be = power(RegisterType::F32, WordOrder::HighFirst, 1, 1);
        assert_eq!(
            shown_words(&be, 0, &Shown::Milli(230_200)),
            [0x4366, 0x3333]
        );
        // EVlink capture cited in the register notes: 0x412EFEC6 = 10.937 kW, low word first.
        let le = power(RegisterType::F32, WordOrder::LowFirst, 1000, 1);
        assert_eq!(
            shown_words(&le, 0, &Shown::Milli(10_937_201)),
            [0xFEC6, 0x412E]
        );
    }

    #[test]
    fn integers_round_down_and_stop_at_their_ends() {
        let tenth = power(RegisterType::U16, WordOrder::HighFirst, 100, 1);
        assert_eq!(shown_words(&tenth, 0, &Shown::Milli(15_999_999)), [159]);
        assert_eq!(shown_words(&tenth, 0, &Shown::Milli(-5)), [0]);
        assert_eq!(
            shown_words(&tenth, 0, &Shown::Milli(i128::from(u64::MAX))),
            [0xFFFF]
        );
        let signed = power(RegisterType::I32, WordOrder::LowFirst, 1, 1);
        assert_eq!(
            shown_words(&signed, 0, &Shown::Milli(-2_000)),
            [0xFFFE, 0xFFFF]
        );
    }

    #[test]
    fn a_scale_register_and_a_turned_sign_go_into_the_counts() {
        let mut w = power(RegisterType::I16, WordOrder::HighFirst, 1, 1);
        assert_eq!(shown_words(&w, -1, &Shown::Milli(1_234_560)), [12_345]);
        assert_eq!(shown_words(&w, 2, &Shown::Milli(1_234_560)), [12]);
        assert_eq!(base_value(&w, 2, 12), 1_200);
        assert_eq!(base_value(&w, 0, 0xFFFE), -2);
        assert_eq!(raw_of(&w, 1, -20), Some(0xFFFE));
        w.negate = true;
        assert_eq!(shown_words(&w, 0, &Shown::Milli(2_000)), [0xFFFE]);
        let mut low = power(RegisterType::U16, WordOrder::HighFirst, 1, 1);
        low.mask = Some(0x0FFF);
        assert_eq!(shown_words(&low, 0, &Shown::Milli(5_000)), [0xF005]);
        assert_eq!(base_value(&low, 0, 0xF005), 5);
        assert_eq!(base_value(&w, 0, 0xFFFE), 2);
    }

    #[test]
    fn energy_rolls_over() {
        let mut counter = power(RegisterType::U32, WordOrder::HighFirst, 1, 1);
        counter.quantity = Some(Quantity::EnergyImport);
        let beyond = (i128::from(u32::MAX) + 6) * 1000;
        assert_eq!(shown_words(&counter, 0, &Shown::Milli(beyond)), [0, 5]);
    }

    #[test]
    fn unknown_is_the_first_sentinel() {
        let mut bender = power(RegisterType::U32, WordOrder::HighFirst, 1, 1);
        bender.sentinels = vec![0xFFFF_FFFF];
        assert_eq!(
            shown_words(&bender, 0, &Shown::NotAvailable),
            [0xFFFF, 0xFFFF]
        );
    }

    #[test]
    fn texts_are_padded_and_cut() {
        let text = |ty, text: &str| {
            let register = power(ty, WordOrder::HighFirst, 1, 1);
            raw_words(&register, &RawValue::Text(text.to_owned()))
        };
        assert_eq!(
            text(RegisterType::Ascii { registers: 3 }, "5.22a"),
            [0x352E, 0x3232, 0x6100]
        );
        assert_eq!(
            text(RegisterType::AsciiSwapped { registers: 3 }, "5.22a"),
            [0x2E35, 0x3232, 0x0061]
        );
        assert_eq!(
            text(RegisterType::Utf16 { registers: 2 }, "EVC"),
            [0x0045, 0x0056]
        );
    }

    #[test]
    fn written_numbers_go_there_and_back() {
        let tenths = Scale {
            numerator: 100,
            denominator: 1,
        };
        assert_eq!(base_units(RegisterType::U16, tenths, 160), 16_000);
        assert_eq!(counts_for(tenths, 16_099), 160);
        for ty in [RegisterType::U32, RegisterType::F32, RegisterType::F64] {
            for words in [WordOrder::HighFirst, WordOrder::LowFirst] {
                let sent = split_bits(bits_of(ty, 75_000), ty.count(), words);
                let bits = joined_bits(words, &sent);
                assert_eq!(number_of(ty, bits), 75_000, "{ty:?} {words:?}");
                assert_eq!(converted(ty, bits, RegisterType::U32), 75_000);
            }
        }
        let half = u64::from(10.5_f32.to_bits());
        let amps = Scale {
            numerator: 1000,
            denominator: 1,
        };
        assert_eq!(base_units(RegisterType::F32, amps, half), 10_500);
        assert_eq!(
            converted(RegisterType::F32, half, RegisterType::F64),
            10.5_f64.to_bits()
        );
    }
}
