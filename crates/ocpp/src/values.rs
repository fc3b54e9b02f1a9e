//! The values that payloads are made of. Each can only hold what the schema allows, so that what
//! is sent is valid; decimals are exact.

use std::fmt;

use serde_json::{Map, Value};

use crate::reading::{Leniency, Reading, Rule, Violation, ViolationKind};
use crate::redacted::without_password;
use crate::wire::{Fields, Wire, Writing, kind_of, shown};

pub use crate::decimal::{Decimal, Tenths};

/// Why a value cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DoesNotFit {
    /// A text is too long for its field.
    #[error("the text has {was} characters, at most {max} fit")]
    Characters {
        /// Characters that fit.
        max: usize,
        /// Characters there are.
        was: usize,
    },
    /// A text holds the character U+0000, which no peer takes well.
    #[error("the text holds a null character")]
    NullCharacter,
    /// A list has too few or too many elements.
    #[error("the list has {was} elements, it must have {min} {}", most(*max))]
    Elements {
        /// Fewest.
        min: usize,
        /// Most.
        max: usize,
        /// Elements there are.
        was: usize,
    },
    /// A number is out of its range.
    #[error("the number is {was}, it must be {min} to {max}")]
    Range {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
        /// What it is.
        was: i64,
    },
    /// A text is no URI.
    #[error(
        "the text is no URI: it must begin with a scheme and a colon, and hold neither blanks nor control characters"
    )]
    Uri,
    /// A text is no decimal number that can be held exactly.
    #[error("the text is no decimal number of at most 18 digits")]
    Decimal,
}

fn most(max: usize) -> String {
    if max == usize::MAX {
        "or more".into()
    } else {
        format!("to {max}")
    }
}

/// A text of at most `MAX` characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text<const MAX: usize>(Box<str>);

impl<const MAX: usize> Text<MAX> {
    /// Checks the length.
    ///
    /// # Errors
    /// [`DoesNotFit`] when it is too long or holds a null character.
    pub fn new(text: impl Into<Box<str>>) -> Result<Self, DoesNotFit> {
        let text = text.into();
        let was = text.chars().count();
        if was > MAX {
            return Err(DoesNotFit::Characters { max: MAX, was });
        }
        if text.contains('\0') {
            return Err(DoesNotFit::NullCharacter);
        }
        Ok(Self(text))
    }

