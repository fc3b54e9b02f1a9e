//! Charging profiles as rows of the journal's file: the call that installed each, in today's writing.

use ocpp::Payload as _;
use ocpp::v16::{Action, Request, SetChargingProfileRequest};
use site_model::SessionId;
use station::charging::Kept;
use station::profiles::Installed;

use crate::store::profiles::Row;

pub(super) fn row(kept: &Kept) -> Row {
    let Installed {
        connector,
        at,
        profile,
    } = &kept.installed;
    let request = SetChargingProfileRequest::new(i64::from(*connector), profile.clone());
    Row {
        profile_id: profile.charging_profile_id,
        installed_at_ms: at.unix_ms(),
        session: kept.session.as_ref().map(ToString::to_string),
        request: Request::from(request).to_json(),
    }
}

/// Why a row is left out.
pub(super) fn kept(row: &Row) -> Result<Kept, String> {
    let value = serde_json::from_str(&row.request).map_err(|error| error.to_string())?;
    let read = Request::parse(Action::SetChargingProfile, value);
    let read = read.map_err(|violation| format!("{} {}", violation.path, violation.problem))?;
    let Request::SetChargingProfile(request) = read.value else {
        return Err("it is no charging profile".to_owned());
    };
    let session = row.session.as_deref().map(SessionId::new).transpose();
    Ok(Kept {
        installed: Installed {
            connector: u8::try_from(request.connector_id).map_err(|error| error.to_string())?,
            at: ocpp::Time::from_unix_ms(row.installed_at_ms).ok_or("its time is none")?,
            profile: request.cs_charging_profiles,
        },
        session: session.map_err(|error| error.to_string())?,
    })
}
