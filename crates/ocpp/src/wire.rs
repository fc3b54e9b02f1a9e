//! How a type is read from and written to JSON, and the three macros that the generated messages
//! are made of: `words!` (enumerations), `object!` (structures), `messages!` (the table of actions).

use serde_json::{Map, Value};

use crate::reading::{Leniency, Reading, Rule, Violation, ViolationKind};

/// A type that stands in a payload.
pub(crate) trait Wire: Sized {
    /// Whether `null` is a value of this type, and not a sloppy "absent".
    const NULL_IS_A_VALUE: bool = false;

    fn read(value: Value, rule: Rule, reading: &mut Reading) -> Result<Self, Violation>;

    /// Appends the JSON text.
    fn write(&self, out: &mut String);
}

/// The fields of an object while they are taken out one by one.
pub(crate) struct Fields<'r> {
    map: Map<String, Value>,
    reading: &'r mut Reading,
}

impl<'r> Fields<'r> {
    pub(crate) fn open(value: Value, reading: &'r mut Reading) -> Result<Self, Violation> {
        match value {
            Value::Object(map) => Ok(Self { map, reading }),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Err(reading.violation(
                if reading.is_at_root() {
                    ViolationKind::Format
                } else {
                    ViolationKind::Type
                },
                format!("must be an object, not {}", kind_of(&value)),
            )),
        }
    }

    pub(crate) fn need<T: Wire>(&mut self, name: &str, rule: Rule) -> Result<T, Violation> {
        let value = self.map.remove(name);
        self.reading.within(name, |reading| match value {
            None => Err(reading.violation(ViolationKind::Occurrence, "is missing")),
            Some(value) => T::read(value, rule, reading),
        })
    }

    pub(crate) fn may<T: Wire>(&mut self, name: &str, rule: Rule) -> Result<Option<T>, Violation> {
        let Some(value) = self.map.remove(name) else {
            return Ok(None);
        };
        self.reading.within(name, |reading| {
            if value.is_null() && !T::NULL_IS_A_VALUE {
                reading.tolerate(Leniency::Null);
                return Ok(None);
            }
            match T::read(value, rule, reading) {
                Ok(read) => Ok(Some(read)),
                Err(violation) if rule == Rule::LeaveOut => {
                    reading.tolerate(Leniency::LeftOut(violation));
                    Ok(None)
                }
                Err(violation) => Err(violation),
            }
        })
    }