    /// The text for people, cut where it is too long; null characters are left out.
    #[must_use]
    pub fn cut(text: &str) -> Self {
        let kept: String = text.chars().filter(|c| *c != '\0').take(MAX).collect();
        Self(kept.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> AsRef<str> for Text<MAX> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Wire for Text<MAX> {
    fn read(value: Value, rule: Rule, reading: &mut Reading) -> Result<Self, Violation> {
        let text = text_of(value, rule, reading)?;
        if rule == Rule::Label {
            if text.is_empty() {
                reading.tolerate(Leniency::Empty);
            }
            let was = text.chars().count();
            if was > MAX {
                reading.tolerate(Leniency::Cut { max: MAX, was });
                return Ok(Self::cut(&text));
            }
        }
        Self::new(text).map_err(|fault| {
            reading.violation(ViolationKind::Property, format!("does not fit: {fault}"))
        })
    }

    fn write(&self, out: &mut String) {
        write_text(&self.0, out);
    }
}

/// A text of at most `MAX` characters that is not printed: passwords, and fields that may hold one.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<const MAX: usize>(Text<MAX>);

impl<const MAX: usize> Secret<MAX> {
    /// Checks the length.
    ///
    /// # Errors
    /// [`DoesNotFit`] when it is too long or holds a null character.
    pub fn new(text: impl Into<Box<str>>) -> Result<Self, DoesNotFit> {
        Text::new(text).map(Self)
    }

    /// The text, for the one who needs it; not for logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }
}

impl<const MAX: usize> fmt::Debug for Secret<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

impl<const MAX: usize> Wire for Secret<MAX> {
    fn read(value: Value, rule: Rule, reading: &mut Reading) -> Result<Self, Violation> {
        Text::read(value, rule, reading).map(Self)
    }

    fn write(&self, out: &mut String) {
        self.0.write(out);
    }
}

impl Wire for String {
    fn read(value: Value, rule: Rule, reading: &mut Reading) -> Result<Self, Violation> {
        text_of(value, rule, reading)
    }

    fn write(&self, out: &mut String) {
        write_text(self, out);
    }
}

fn text_of(value: Value, rule: Rule, reading: &mut Reading) -> Result<String, Violation> {
    match value {
        Value::String(text) if text.contains('\0') => {
            Err(reading.violation(ViolationKind::Property, "holds a null character"))
        }
        Value::String(text) => Ok(text),
        Value::Number(number) if rule == Rule::Label => {
            reading.tolerate(Leniency::TextAsNumber);
            Ok(number.to_string())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(reading.violation(
                ViolationKind::Type,
                format!("must be a text, not {}", kind_of(&value)),
            ))
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("a text is always JSON"));
}

/// A reference to something elsewhere. Only its form is checked; whether it may be fetched is a
/// question of policy. A password in it is not printed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Uri(Box<str>);

impl Uri {
    /// Checks the form: a scheme (RFC 3986 section 3.1), a colon, and no blanks.
    ///
    /// # Errors
    /// [`DoesNotFit::Uri`] when it has not that form.
    pub fn new(text: impl Into<Box<str>>) -> Result<Self, DoesNotFit> {
        let text = text.into();
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        let formed = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
            && text
                .chars()
                .all(|c| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c));
        if formed {
            Ok(Self(text))
        } else {
            Err(DoesNotFit::Uri)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match without_password(&self.0) {
            Some(plain) => plain.fmt(f),
            None => self.0.fmt(f),
        }
    }
}

impl Wire for Uri {
    fn read(value: Value, rule: Rule, reading: &mut Reading) -> Result<Self, Violation> {
        let text = text_of(value, rule, reading)?;
        Self::new(text).map_err(|_| reading.violation(ViolationKind::Property, "is no URI"))
    }

    fn write(&self, out: &mut String) {
        write_text(&self.0, out);
    }
}

impl Wire for i64 {
    fn read(value: Value, rule: Rule, reading: &mut Reading) -> Result<Self, Violation> {
        let number = match value {
            Value::Number(number) => whole(&number.to_string(), reading)?,
            Value::String(text) if rule != Rule::Exact => {
                let plain = text.strip_prefix('-').unwrap_or(&text);
                let digits = !plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_digit());
                let number = if digits { text.parse().ok() } else { None };
                let number = number.ok_or_else(|| {
                    reading.violation(
                        ViolationKind::Type,
                        format!("must be a whole number, not {:?}", shown(&text)),
                    )
                })?;
                reading.tolerate(Leniency::NumberAsText);
                number
            }
            Value::Null
            | Value::Bool(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => {
                return Err(reading.violation(
                    ViolationKind::Type,
                    format!("must be a whole number, not {}", kind_of(&value)),
                ));
            }
        };
        if rule == Rule::NotZero && number == 0 {
            reading.tolerate(Leniency::TransactionZero);
        }
        Ok(number)
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.to_string());
    }
}

/// The whole number that a JSON number stands for: `100` and `100.0` are the same.
fn whole(text: &str, reading: &mut Reading) -> Result<i64, Violation> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let decimal = Decimal::parse(text)
        .map_err(|_| reading.violation(ViolationKind::Property, "is too large"))?;
    let number = decimal.to_whole().ok_or_else(|| {
        reading.violation(
            ViolationKind::Type,
            format!("must be a whole number, not {text}"),
        )
    })?;
    reading.tolerate(Leniency::WholeAsFraction);
    Ok(number)
}

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bounded<const MIN: i64, const MAX: i64>(i64);

impl<const MIN: i64, const MAX: i64> Bounded<MIN, MAX> {
    /// Checks the range.
    ///
    /// # Errors
    /// [`DoesNotFit::Range`] outside of it.
    pub fn new(was: i64) -> Result<Self, DoesNotFit> {
        if (MIN..=MAX).contains(&was) {
            Ok(Self(was))
        } else {
            Err(DoesNotFit::Range {
                min: MIN,
                max: MAX,
                was,
            })
        }
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }
}

impl<const MIN: i64, const MAX: i64> Wire for Bounded<MIN, MAX> {
    fn read(value: Value, rule: Rule, reading: &mut Reading) -> Result<Self, Violation> {
        let number = i64::read(value, rule, reading)?;
        Self::new(number).map_err(|fault| {
            reading.violation(ViolationKind::Property, format!("does not fit: {fault}"))
        })
    }

    fn write(&self, out: &mut String) {
        self.0.write(out);
    }
}

impl Wire for bool {
    fn read(value: Value, _: Rule, reading: &mut Reading) -> Result<Self, Violation> {
        value.as_bool().ok_or_else(|| {
            reading.violation(
                ViolationKind::Type,
                format!("must be true or false, not {}", kind_of(&value)),
            )
        })
    }

    fn write(&self, out: &mut String) {
        out.push_str(if *self { "true" } else { "false" });
    }
}

/// A list of `MIN` to `MAX` elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T, const MIN: usize, const MAX: usize>(Vec<T>);

/// A list of at least one element.
pub type SomeOf<T> = List<T, 1, { usize::MAX }>;

impl<T, const MIN: usize, const MAX: usize> List<T, MIN, MAX> {
    /// Checks the number of elements.
    ///
    /// # Errors
    /// [`DoesNotFit::Elements`] when there are too few or too many.
    pub fn new(elements: Vec<T>) -> Result<Self, DoesNotFit> {
        if (MIN..=MAX).contains(&elements.len()) {
            Ok(Self(elements))
        } else {
            Err(DoesNotFit::Elements {
                min: MIN,
                max: MAX,
                was: elements.len(),
            })
        }
    }

    /// The elements.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// The elements, owned.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MIN: usize, const MAX: usize> std::ops::Deref for List<T, MIN, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MIN: usize, const MAX: usize> IntoIterator for List<T, MIN, MAX> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'l, T, const MIN: usize, const MAX: usize> IntoIterator for &'l List<T, MIN, MAX> {
    type Item = &'l T;
    type IntoIter = std::slice::Iter<'l, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: Wire, const MIN: usize, const MAX: usize> Wire for List<T, MIN, MAX> {
    fn read(value: Value, rule: Rule, reading: &mut Reading) -> Result<Self, Violation> {
        let elements = Vec::read(value, rule, reading)?;
        Self::new(elements).map_err(|fault| {
            reading.violation(ViolationKind::Occurrence, format!("does not fit: {fault}"))
        })
    }

    fn write(&self, out: &mut String) {
        self.0.write(out);
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn read(value: Value, rule: Rule, reading: &mut Reading) -> Result<Self, Violation> {
        let Value::Array(values) = value else {
            return Err(reading.violation(
                ViolationKind::Type,
                format!("must be a list, not {}", kind_of(&value)),
            ));
        };
        let mut elements = Self::with_capacity(values.len());
        let mut left_out = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            match reading.at(index, |reading| T::read(value, Rule::Plain, reading)) {
                Ok(element) => elements.push(element),
                Err(violation) if rule == Rule::LeaveOut => left_out.push((index, violation)),
                Err(violation) => return Err(violation),
            }
        }
        if elements.is_empty() && !left_out.is_empty() {
            return Err(left_out.swap_remove(0).1);
        }
        for (index, violation) in left_out {
            reading.at(index, |reading| {
                reading.tolerate(Leniency::LeftOut(violation));
            });
        }
        Ok(elements)
    }

    fn write(&self, out: &mut String) {
        out.push('[');
        for (index, element) in self.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            element.write(out);
        }
        out.push(']');
    }
}

impl<T: Wire> Wire for Box<T> {
    const NULL_IS_A_VALUE: bool = T::NULL_IS_A_VALUE;

