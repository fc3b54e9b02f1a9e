//! The frames of OCPP-J: CALL, CALLRESULT and CALLERROR, checked against bounds before anything is
//! built from them. Knows no payload.

use std::fmt;

use serde_json::Value;

use crate::reading::{Violation, ViolationKind};
use crate::wire::shown;

/// What a frame may cost. Checked before the JSON is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Longest frame.
    pub bytes_max: usize,
    /// Deepest nesting of lists and objects, the frame's own list included. The deepest message of
    /// 2.0.1 needs 12; vendors' own data may go deeper.
    pub depth_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            bytes_max: 64 * 1024,
            depth_max: 32,
        }
    }
}

/// Longest message id (1.6J section 4.1.4, 2.0.1 part 4 section 4.1.4).
const ID_CHARS_MAX: usize = 36;
/// Longest description of an error (1.6J section 4.2.3).
const DESCRIPTION_CHARS_MAX: usize = 255;

/// Ties an answer to its call. 1 to 36 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(Box<str>);

impl MessageId {
    /// Checks the length; control characters are refused, an id ends up in logs.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty()
            && text.chars().count() <= ID_CHARS_MAX
            && !text.chars().any(char::is_control);
        fits.then(|| Self(text.into()))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One frame, its payload not yet understood.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// Asks for an action.
    Call {
        /// Which the answer repeats.
        id: MessageId,
        /// As the peer spelled it.
        action: String,
        /// What the action needs.
        payload: Value,
    },
    /// Answers a call.
    Result {
        /// Of the call.
        id: MessageId,
        /// What the action gives back.
        payload: Value,
    },
    /// Refuses a call.
    Error {
        /// Of the call.
        id: MessageId,
        /// Why, by the protocol.
        code: ErrorCode,
        /// Why, for people.
        description: String,
        /// More, for machines.
        details: Value,
    },
}

impl Frame {
    /// Reads one text message of the socket.
    ///
    /// # Errors
    /// [`Malformed`] with the id, where it can be read, so that the call can be refused.
    pub fn parse(text: &str, bounds: &Bounds) -> Result<Self, Malformed> {
        if text.len() > bounds.bytes_max {
            let problem = format!(
                "has {} bytes, at most {} are taken",
                text.len(),
                bounds.bytes_max
            );
            return Err(Malformed::without_id(problem));
        }
        if depth(text) > bounds.depth_max {
            let problem = format!("is nested deeper than {}", bounds.depth_max);
            return Err(Malformed::without_id(problem));
        }
        match serde_json::from_str(text) {
            Ok(Value::Array(parts)) => Self::from_parts(parts),
            Ok(_) => Err(Malformed::without_id("is no list")),
            Err(error) => Err(Malformed::without_id(format!("is no JSON: {error}"))),
        }
    }

    fn from_parts(parts: Vec<Value>) -> Result<Self, Malformed> {
        let mut parts = parts.into_iter();
        let kind = parts.next().as_ref().and_then(Value::as_u64);
        let given = parts.next();
        let id = given
            .as_ref()
            .and_then(Value::as_str)
            .and_then(MessageId::new);
        let Some(id) = id else {
            let given = given
                .map(|given| shown(&given.to_string()))
                .unwrap_or_default();
            return Err(Malformed::without_id(format!(
                "has no message id of 1 to {ID_CHARS_MAX} characters: {given}"
            )));
        };
        let answer_to = (kind == Some(2)).then(|| id.clone());
        let malformed = |problem: &str| Malformed {
            answer_to,
            kind: ViolationKind::Format,
            problem: problem.to_owned(),
        };
        let rest: Vec<Value> = parts.collect();
        match (kind, <[Value; 2]>::try_from(rest)) {
            (Some(2), Ok([Value::String(action), payload])) => Ok(Self::Call {
                id,
                action,
                payload,
            }),
            (Some(2), _) => Err(malformed("is a CALL without action and payload")),
            (Some(3), Err(rest)) => match <[Value; 1]>::try_from(rest) {
                Ok([payload]) => Ok(Self::Result { id, payload }),
                Err(_) => Err(malformed("is a CALLRESULT without its one payload")),
            },
            (Some(3), Ok(_)) => Err(malformed("is a CALLRESULT with more than a payload")),
            (Some(4), rest) => {
                let rest = rest.map_or_else(|rest| rest, Vec::from);
                Self::error_from(id, rest)
                    .ok_or_else(|| malformed("is a CALLERROR without its code"))
            }
            (_, _) => Err(malformed(
                "is neither CALL (2), CALLRESULT (3) nor CALLERROR (4)",
            )),
        }
    }

    /// Description and details are left out by many.
    fn error_from(id: MessageId, parts: Vec<Value>) -> Option<Self> {
        let mut parts = parts.into_iter();
        let code = ErrorCode::from_name(parts.next()?.as_str()?);
        let description = parts
            .next()
            .as_ref()
            .and_then(Value::as_str)
            .map(ToOwned::to_owned);
        Some(Self::Error {
            id,
            code,
            description: description.unwrap_or_default(),
            details: parts
                .next()
                .unwrap_or_else(|| Value::Object(serde_json::Map::new())),
        })
    }
}

