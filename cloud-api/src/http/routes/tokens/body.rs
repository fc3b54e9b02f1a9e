//! A token as answers show it and requests describe it.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use crate::http::body::{Fields, FromFields};
use crate::http::document::one_of;
use crate::http::time;
use crate::id_token::{Token, TokenDetails, TokenStatus, TokenType};

/// Longest `id_tag` (OCPP 1.6, IdToken: CiString20Type), in characters.
const TAG_MAX: usize = 20;
/// Longest text of the organisation's own.
const TEXT_MAX: usize = 64;

/// A token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub(crate) struct TokenBody {
    /// Its id.
    #[schema(example = "tok_01hx2b3c4d5e6f7g8h9jkmnpqr")]
    id: String,
    /// What identifies it at a charge point; the case of letters does not count.
    #[schema(example = "04A1B2C3D4E5F6")]
    id_tag: String,
    /// What shows it.
    #[schema(schema_with = types)]
    r#type: &'static str,
    /// Whether it may charge; an accepted one is `expired` after `expires_at`.
    #[schema(schema_with = statuses)]
    status: &'static str,
    /// When it stops being accepted; null if it does not.
    #[schema(required, format = DateTime)]
    expires_at: Option<String>,
    /// The tag whose holder may stop what this one started.
    #[schema(required)]
    parent: Option<String>,
    /// Whose it is, in the organisation's own words.
    #[schema(required)]
    user_id: Option<String>,
    /// What it is grouped by, in the organisation's own words.
    #[schema(required)]
    group: Option<String>,
    /// When it was created.
    #[schema(format = DateTime, example = "2026-05-01T09:00:00Z")]
    created_at: String,
    /// When it was changed last.
    #[schema(format = DateTime, example = "2026-05-01T09:00:00Z")]
    updated_at: String,
}

impl TokenBody {
    pub(super) fn of(token: Token, now: Timestamp) -> Self {
        Self {
            id: token.id.to_string(),
            r#type: token.kind.as_str(),
            status: token.status_at(now).as_str(),
            id_tag: token.id_tag,
            expires_at: token.expires_at.map(time::shown),
            parent: token.parent,
            user_id: token.user,
            group: token.group,
            created_at: time::shown(token.created_at),
            updated_at: time::shown(token.updated_at),
        }
    }
}

/// A token to create.
#[derive(Debug, ToSchema)]
pub(crate) struct NewToken {
    /// What identifies it at a charge point: printable ASCII without blanks; unique within the
    /// organisation, whatever the case of its letters.
    #[schema(min_length = 1, max_length = 20, example = "04A1B2C3D4E5F6")]
    pub(super) id_tag: String,
    /// What shows it; `RFID` if left out.
    #[schema(schema_with = types, required = false)]
    pub(super) r#type: TokenType,
    /// Whether it may charge; `accepted` if left out.
    #[schema(schema_with = statuses, required = false)]
    pub(super) status: TokenStatus,
    /// When it stops being accepted.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) expires_at: Option<Timestamp>,
    /// The tag whose holder may stop what this one started.
    #[schema(min_length = 1, max_length = 20)]
    pub(super) parent: Option<String>,
    /// Whose it is, in your own words.
    #[schema(min_length = 1, max_length = 64)]
    pub(super) user_id: Option<String>,
    /// What it is grouped by, in your own words.
    #[schema(min_length = 1, max_length = 64)]
    pub(super) group: Option<String>,
}

/// What of a token is to change; what is left out stays, null takes away.
#[derive(Debug, ToSchema)]
pub(crate) struct TokenChange {
    /// See `POST /tokens`.
    #[schema(min_length = 1, max_length = 20)]
    id_tag: Option<String>,
    /// See `POST /tokens`.
    #[schema(schema_with = types, required = false)]
    r#type: Option<TokenType>,
    /// See `POST /tokens`.
    #[schema(schema_with = statuses, required = false)]
    status: Option<TokenStatus>,
    /// See `POST /tokens`.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<Timestamp>>,
    /// See `POST /tokens`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 20)]
    parent: Option<Option<String>>,
    /// See `POST /tokens`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64)]
    user_id: Option<Option<String>>,
    /// See `POST /tokens`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64)]
    group: Option<Option<String>>,
}

impl FromFields for NewToken {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let id_tag = fields.text("id_tag", 1..=TAG_MAX);
        let change = TokenChange::but_tag(fields);
        check_tag(fields, "id_tag", id_tag.as_deref());
        Some(Self {
            id_tag: id_tag?,
            r#type: change.r#type.unwrap_or(TokenType::Rfid),
            status: change.status.unwrap_or(TokenStatus::Accepted),
            expires_at: change.expires_at.flatten(),
            parent: change.parent.flatten(),
            user_id: change.user_id.flatten(),
            group: change.group.flatten(),
        })
    }
}

impl From<NewToken> for TokenDetails {
    fn from(new: NewToken) -> Self {
        Self {
            id_tag: new.id_tag,
            kind: new.r#type,
            status: new.status,
            expires_at: new.expires_at,
            parent: new.parent,
            user: new.user_id,
            group: new.group,
        }
    }
}

impl FromFields for TokenChange {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let id_tag = fields.optional_text("id_tag", 1..=TAG_MAX);
        check_tag(fields, "id_tag", id_tag.as_deref());
        let change = Self::but_tag(fields);
        Some(Self { id_tag, ..change })
    }
}

impl TokenChange {
    fn but_tag(fields: &mut Fields) -> Self {
        let parent = fields.nullable("parent", |fields| fields.text("parent", 1..=TAG_MAX));
        check_tag(fields, "parent", parent.clone().flatten().as_deref());
        Self {
            id_tag: None,
            r#type: fields.word("type", "RFID, app", TokenType::parse),
            status: status(fields),
            expires_at: fields.nullable("expires_at", |fields| fields.time("expires_at")),
            parent,
            user_id: fields.nullable("user_id", |fields| fields.text("user_id", 1..=TEXT_MAX)),
            group: fields.nullable("group", |fields| fields.text("group", 1..=TEXT_MAX)),
        }
    }

    /// What the token is after the change.
    pub(super) fn of(self, token: Token) -> TokenDetails {
        TokenDetails {
            id_tag: self.id_tag.unwrap_or(token.id_tag),
            kind: self.r#type.unwrap_or(token.kind),
            status: self.status.unwrap_or(token.status),
            expires_at: self.expires_at.unwrap_or(token.expires_at),
            parent: self.parent.unwrap_or(token.parent),
            user: self.user_id.unwrap_or(token.user),
            group: self.group.unwrap_or(token.group),
        }
    }
}

/// Who writes null means no status, which must not become one that authorizes.
fn status(fields: &mut Fields) -> Option<TokenStatus> {
    const WORDS: &str = "accepted, blocked, expired, invalid";
    let word = |fields: &mut Fields| fields.word("status", WORDS, TokenStatus::parse);
    let status = fields.nullable("status", word);
    if status == Some(None) {
        fields.fault("status", format!("must be one of {WORDS}"));
    }
    status.flatten()
}

fn check_tag(fields: &mut Fields, name: &str, tag: Option<&str>) {
    if tag.is_some_and(|tag| !tag.bytes().all(|byte| byte.is_ascii_graphic())) {
        fields.fault(name, "must be printable ASCII characters without blanks");
    }
}

fn types() -> Object {
    one_of(TokenType::ALL.iter().map(|kind| kind.as_str()), "RFID")
}

fn statuses() -> Object {
    let all = TokenStatus::ALL.iter();
    one_of(all.map(|status| status.as_str()), "accepted")
}
