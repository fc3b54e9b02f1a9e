//! The Remote Trigger profile. OCPP 1.6.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

use super::{MessageTrigger, TriggerMessageStatus};
use crate::wire::object;

object! {
    /// Call of `TriggerMessage`.
    TriggerMessageRequest {
        requested_message: MessageTrigger = "requestedMessage",
    } {
        connector_id: i64 = "connectorId",
    }
    /// Answer to `TriggerMessage`.
    TriggerMessageResponse {
        status: TriggerMessageStatus = "status",
    } {
    }
}
