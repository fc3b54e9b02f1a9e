//! A whole API on a fresh database, a clock that is moved by hand, two organisations, one charge point.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use cloud_api::clock::Clock;
use cloud_api::db::Db;
use cloud_api::fleet::{Fleet, Observation, RegisteredConnector, Registration, Update};
use cloud_api::http::ApiState;
use cloud_api::http::Envelope;
use cloud_api::id::{InstallerId, OrganisationId};
use cloud_api::installer::{SigningKey, Tokens};
use cloud_api::keys::{Keys, NewKey, Scope};
use cloud_api::organisation::{NewOrganisation, Organisations, Plan, Tier};
use cloud_api::quota::Quotas;
use cloud_api::secret::{Secret, ServerSecrets};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use site_model::{
    ChargePointId, ChargePointStatus, ConnectorId, ConnectorStatus, ConnectorType, GatewayId,
    SessionId, Watts,
};
use tower::ServiceExt as _;

pub(crate) const START: &str = "2026-05-01T09:14:05Z";
/// Unix seconds of the full hour after [`START`].
pub(crate) const HOUR_END: &str = "1777629600";
/// Our charge point's id, and that of the other organisation.
pub(crate) const OURS: &str = "cp_01hx2b3c4d5e6f";
pub(crate) const THEIRS: &str = "DE*THEIRS*1";

/// Made once: it takes seconds.
static SIGNING_KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    let pem = SigningKey::generate_pem().expose().clone().into_bytes();
    SigningKey::from_pem(&Secret::new(pem)).unwrap()
});

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) clock: Clock,
    pub(crate) db: Db,
    pub(crate) organisations: Organisations,
    pub(crate) keys: Keys,
    pub(crate) quotas: Quotas,
    pub(crate) fleet: Fleet,
    pub(crate) tokens: Tokens,
    pub(crate) router: Envelope<Router>,
    pub(crate) ours: OrganisationId,
    pub(crate) theirs: OrganisationId,
}

