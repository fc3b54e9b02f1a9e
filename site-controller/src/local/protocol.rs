//! The lines that travel on the local socket.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use site_model::{ChargePointId, CommandId, CommandKind, ConnectorId, IdTag, Outcome};
use site_wire::v1::Order;

use super::report::StatusReport;
use crate::ocpp::Shown;
use crate::runtime::{LocalOrder, LocalTag};

/// Longest line either way.
pub(super) const LINE_MAX_BYTES: usize = 256 * 1024;
/// Longest time a command may take.
const TIMEOUT_MAX_MS: u64 = 600_000;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// What the site looks like.
    Status {},
    /// An order; answered when its fate is known.
    Command {
        /// Charge point.
        charge_point_id: String,
        /// Connector.
        connector_id: u8,
        /// What to do.
        order: Order,
        /// How long it may take.
        timeout_ms: u64,
        /// Who asks again with the same id gets the same fate.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command_id: Option<String>,
    },
    /// Somebody presents a tag; answered when it is judged.
    PresentTag {
        /// Charge point.
        charge_point_id: String,
        /// Connector.
        connector_id: u8,
        /// The tag, as its reader spells it.
        id_tag: String,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// To a status request.
    Status {
        /// The site.
        status: Box<StatusReport>,
    },
    /// To a command.
    Command {
        /// Its id.
        command_id: String,
        /// `applied`, `expired`, `superseded` or `refused`.
        outcome: String,
        /// Why it was refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// To a presented tag.
    Tag {
        /// `accepted`, `stopping` or `refused`.
        outcome: String,
        /// Why it was refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The request was not understood.
    Error {
        /// A sentence.
        message: String,
    },
}

impl Answer {
    pub(super) fn shown(shown: Shown) -> Self {
        let (outcome, reason) = match shown {
            Shown::Accepted => ("accepted", None),
            Shown::Stops => ("stopping", None),
            Shown::Refused(reason) => ("refused", Some(reason.to_owned())),
        };
        Self::Tag {
            outcome: outcome.to_owned(),
            reason,
        }
    }

    pub(super) fn fate(id: &CommandId, outcome: Outcome) -> Self {
        let (word, reason) = match outcome {
            Outcome::Applied => ("applied", None),
            Outcome::Expired => ("expired", None),
            Outcome::Superseded => ("superseded", None),
            Outcome::Refused(reason) => ("refused", Some(reason.as_str().to_owned())),
        };
        Self::Command {
            command_id: id.to_string(),
            outcome: word.to_owned(),
            reason,
        }
    }
}

/// A request that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Status,
    Order(LocalOrder),
    Tag(LocalTag),
}

impl TryFrom<Request> for Wanted {
    type Error = String;

    /// The error is a sentence.
    fn try_from(request: Request) -> Result<Self, String> {
        let charge_point = |id: &str| ChargePointId::new(id).map_err(|error| error.to_string());
        let connector = |number| ConnectorId::new(number).map_err(|error| error.to_string());
        let (charge_point_id, connector_id, order, timeout_ms, command_id) = match request {
            Request::Status {} => return Ok(Self::Status),
            Request::PresentTag {
                charge_point_id,
                connector_id,
                id_tag,
            } => {
                return Ok(Self::Tag(LocalTag {
                    charge_point: charge_point(&charge_point_id)?,
                    connector: connector(connector_id)?,
                    id_tag: IdTag::new(&id_tag).map_err(|error| error.to_string())?,
                }));
            }
            Request::Command {
                charge_point_id,
                connector_id,
                order,
                timeout_ms,
                command_id,
            } => (charge_point_id, connector_id, order, timeout_ms, command_id),
        };
        if !(1..=TIMEOUT_MAX_MS).contains(&timeout_ms) {
            return Err(format!("timeout_ms must be 1 to {TIMEOUT_MAX_MS}"));
        }
        Ok(Self::Order(LocalOrder {
            id: command_id
                .map(|id| CommandId::new(&id))
                .transpose()
                .map_err(|error| error.to_string())?,
            charge_point: charge_point(&charge_point_id)?,
            connector: connector(connector_id)?,
            kind: CommandKind::try_from(&order).map_err(|error| error.to_string())?,
            timeout: Duration::from_millis(timeout_ms),
        }))
    }
}
