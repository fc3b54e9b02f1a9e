//! The Local Auth List Management profile. OCPP 1.6.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

use super::{AuthorizationData, UpdateStatus, UpdateType};
use crate::wire::object;

object! {
    /// Call of `GetLocalListVersion`.
    GetLocalListVersionRequest {
    } {
    }
    /// Answer to `GetLocalListVersion`.
    GetLocalListVersionResponse {
        list_version: i64 = "listVersion",
    } {
    }
    /// Call of `SendLocalList`.
    SendLocalListRequest {
        list_version: i64 = "listVersion",
        update_type: UpdateType = "updateType",
    } {
        local_authorization_list: Vec<AuthorizationData> = "localAuthorizationList",
    }
    /// Answer to `SendLocalList`.
    SendLocalListResponse {
        status: UpdateStatus = "status",
    } {
    }
}
