//! What reading a payload found: leniencies that were granted, and the violation that ended it.
//!
//! A leniency is granted where misunderstanding is harmless; never for who pays, what a meter said
//! or how much current is allowed.

use std::fmt;

/// Why a payload was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {problem}", if path.is_empty() { "the payload" } else { path })]
pub struct Violation {
    /// Which rule was broken; decides the error code of the answer.
    pub kind: ViolationKind,
    /// Where, for instance `meterValue[0].timestamp`; empty for the payload itself.
    pub path: String,
    /// What is wrong there, as a sentence fragment that follows the path.
    pub problem: String,
}

/// The kinds of violation that OCPP-J tells apart (1.6J section 4.2.3, 2.0.1 part 4 section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ViolationKind {
    /// The payload has not the shape of the message at all.
    Format,
    /// A field holds a value that is not allowed.
    Property,
    /// A field that must be there is missing, or there are too many of it.
    Occurrence,
    /// A field holds the wrong type.
    Type,
}

/// A deviation from the schema that was understood all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tolerated {
    /// Where, for instance `chargePointSerialNumber`.
    pub path: String,
    /// What was tolerated.
    pub leniency: Leniency,
}

/// What is tolerated of a peer's messages. Each is told, none is silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leniency {
    /// A text for people was longer than allowed and was cut.
    Cut {
        /// Characters allowed.
        max: usize,
        /// Characters received.
        was: usize,
    },
    /// A text that identifies a product is empty.
    Empty,
    /// A number stood between quotes.
    NumberAsText,
    /// A text for people came as a number.
    TextAsNumber,
    /// A whole number was written with a fraction of zero, or as a power of ten.
    WholeAsFraction,
    /// A transaction id of 0, which many stations send for "none".
    TransactionZero,
    /// A known word in other upper and lower case.
    OtherCase(String),
    /// An unknown word that was read as the list's own `Other`.
    UnknownWord(String),
    /// A field the schema does not know; it was ignored.
    UnknownField,
    /// An optional field was `null`; it was read as absent.
    Null,
    /// A time without a zone; it was read as UTC.
    NoZone,
    /// A time that is not quite RFC 3339: a blank where a `T` belongs, an offset without a colon.
    TimeForm,
    /// A limit with more than one decimal; it was rounded down.
    RoundedDown(String),
    /// An element of a list was not understood and was left out, for this reason.
    LeftOut(Violation),
    /// There were more leniencies than are listed.
    AndMore,
}

impl fmt::Display for Tolerated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.path)?;
        match &self.leniency {
            Leniency::Cut { max, was } => write!(f, "has {was} characters, cut to {max}"),
            Leniency::Empty => f.write_str("is empty"),
            Leniency::NumberAsText => f.write_str("is a number between quotes"),
            Leniency::TextAsNumber => f.write_str("is a number, read as text"),
            Leniency::WholeAsFraction => f.write_str("is a whole number written with a fraction"),
            Leniency::TransactionZero => f.write_str("is 0"),
            Leniency::OtherCase(word) => write!(f, "is {word:?}, known in another case"),
            Leniency::UnknownWord(word) => write!(f, "is {word:?}, read as Other"),
            Leniency::UnknownField => f.write_str("is not in the schema, ignored"),
            Leniency::Null => f.write_str("is null, read as absent"),
            Leniency::NoZone => f.write_str("has no time zone, read as UTC"),
            Leniency::TimeForm => f.write_str("is a time in another form than RFC 3339"),
            Leniency::RoundedDown(sent) => write!(f, "is {sent}, rounded down to one decimal"),
            Leniency::LeftOut(violation) => write!(f, "was left out: {violation}"),
            Leniency::AndMore => f.write_str("and more"),
        }
    }
}

/// A payload and what had to be tolerated to understand it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Understood<T> {
    /// What was sent.
    pub value: T,
    /// Deviations, at most [`TOLERATED_MAX`] and then one [`Leniency::AndMore`].
    pub tolerated: Vec<Tolerated>,
}

/// More deviations in one message than this are not listed one by one.
pub const TOLERATED_MAX: usize = 32;

/// How a field is read, besides its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// By its type.
    Plain,
    /// A text for people: cut when too long, told when empty, taken from a number.
    Label,
    /// Money or safety hangs on it: no change of type is tolerated.
    Exact,
    /// A transaction id, told when it is 0.
    NotZero,
    /// A list whose bad elements are left out.
    LeaveOut,
}

/// The state of reading one payload: where we are and what was tolerated so far.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    path: String,
    tolerated: Vec<Tolerated>,
}

impl Reading {
    /// Reads below a field of an object.
    pub(crate) fn within<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        let outcome = read(self);
        self.path.truncate(length);
        outcome
    }

    /// Reads below an element of a list.
    pub(crate) fn at<T>(&mut self, index: usize, read: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        self.path.push_str(&format!("[{index}]"));
        let outcome = read(self);
        self.path.truncate(length);
        outcome
    }

    pub(crate) fn is_at_root(&self) -> bool {
        self.path.is_empty()
    }

    pub(crate) fn tolerate(&mut self, leniency: Leniency) {
        if self.tolerated.len() < TOLERATED_MAX {
            self.tolerated.push(Tolerated {
                path: self.path.clone(),
                leniency,
            });
        } else if self.tolerated.len() == TOLERATED_MAX {
            self.tolerated.push(Tolerated {
                path: String::new(),
                leniency: Leniency::AndMore,
            });
        }
    }

    pub(crate) fn violation(&self, kind: ViolationKind, problem: impl Into<String>) -> Violation {
        Violation {
            kind,
            path: self.path.clone(),
            problem: problem.into(),
        }
    }

    pub(crate) fn finish<T>(self, value: T) -> Understood<T> {
        Understood {
            value,
            tolerated: self.tolerated,
        }
    }
}
