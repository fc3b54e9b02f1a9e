//! An order as a request's body names it, and what it is in OCPP 1.6.

use jiff::Timestamp;
use serde_json::{Value, json};
use site_model::SessionId;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use super::Ready;
use crate::command::CommandName;
use crate::http::body::{Fields, FromFields};
use crate::http::document::one_of;
use crate::http::error::{ApiError, Detail};
use crate::http::state::ApiState;
use crate::id::OrganisationId;
use crate::ocpp16::PowerLimit;
use crate::ocpp16::orders::{Call, camel_cased, list_entry};

/// Seconds an answer is waited for unless asked otherwise, and at most.
pub(in crate::http::routes) const TIMEOUT_S: u32 = 10;
pub(in crate::http::routes) const TIMEOUT_MAX_S: u32 = 60;
/// Greatest number of a connector.
const CONNECTOR_MAX: u32 = 255;
/// Greatest limit, W.
const LIMIT_MAX_W: u32 = 10_000_000;
/// Longest address for firmware and diagnostics, in characters.
const URL_MAX: usize = 512;
/// Entries of a local list that is made from the organisation's tokens.
const LIST_MAX: u32 = 1_000;

/// An order.
#[derive(Debug, Clone, ToSchema)]
pub(crate) struct CommandOrder {
    /// What is ordered.
    #[schema(schema_with = names)]
    pub(super) command: CommandName,
    /// With what: start_session {connector_id?, id_tag}, stop_session {transaction_id or session_id},
    /// set_available and set_unavailable {connector_id, 0 is all}, soft_reset {}, hard_reset {},
    /// set_power_limit {connector_id, limit_watts}, clear_power_limit {connector_id},
    /// unlock_connector {connector_id}, update_firmware {firmware_url, retrieve_date?},
    /// get_diagnostics {upload_url}, send_local_list {list_version, local_authorization_list?, made
    /// from the organisation's tokens if left out}. Local lists follow the organisation's tokens by
    /// themselves; a list of your own stays until one is sent that is made from the tokens.
    #[schema(value_type = Option<Object>)]
    pub(super) parameters: Value,
    /// How long the answer is waited for; 10 if left out.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 60)]
    pub(super) timeout_seconds: u32,
    #[schema(ignore)]
    pub(super) wish: Wish,
}

/// What is wished for, read from the parameters.
#[derive(Debug, Clone)]
pub(in crate::http::routes) enum Wish {
    Start {
        connector: Option<u32>,
        id_tag: String,
    },
    StopTransaction(u32),
    StopSession(SessionId),
    Available {
        connector: u32,
        operative: bool,
    },
    Reset {
        hard: bool,
    },
    Limit {
        connector: u32,
        watts: u32,
    },
    ClearLimit {
        connector: u32,
    },
    Unlock {
        connector: u32,
    },
    Firmware {
        url: String,
        retrieve: Option<Timestamp>,
    },
    Diagnostics {
        url: String,
    },
    LocalList {
        version: u32,
        list: Option<Vec<Value>>,
    },
}

impl FromFields for CommandOrder {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let name = fields.required("command").and_then(|value| {
            let name = value.as_str().and_then(CommandName::parse);
            if name.is_none() {
                let all: Vec<_> = CommandName::ALL.iter().map(|name| name.as_str()).collect();
                fields.fault("command", format!("must be one of {}", all.join(", ")));
            }
            name
        });
        let timeout_seconds = fields.integer("timeout_seconds", 1..=TIMEOUT_MAX_S);
        let mut nested = fields.nested("parameters")?;
        let Some(command) = name else {
            // What the parameters must be depends on the command.
            let _unread = nested.rest();
            return None;
        };
        let parameters = nested.shown();
        let wish = wish(command, &mut nested);
        fields.absorb("parameters", nested);
        Some(Self {
            command,
            parameters,
            timeout_seconds: timeout_seconds.unwrap_or(TIMEOUT_S),
            wish: wish?,
        })
    }
}

fn wish(name: CommandName, fields: &mut Fields) -> Option<Wish> {
    match name {
        CommandName::StartSession => {
            let connector = fields.integer("connector_id", 1..=CONNECTOR_MAX);
            let id_tag = fields.text("id_tag", 1..=20);
            Some(Wish::Start {
                connector,
                id_tag: id_tag?,
            })
        }
        CommandName::StopSession => stop(fields),
        CommandName::SetAvailable | CommandName::SetUnavailable => Some(Wish::Available {
            connector: required(fields, "connector_id", 0, CONNECTOR_MAX)?,
            operative: name == CommandName::SetAvailable,
        }),
        CommandName::SoftReset => Some(Wish::Reset { hard: false }),
        CommandName::HardReset => Some(Wish::Reset { hard: true }),
        CommandName::SetPowerLimit => {
            let connector = required(fields, "connector_id", 0, CONNECTOR_MAX);
            let watts = required(fields, "limit_watts", 0, LIMIT_MAX_W);
            Some(Wish::Limit {
                connector: connector?,
                watts: watts?,
            })
        }
        CommandName::ClearPowerLimit => Some(Wish::ClearLimit {
            connector: required(fields, "connector_id", 0, CONNECTOR_MAX)?,
        }),
        CommandName::UnlockConnector => Some(Wish::Unlock {
            connector: required(fields, "connector_id", 1, CONNECTOR_MAX)?,
        }),
        CommandName::UpdateFirmware => {
            let url = fields.text("firmware_url", 1..=URL_MAX);
            let retrieve = fields.time("retrieve_date");
            Some(Wish::Firmware {
                url: url?,
                retrieve,
            })
        }
        CommandName::GetDiagnostics => Some(Wish::Diagnostics {
            url: fields.text("upload_url", 1..=URL_MAX)?,
        }),
        CommandName::SendLocalList => local_list(fields),
    }
}