/// What a client got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Without `content-length`; the request's id is checked and replaced by `req_ID`.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl World {
    /// A world whose organisations have `limit` requests per key and hour.
    pub(crate) async fn with_limit(limit: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::standing_at(START.parse().unwrap());
        let db = Db::open(&dir.path().join("cloud.sqlite")).unwrap();
        let organisations = Organisations::new(db.clone(), clock.clone());
        let create = async |name: &str| {
            let new = NewOrganisation {
                name: name.to_owned(),
                plan: Plan::new(Tier::Enterprise, Some(limit)).unwrap(),
                time_zone: "UTC".to_owned(),
                sandbox: name == "Theirs",
            };
            organisations.create(new).await.unwrap()
        };
        let (ours, theirs) = (create("Ours").await, create("Theirs").await);
        let fleet = Fleet::default();
        Self::over(dir, clock, db, fleet, (ours, theirs))
    }

    pub(crate) async fn new() -> Self {
        let world = Self::with_limit(1_000).await;
        for (organisation, id, gateway) in [
            (&world.ours, OURS, "gw_ours"),
            (&world.theirs, THEIRS, "gw_theirs"),
        ] {
            world.register(organisation, id, gateway);
        }
        world
    }

    fn over(
        dir: tempfile::TempDir,
        clock: Clock,
        db: Db,
        fleet: Fleet,
        (ours, theirs): (OrganisationId, OrganisationId),
    ) -> Self {
        let secrets = ServerSecrets::load_or_create(dir.path()).unwrap();
        let keys = Keys::new(db.clone(), secrets, clock.clone());
        let quotas = Quotas::new(db.clone());
        let tokens = Tokens::new(SIGNING_KEY.clone(), clock.clone());
        let state = ApiState::new(
            clock.clone(),
            keys.clone(),
            quotas.clone(),
            fleet.clone(),
            tokens.clone(),
        );
        let router = cloud_api::http::router(&state, utoipa_axum::router::OpenApiRouter::new());
        Self {
            organisations: Organisations::new(db.clone(), clock.clone()),
            dir,
            clock,
            db,
            keys,
            quotas,
            fleet,
            tokens,
            router,
            ours,
            theirs,
        }
    }

    /// The same database in a new program, after a graceful stop or a kill.
    pub(crate) async fn restarted(self, graceful: bool) -> Self {
        if graceful {
            self.quotas.close().await.unwrap();
            self.keys.flush().await.unwrap();
        }
        self.db.close().await;
        let Self {
            dir,
            clock,
            fleet,
            ours,
            theirs,
            ..
        } = self;
        let db = Db::open(&dir.path().join("cloud.sqlite")).unwrap();
        Self::over(dir, clock, db, fleet, (ours, theirs))
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// A key of our organisation with these scopes.
    pub(crate) async fn key(&self, scopes: &[Scope]) -> String {
        self.key_of(&self.ours, scopes).await
    }

    pub(crate) async fn key_of(&self, organisation: &OrganisationId, scopes: &[Scope]) -> String {
        let (_, key) = self.named_key(organisation, scopes).await;
        key
    }

    /// Id and text of a new key.
    pub(crate) async fn named_key(
        &self,
        organisation: &OrganisationId,
        scopes: &[Scope],
    ) -> (String, String) {
        let new = NewKey {
            organisation: organisation.clone(),
            name: cloud_api::id::mint("name", self.clock.now()),
            scopes: scopes.to_vec(),
            expires_in_days: None,
            created_by: "admin".to_owned(),
            idempotency: None,
        };
        let created = self.keys.create(new).await.unwrap();
        (created.id.to_string(), created.key.expose().clone())
    }

    pub(crate) fn installer_token(&self) -> String {
        let installer = InstallerId::mint(self.clock.now());
        self.tokens.issue(&installer).expose().clone()
    }

    fn register(&self, organisation: &OrganisationId, id: &str, gateway: &str) {
        let registration = Registration {
            organisation: organisation.clone(),
            charge_point: ChargePointId::new(id).unwrap(),
            gateway: GatewayId::new(gateway).unwrap(),
            firmware: None,
            connectors: connectors(false),
        };
        let update = Update::Registered(registration);
        self.fleet.apply(organisation, vec![update]);
    }

    /// Our charge point is heard: connector 1 free, connector 2 charging.
    pub(crate) fn hear_ours(&self) {
        let now = self.clock.now();
        let gateway = GatewayId::new("gw_ours").unwrap();
        self.fleet.set_connected(&gateway, true, now);
        let connectors = connectors(true);
        let observation = Observation {
            charge_point: ChargePointId::new(OURS).unwrap(),
            journal_id: "journal".to_owned(),
            as_of_sequence: 1,
            made_at_ms: now.as_millisecond(),
            answers: true,
            ocpp_status: ChargePointStatus::Available,
            last_heartbeat_at: Some("2026-05-01T09:14:04.75Z".parse().unwrap()),
            firmware: Some("2.1.4".to_owned()),
            connectors: connectors.into_iter().map(|one| (one, 0)).collect(),
        };
        self.fleet.observe(&gateway, &observation, now);
    }

    /// Sends a request as it stands.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
        let body = String::from_utf8_lossy(&body).into_owned();
        answer(parts.status, &parts.headers, body)
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> Answer {
        self.send(bearer("GET", path, key).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &str) -> Answer {
        let request = bearer("POST", path, key).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }

    pub(crate) async fn delete(&self, path: &str, key: &str) -> Answer {
        self.send(bearer("DELETE", path, key).body(Body::empty()).unwrap())
            .await
    }
}

pub(crate) fn bearer(method: &str, path: &str, key: &str) -> axum::http::request::Builder {
    let method: Method = method.parse().unwrap();
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {key}"))
}

fn connectors(charging: bool) -> Vec<RegisteredConnector> {
    let connector = |number, kind, watts, status, session: Option<&str>| RegisteredConnector {
        connector: ConnectorId::new(number).unwrap(),
        kind,
        max_power: Watts(watts),
        status,
        status_at: charging.then(|| START.parse::<Timestamp>().unwrap()),
        session: session.map(|id| SessionId::new(id).unwrap()),
    };
    let (status, session) = if charging {
        (ConnectorStatus::Charging, Some("sess_9f8e7d6c"))
    } else {
        (ConnectorStatus::Available, None)
    };
    vec![
        connector(
            1,
            ConnectorType::Ccs2,
            50_000,
            ConnectorStatus::Available,
            None,
        ),
        connector(2, ConnectorType::Type2, 22_000, status, session),
    ]
}

fn answer(status: StatusCode, headers: &axum::http::HeaderMap, mut body: String) -> Answer {
    let id = headers["x-request-id"].to_str().unwrap().to_owned();
    assert!(id.starts_with("req_") && id.len() == 30, "{id}");
    if body.starts_with("{\"error\"") {
        assert!(
            body.contains(&id),
            "the body tells another request id than {id}: {body}"
        );
        body = body.replace(&id, "req_ID");
    }
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = value.to_str().unwrap().replace(&id, "req_ID");
        assert_eq!(shown.insert(name.to_string(), value), None, "{name} twice");
    }
    shown.remove("content-length");
    Answer {
        status: status.as_u16(),
        headers: shown,
        body,
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// An error as the contract wants it: every header and the whole body.
pub(crate) fn refusal(status: u16, more: &[(&str, &str)], body: &str) -> Answer {
    let common = [
        ("cache-control", "no-store"),
        ("content-type", "application/json"),
        ("x-content-type-options", "nosniff"),
        ("x-request-id", "req_ID"),
    ];
    let pairs = common.iter().chain(more);
    let mut headers: BTreeMap<String, String> = pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    if status == 401 {
        let challenge = "Bearer realm=\"dynamo\"".to_owned();
        headers.insert("www-authenticate".to_owned(), challenge);
    }
    Answer {
        status,
        headers,
        body: body.to_owned(),
    }
}

/// [`refusal`] to a caller that was counted, at [`START`].
pub(crate) fn counted(
    status: u16,
    limit: u32,
    remaining: u32,
    more: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut answer = refusal(status, more, body);
    for (name, value) in [
        ("x-ratelimit-limit", limit.to_string()),
        ("x-ratelimit-remaining", remaining.to_string()),
        ("x-ratelimit-reset", HOUR_END.to_owned()),
        ("ratelimit", format!("\"hour\";r={remaining};t=2755")),
        ("ratelimit-policy", format!("\"hour\";q={limit};w=3600")),
    ] {
        answer.headers.insert(name.to_owned(), value);
    }
    answer
}