    fn read(value: Value, rule: Rule, reading: &mut Reading) -> Result<Self, Violation> {
        T::read(value, rule, reading).map(Self::new)
    }

    fn write(&self, out: &mut String) {
        T::write(self, out);
    }
}

/// Any JSON value: the data of 2.0.1's `DataTransfer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Any(pub Value);

impl Wire for Any {
    const NULL_IS_A_VALUE: bool = true;

    fn read(value: Value, _: Rule, _: &mut Reading) -> Result<Self, Violation> {
        Ok(Self(value))
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.0.to_string());
    }
}

/// What vendors add to 2.0.1's structures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomData {
    /// `vendorId`
    pub vendor_id: Text<255>,
    /// Everything else; a member called `vendorId` is not written a second time.
    pub more: Map<String, Value>,
}

impl Wire for CustomData {
    fn read(value: Value, _: Rule, reading: &mut Reading) -> Result<Self, Violation> {
        let fields = &mut Fields::open(value, reading)?;
        Ok(Self {
            vendor_id: fields.need("vendorId", Rule::Plain)?,
            more: fields.rest(),
        })
    }

    fn write(&self, out: &mut String) {
        let writing = &mut Writing::open(out);
        writing.field("vendorId", &self.vendor_id);
        for (name, value) in self.more.iter().filter(|(name, _)| *name != "vendorId") {
            writing.field(name, &Any(value.clone()));
        }
        writing.close();
    }
}