fn stop(fields: &mut Fields) -> Option<Wish> {
    let transaction = fields.integer("transaction_id", 1..=u32::MAX >> 1);
    let session = fields.optional_text("session_id", 1..=64);
    let is_clean = |fields: &mut Fields, session: &str| {
        let id = SessionId::new(session).ok();
        if id.is_none() {
            fields.fault("session_id", "is no id of a session");
        }
        id
    };
    match (transaction, session) {
        (Some(transaction), None) => Some(Wish::StopTransaction(transaction)),
        (None, Some(session)) => is_clean(fields, &session).map(Wish::StopSession),
        (Some(_), Some(_)) => {
            fields.fault("session_id", "cannot be given together with transaction_id");
            None
        }
        (None, None) => {
            fields.fault("transaction_id", "is required, or session_id");
            None
        }
    }
}

fn local_list(fields: &mut Fields) -> Option<Wish> {
    let version = required(fields, "list_version", 1, u32::MAX >> 1);
    let list = match fields.optional("local_authorization_list") {
        None => None,
        Some(Value::Array(items)) => Some(items.into_iter().map(camel_cased).collect()),
        Some(_) => {
            fields.fault("local_authorization_list", "must be an array");
            return None;
        }
    };
    Some(Wish::LocalList {
        version: version?,
        list,
    })
}

/// A required integer in a range.
fn required(fields: &mut Fields, name: &str, least: u32, most: u32) -> Option<u32> {
    let value = fields.required(name)?;
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    let number = number.filter(|number| (least..=most).contains(number));
    if number.is_none() {
        fields.fault(name, format!("must be an integer from {least} to {most}"));
    }
    number
}

impl CommandOrder {
    /// Whether it starts or stops a session, which `write:sessions` suffices for.
    pub(super) fn is_about_a_session(&self) -> bool {
        matches!(
            self.command,
            CommandName::StartSession | CommandName::StopSession
        )
    }

    /// What it is in OCPP, which may need a look at sessions and tokens.
    pub(super) async fn ready(
        self,
        state: &ApiState,
        organisation: &OrganisationId,
    ) -> Result<Ready, ApiError> {
        Ok(Ready {
            command: self.command.as_str().to_owned(),
            parameters: self.parameters,
            call: self.wish.call(state, organisation).await?,
            timeout_s: self.timeout_seconds,
        })
    }
}

impl Wish {
    pub(in crate::http::routes) async fn call(
        self,
        state: &ApiState,
        organisation: &OrganisationId,
    ) -> Result<Call, ApiError> {
        let now = state.clock().now();
        let call = match self {
            Self::Start { connector, id_tag } => Call::start(connector.map(i64::from), &id_tag),
            Self::StopTransaction(transaction) => Call::stop(transaction.into()),
            Self::StopSession(session) => {
                Call::stop(transaction_of(state, organisation, &session).await?)
            }
            Self::Available {
                connector,
                operative,
            } => Call::availability(connector.into(), operative),
            Self::Reset { hard } => Call::reset(hard),
            Self::Limit { connector, watts } => {
                Call::power_limit(PowerLimit::new(connector.into(), watts.into()), now)
            }
            Self::ClearLimit { connector } => Call::clear_limit(connector.into()),
            Self::Unlock { connector } => Call::unlock(connector.into()),
            Self::Firmware { url, retrieve } => Call::firmware(&url, retrieve.unwrap_or(now)),
            Self::Diagnostics { url } => Call::diagnostics(&url),
            Self::LocalList {
                version,
                list: Some(list),
            } => Call::local_list(version.into(), list),
            Self::LocalList {
                version,
                list: None,
            } => {
                let tokens = &state.stores().id_tokens;
                let of = tokens.version(organisation).await?;
                let tokens = tokens.all(organisation, LIST_MAX).await?;
                let list = tokens.iter().map(|token| list_entry(token, now)).collect();
                let call = Call::local_list(version.into(), list);
                call.map(|mut call| {
                    call.mark.token_version = Some(of);
                    call
                })
            }
        };
        call.map_err(invalid)
    }
}

/// The transaction of a session that runs.
async fn transaction_of(
    state: &ApiState,
    organisation: &OrganisationId,
    session: &SessionId,
) -> Result<i64, ApiError> {
    let found = state.stores().sessions.find(session).await?;
    let found = found.filter(|session| session.organisation == *organisation);
    let Some(session) = found else {
        let fault = "is not a session of the organisation";
        return Err(invalid((
            "parameters.session_id".to_owned(),
            fault.to_owned(),
        )));
    };
    if session.ended_at.is_some() {
        return Err(ApiError::conflict("Refused: the session has ended."));
    }
    let transaction = session.transaction.and_then(|text| text.parse().ok());
    transaction.ok_or_else(|| {
        ApiError::conflict("Refused: the session has no OCPP transaction that could be stopped.")
    })
}

/// 400 for one field.
pub(in crate::http::routes) fn invalid((field, fault): (String, String)) -> ApiError {
    ApiError::invalid_request(vec![Detail::new(field, fault)])
}

fn names() -> Object {
    one_of(
        CommandName::ALL.iter().map(|name| name.as_str()),
        "start_session",
    )
}

/// What a start of a session is, as it is kept with the command.
pub(in crate::http::routes) fn start_parameters(connector: Option<u32>, id_tag: &str) -> Value {
    match connector {
        Some(connector) => json!({ "connector_id": connector, "id_tag": id_tag }),
        None => json!({ "id_tag": id_tag }),
    }
}