/// The deepest nesting of a JSON text, without building it. Brackets in texts do not count.
pub(crate) fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in text.bytes() {
        if in_text {
            in_text = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A message of the socket that is no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the frame {problem}")]
pub struct Malformed {
    /// The id of the call, if it is one and has one.
    pub answer_to: Option<MessageId>,
    /// Decides the error code.
    pub kind: ViolationKind,
    /// What is wrong, as a sentence fragment that follows "the frame".
    pub problem: String,
}

impl Malformed {
    fn without_id(problem: impl Into<String>) -> Self {
        Self {
            answer_to: None,
            kind: ViolationKind::Format,
            problem: problem.into(),
        }
    }
}

/// Appends `[2,"id","Action",payload]`.
pub(crate) fn call(id: &MessageId, action: &str, payload: &str) -> String {
    format!("[2,{},{},{payload}]", quoted(id.as_str()), quoted(action))
}

pub(crate) fn result(id: &MessageId, payload: &str) -> String {
    format!("[3,{},{payload}]", quoted(id.as_str()))
}

pub(crate) fn error(id: &str, code: &str, description: &str) -> String {
    let description: String = description.chars().take(DESCRIPTION_CHARS_MAX).collect();
    format!(
        "[4,{},{},{},{{}}]",
        quoted(id),
        quoted(code),
        quoted(&description)
    )
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is always JSON")
}

/// Why a call is refused. One list for all versions; each spells them its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The action is not known.
    NotImplemented,
    /// The action is known and not supported here.
    NotSupported,
    /// We failed.
    InternalError,
    /// The payload is incomplete for the protocol.
    ProtocolError,
    /// A security problem kept us from doing it.
    SecurityError,
    /// The payload has not the form of the message.
    FormatViolation,
    /// A value is not allowed.
    PropertyConstraintViolation,
    /// A field is missing or there too often.
    OccurrenceConstraintViolation,
    /// A value has the wrong type.
    TypeConstraintViolation,
    /// None of the others.
    GenericError,
    /// 2.0.1: the frame itself cannot be read.
    RpcFrameworkError,
    /// 2.0.1: the frame is of an unknown type.
    MessageTypeNotSupported,
}

impl ErrorCode {
    /// Every code, with its name in 1.6J (sic) and in 2.0.1.
    const NAMES: [(Self, &'static str, &'static str); 12] = [
        (Self::NotImplemented, "NotImplemented", "NotImplemented"),
        (Self::NotSupported, "NotSupported", "NotSupported"),
        (Self::InternalError, "InternalError", "InternalError"),
        (Self::ProtocolError, "ProtocolError", "ProtocolError"),
        (Self::SecurityError, "SecurityError", "SecurityError"),
        (
            Self::FormatViolation,
            "FormationViolation",
            "FormatViolation",
        ),
        (
            Self::PropertyConstraintViolation,
            "PropertyConstraintViolation",
            "PropertyConstraintViolation",
        ),
        (
            Self::OccurrenceConstraintViolation,
            "OccurenceConstraintViolation",
            "OccurrenceConstraintViolation",
        ),
        (
            Self::TypeConstraintViolation,
            "TypeConstraintViolation",
            "TypeConstraintViolation",
        ),
        (Self::GenericError, "GenericError", "GenericError"),
        (Self::RpcFrameworkError, "GenericError", "RpcFrameworkError"),
        (
            Self::MessageTypeNotSupported,
            "GenericError",
            "MessageTypeNotSupported",
        ),
    ];

    /// The code of a name in any version's spelling; an unknown one is a [`Self::GenericError`].
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let known = Self::NAMES
            .iter()
            .find(|(_, old, new)| *old == name || *new == name);
        known.map_or(Self::GenericError, |(code, _, _)| *code)
    }

    /// The name in a version's spelling.
    #[must_use]
    pub fn name(self, dialect: Dialect) -> &'static str {
        let (_, old, new) = Self::NAMES
            .iter()
            .find(|(code, _, _)| *code == self)
            .expect("the table holds every code");
        match dialect {
            Dialect::V16 => old,
            Dialect::V201 => new,
        }
    }
}

impl From<ViolationKind> for ErrorCode {
    fn from(kind: ViolationKind) -> Self {
        match kind {
            ViolationKind::Format => Self::FormatViolation,
            ViolationKind::Property => Self::PropertyConstraintViolation,
            ViolationKind::Occurrence => Self::OccurrenceConstraintViolation,
            ViolationKind::Type => Self::TypeConstraintViolation,
        }
    }
}

impl From<&Violation> for ErrorCode {
    fn from(violation: &Violation) -> Self {
        violation.kind.into()
    }
}

/// Where the versions' framing differs: the spelling of error codes, and that 2.0.1 answers a frame
/// without a readable id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// 1.6
    V16,
    /// 2.0.1
    V201,
}

impl Dialect {
    /// The answer to what is no frame, if there is one: 1.6 has none without an id, 2.0.1 answers
    /// with the id `-1` (part 4 section 4.2.3).
    pub(crate) fn answer(self, malformed: &Malformed) -> Option<String> {
        let problem = malformed.to_string();
        match (self, &malformed.answer_to) {
            (Self::V16 | Self::V201, Some(id)) => Some(error(
                id.as_str(),
                ErrorCode::from(malformed.kind).name(self),
                &problem,
            )),
            (Self::V16, None) => None,
            (Self::V201, None) => Some(error(
                "-1",
                ErrorCode::RpcFrameworkError.name(self),
                &problem,
            )),
        }
    }
}
