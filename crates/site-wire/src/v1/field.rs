//! Where a message is not what it should be: every conversion into the model fails with the field's name.

use site_model::{
    BootId, ChargePointId, CommandId, ConnectorId, IdTag, InvalidId, JournalId, SessionId,
};

/// A field whose content the model does not admit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field `{field}`: {problem}")]
pub struct BadField {
    /// Name of the field in the message.
    pub field: &'static str,
    /// What is wrong with it, and what would be right.
    pub problem: String,
}

impl BadField {
    pub(crate) fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self {
            field,
            problem: problem.into(),
        }
    }
}

fn id<T>(field: &'static str, parsed: Result<T, InvalidId>) -> Result<T, BadField> {
    parsed.map_err(|invalid| BadField::new(field, invalid.to_string()))
}

pub(crate) fn charge_point(text: &str) -> Result<ChargePointId, BadField> {
    id("charge_point_id", ChargePointId::new(text))
}

pub(crate) fn connector(number: u8) -> Result<ConnectorId, BadField> {
    id("connector_id", ConnectorId::new(number))
}

pub(crate) fn journal(text: &str) -> Result<JournalId, BadField> {
    id("damaged_journal_id", JournalId::new(text))
}

pub(crate) fn session(text: &str) -> Result<SessionId, BadField> {
    id("session_id", SessionId::new(text))
}

pub(crate) fn command(text: &str) -> Result<CommandId, BadField> {
    id("command_id", CommandId::new(text))
}

pub(crate) fn id_tag(text: &str) -> Result<IdTag, BadField> {
    id("id_tag", IdTag::new(text))
}

/// One of a closed list of words, told apart by the model's own `parse`.
pub(crate) fn word<T>(
    field: &'static str,
    text: &str,
    parse: fn(&str) -> Option<T>,
) -> Result<T, BadField> {
    parse(text)
        .ok_or_else(|| BadField::new(field, format!("`{text}` is no word this version knows")))
}

/// 16 hex digits.
pub(crate) fn boot(field: &'static str, text: &str) -> Result<BootId, BadField> {
    let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits
        .then(|| u64::from_str_radix(text, 16).ok())
        .flatten()
        .map(BootId)
        .ok_or_else(|| BadField::new(field, format!("`{text}` is not 16 hex digits")))
}
