//! Who may connect, and what each may publish and subscribe to.

use std::{
    collections::HashSet,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{PoisonError, RwLock},
};

use mqtt5::{
    MqttError,
    broker::{AuthProvider, AuthResult},
    packet::connect::ConnectPacket,
    protocol::v5::reason_codes::ReasonCode,
};
use site_model::GatewayId;
use site_wire::topics::{self, INGEST_FILTERS, Incoming, Topics};

use crate::{
    gateway::Gateways,
    secret::{Secret, equal_in_constant_time},
};

/// User name of the cloud's own connection. No gateway has it: theirs begin with `gw_`.
pub(super) const INGEST_USER: &str = "ingest";

type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The door of the broker.
pub(super) struct Gate {
    gateways: Gateways,
    ingest_password: Secret<String>,
    revoked: RwLock<HashSet<GatewayId>>,
}

impl Gate {
    pub(super) fn new(gateways: Gateways, ingest_password: Secret<String>) -> Self {
        Self {
            gateways,
            ingest_password,
            revoked: RwLock::default(),
        }
    }

    /// Reads who is revoked, and answers those that are new in the list.
    pub(super) async fn refresh_revoked(&self) -> Vec<GatewayId> {
        let now: HashSet<GatewayId> = match self.gateways.revoked().await {
            Ok(revoked) => revoked.into_iter().collect(),
            Err(error) => {
                tracing::warn!(%error, "Revoked gateways could not be read; trying again");
                return Vec::new();
            }
        };
        let mut known = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        let fresh = now.difference(&known).cloned().collect();
        *known = now;
        fresh
    }

    fn is_revoked(&self, gateway: &GatewayId) -> bool {
        let revoked = self.revoked.read().unwrap_or_else(PoisonError::into_inner);
        revoked.contains(gateway)
    }

    async fn admit(&self, connect: &ConnectPacket) -> Result<String, ReasonCode> {
        let (Some(user), Some(password)) = (&connect.username, &connect.password) else {
            return Err(ReasonCode::NotAuthorized);
        };
        let password =
            std::str::from_utf8(password).map_err(|_| ReasonCode::BadUsernameOrPassword)?;
        self.check_password(user, password).await?;
        // A client id belongs to its user: nobody can take over another one's connection.
        if !is_client_id_of(user, &connect.client_id) {
            return Err(ReasonCode::ClientIdentifierNotValid);
        }
        if let Some(will) = &connect.will
            && !self.may_publish(user, &will.topic)
        {
            return Err(ReasonCode::NotAuthorized);
        }
        Ok(user.clone())
    }

    async fn check_password(&self, user: &str, password: &str) -> Result<(), ReasonCode> {
        let right = if user == INGEST_USER {
            let expected = self.ingest_password.expose().as_bytes();
            equal_in_constant_time(expected, password.as_bytes())
        } else {
            let gateway = GatewayId::new(user).map_err(|_| ReasonCode::BadUsernameOrPassword)?;
            let known = self.gateways.knows(&gateway, password).await;
            known.map_err(|error| {
                tracing::error!(%error, "Gateway credentials could not be read");
                ReasonCode::ServerUnavailable
            })?
        };
        right.then_some(()).ok_or(ReasonCode::BadUsernameOrPassword)
    }

    fn may_publish(&self, user: &str, topic: &str) -> bool {
        if user == INGEST_USER {
            return is_acknowledgement(topic);
        }
        let author = match topics::parse(topic) {
            Some(Incoming::Facts(gateway) | Incoming::State(gateway)) => gateway,
            Some(Incoming::Snapshot(gateway, _charge_point)) => gateway,
            None => return false,
        };
        author.as_str() == user && !self.is_revoked(&author)
    }

    fn may_subscribe(&self, user: &str, filter: &str) -> bool {
        if user == INGEST_USER {
            return INGEST_FILTERS.contains(&filter);
        }
        GatewayId::new(user).is_ok_and(|gateway| {
            let own = Topics::of(&gateway).subscribe_filters();
            own.iter().any(|allowed| allowed == filter) && !self.is_revoked(&gateway)
        })
    }
}

/// The user's name, alone or followed by `-` and anything.
fn is_client_id_of(user: &str, client_id: &str) -> bool {
    let rest = client_id.strip_prefix(user);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// `dynamo/v1/<partition>/<gateway>/ack`, with the right partition.
fn is_acknowledgement(topic: &str) -> bool {
    let gateway = topic.rsplit('/').nth(1).map(GatewayId::new);
    matches!(gateway, Some(Ok(gateway)) if Topics::of(&gateway).acknowledgement() == topic)
}

impl AuthProvider for Gate {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        client_addr: SocketAddr,
    ) -> Pending<'a, Result<AuthResult, MqttError>> {
        Box::pin(async move {
            Ok(match self.admit(connect).await {
                Ok(user) => AuthResult::success_with_user(user),
                Err(reason) => {
                    tracing::info!(address = %client_addr, ?reason, "MQTT connection was refused");
                    AuthResult::fail(reason)
                }
            })
        })
    }

    fn authorize_publish<'a>(
        &'a self,
        _client_id: &str,
        user_id: Option<&'a str>,
        topic: &'a str,
    ) -> Pending<'a, bool> {
        Box::pin(async move { user_id.is_some_and(|user| self.may_publish(user, topic)) })
    }

    fn authorize_subscribe<'a>(
        &'a self,
        _client_id: &str,
        user_id: Option<&'a str>,
        topic_filter: &'a str,
    ) -> Pending<'a, bool> {
        Box::pin(async move { user_id.is_some_and(|user| self.may_subscribe(user, topic_filter)) })
    }
}