    /// What is left is not in the schema. In a closed object that is refused: a limit beside which
    /// something unknown stands is not understood.
    pub(crate) fn close(&mut self, closed: bool) -> Result<(), Violation> {
        for name in self.map.keys() {
            self.reading.within(name, |reading| {
                if closed {
                    return Err(
                        reading.violation(ViolationKind::Format, "is not known beside a limit")
                    );
                }
                reading.tolerate(Leniency::UnknownField);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// What is left, for objects that any field may be added to.
    pub(crate) fn rest(&mut self) -> Map<String, Value> {
        std::mem::take(&mut self.map)
    }
}

/// Writes an object's fields with the commas between them.
pub(crate) struct Writing<'o> {
    out: &'o mut String,
    first: bool,
}

impl<'o> Writing<'o> {
    pub(crate) fn open(out: &'o mut String) -> Self {
        out.push('{');
        Self { out, first: true }
    }

    pub(crate) fn field<T: Wire>(&mut self, name: &str, value: &T) {
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
        name.to_owned().write(self.out);
        self.out.push(':');
        value.write(self.out);
    }

    pub(crate) fn option<T: Wire>(&mut self, name: &str, value: Option<&T>) {
        if let Some(value) = value {
            self.field(name, value);
        }
    }

    pub(crate) fn close(&mut self) {
        self.out.push('}');
    }
}

/// What a JSON value is, for people.
pub(crate) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Finds a word in a list, forgiving upper and lower case. `None` for an unknown word.
pub(crate) fn find_word(
    value: Value,
    words: &[&'static str],
    other: Option<usize>,
    reading: &mut Reading,
) -> Result<usize, Violation> {
    let Value::String(sent) = value else {
        return Err(reading.violation(
            ViolationKind::Type,
            format!("must be a text, not {}", kind_of(&value)),
        ));
    };
    if let Some(index) = words.iter().position(|word| *word == sent) {
        return Ok(index);
    }
    if let Some(index) = words
        .iter()
        .position(|word| word.eq_ignore_ascii_case(&sent))
    {
        reading.tolerate(Leniency::OtherCase(shown(&sent)));
        return Ok(index);
    }
    if let Some(index) = other {
        reading.tolerate(Leniency::UnknownWord(shown(&sent)));
        return Ok(index);
    }
    Err(reading.violation(
        ViolationKind::Property,
        format!("is {:?}, which is not one of the known words", shown(&sent)),
    ))
}

/// A peer's text, short enough for a message to people.
pub(crate) fn shown(sent: &str) -> String {
    sent.chars().take(40).collect()
}

/// Enumerations. What stands after `else` is what an unknown word is read as.
macro_rules! words {
    ($($(#[$meta:meta])* $name:ident $(else $other:ident)? { $($word:ident = $text:literal,)* })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`")] $word,)*
        }

        impl $name {
            /// Every word, in the schema's order.
            pub const ALL: &'static [Self] = &[$(Self::$word,)*];
            const TEXTS: &'static [&'static str] = &[$($text,)*];

            /// The word as it is spelled on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => $text,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::wire::Wire for $name {
            fn read(
                value: serde_json::Value,
                _: $crate::reading::Rule,
                reading: &mut $crate::reading::Reading,
            ) -> Result<Self, $crate::Violation> {
                let other: &[Self] = &[$(Self::$other)?];
                let other = other.first().and_then(|other| Self::ALL.iter().position(|word| word == other));
                let index = $crate::wire::find_word(value, Self::TEXTS, other, reading)?;
                Ok(Self::ALL[index])
            }

            fn write(&self, out: &mut String) {
                out.push('"');
                out.push_str(self.as_str());
                out.push('"');
            }
        }
    )*};
}

/// Structures: first the fields that must be there, then those that may be. `closed` objects
/// refuse unknown fields. A rule of reading stands after the name on the wire.
macro_rules! object {
    ($($(#[$meta:meta])* $name:ident $($closed:ident)? {
        $($need:ident: $needed:ty = $need_text:literal $($need_rule:ident)?,)*
    } {
        $($may:ident: $optional:ty = $may_text:literal $($may_rule:ident)?,)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $(#[doc = concat!("`", $need_text, "`")] pub $need: $needed,)*
            $(#[doc = concat!("`", $may_text, "`, optional")] pub $may: Option<$optional>,)*
        }

        $crate::wire::constructor! { $name { $($need: $needed,)* } { $($may,)* } }

        impl $crate::wire::Wire for $name {
            fn read(
                value: serde_json::Value,
                _: $crate::reading::Rule,
                reading: &mut $crate::reading::Reading,
            ) -> Result<Self, $crate::Violation> {
                let fields = &mut $crate::wire::Fields::open(value, reading)?;
                let read = Self {
                    $($need: fields.need($need_text, $crate::wire::rule!($($need_rule)?))?,)*
                    $($may: fields.may($may_text, $crate::wire::rule!($($may_rule)?))?,)*
                };
                fields.close($crate::wire::closed!($($closed)?))?;
                Ok(read)
            }

            fn write(&self, out: &mut String) {
                let writing = &mut $crate::wire::Writing::open(out);
                $(writing.field($need_text, &self.$need);)*
                $(writing.option($may_text, self.$may.as_ref());)*
                writing.close();
            }
        }
    )*};
}

/// `new` takes what must be there; a structure that may be empty has `default` instead.
macro_rules! constructor {
    ($name:ident {} { $($may:ident,)* }) => {
        impl Default for $name {
            fn default() -> Self {
                Self { $($may: None,)* }
            }
        }
    };
    ($name:ident { $($need:ident: $needed:ty,)+ } { $($may:ident,)* }) => {
        impl $name {
            /// With what must be there, and nothing else.
            #[must_use]
            pub fn new($($need: $needed,)+) -> Self {
                Self { $($need,)+ $($may: None,)* }
            }
        }
    };
}

macro_rules! rule {
    () => {
        $crate::reading::Rule::Plain
    };
    (label) => {
        $crate::reading::Rule::Label
    };
    (exact) => {
        $crate::reading::Rule::Exact
    };
    (nonzero) => {
        $crate::reading::Rule::NotZero
    };
    (lossy) => {
        $crate::reading::Rule::LeaveOut
    };
}

macro_rules! closed {
    () => {
        false
    };
    (closed) => {
        true
    };
}

/// The table of a version's actions: who sends each, its request and its response.
macro_rules! messages {
    ($($action:ident = $text:literal, $sender:ident, $request:ident, $response:ident;)*) => {
        /// What a call asks for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action {
            $(#[doc = concat!("`", $text, "`")] $action,)*
        }

        impl $crate::Action for Action {
            const ALL: &'static [Self] = &[$(Self::$action,)*];

            fn name(self) -> &'static str {
                match self {
                    $(Self::$action => $text,)*
                }
            }

            fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|action| action.name() == name)
            }

            fn sender(self) -> $crate::Sender {
                match self {
                    $(Self::$action => $crate::Sender::$sender,)*
                }
            }
        }

        impl std::fmt::Display for Action {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::Action::name(*self))
            }
        }

        $crate::wire::payloads! { Request, "The payload of a call."; $($action, $request;)* }
        $crate::wire::payloads! { Response, "The payload of an answer."; $($action, $response;)* }
    };
}

/// One of the two sums over all actions.
macro_rules! payloads {
    ($sum:ident, $doc:literal; $($action:ident, $payload:ident;)*) => {
        #[doc = $doc]
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $sum {
            $(#[doc = concat!("[`", stringify!($payload), "`]")] $action($payload),)*
        }

        impl $crate::Payload for $sum {
            type Action = Action;

            fn action(&self) -> Action {
                match self {
                    $(Self::$action(_) => Action::$action,)*
                }
            }

            fn parse(
                action: Action,
                payload: serde_json::Value,
            ) -> Result<$crate::Understood<Self>, $crate::Violation> {
                let mut reading = $crate::reading::Reading::default();
                let rule = $crate::reading::Rule::Plain;
                let read = match action {
                    $(Action::$action => Self::$action($crate::wire::Wire::read(payload, rule, &mut reading)?),)*
                };
                Ok(reading.finish(read))
            }

            fn write_json(&self, out: &mut String) {
                match self {
                    $(Self::$action(payload) => $crate::wire::Wire::write(payload, out),)*
                }
            }
        }

        $(impl From<$payload> for $sum {
            fn from(payload: $payload) -> Self {
                Self::$action(payload)
            }
        })*
    };
}

pub(crate) use {closed, constructor, messages, object, payloads, rule, words};
