//! Whether a tag may charge.

use ocpp::v16::{AuthorizationStatus, AuthorizeRequest, AuthorizeResponse, IdTagInfo};
use ocpp::{Text, Time};

use super::{Central, Known, failed};
use crate::db::DbError;
use crate::id_token::TokenStatus;
use crate::station::Refused;

impl Central {
    pub(super) async fn authorize(
        &self,
        known: &Known,
        request: &AuthorizeRequest,
    ) -> Result<AuthorizeResponse, Refused> {
        let info = self.judge(known, request.id_tag.as_str()).await?;
        Ok(AuthorizeResponse::new(info))
    }

    /// What a charge point is told of a tag. One that nobody knows is invalid, and so is one whose
    /// row cannot be read: it authorizes nobody, and what was charged on it must still be booked.
    pub(super) async fn judge(&self, known: &Known, id_tag: &str) -> Result<IdTagInfo, Refused> {
        let tokens = &self.0.id_tokens;
        let token = match tokens.with_tag(&known.organisation, id_tag).await {
            Ok(Some(token)) => token,
            Ok(None) => return Ok(IdTagInfo::new(AuthorizationStatus::Invalid)),
            Err(error @ DbError::Column { .. }) => {
                let organisation = &known.organisation;
                tracing::error!(%organisation, %error, "A token is damaged and counts as invalid; delete it and create it again");
                return Ok(IdTagInfo::new(AuthorizationStatus::Invalid));
            }
            Err(error) => return Err(failed(error)),
        };
        let status = match token.status_at(self.now()) {
            TokenStatus::Accepted => AuthorizationStatus::Accepted,
            TokenStatus::Blocked => AuthorizationStatus::Blocked,
            TokenStatus::Expired => AuthorizationStatus::Expired,
            TokenStatus::Invalid => AuthorizationStatus::Invalid,
        };
        let expiry = token.expires_at.map(jiff::Timestamp::as_millisecond);
        Ok(IdTagInfo {
            status,
            expiry_date: expiry.and_then(Time::from_unix_ms),
            parent_id_tag: token.parent.and_then(|parent| Text::new(parent).ok()),
        })
    }
}
