//! A whole API on a fresh database, a clock that is moved by hand, two organisations, one charge point.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use cloud_api::certificate::Authority;
use cloud_api::charge_point::{ChargePoints, NewChargePoint};
use cloud_api::clock::Clock;
use cloud_api::command::{Commands, Dispatch, Reservations};
use cloud_api::db::{Db, Statement};
use cloud_api::fleet::{Fleet, Observation, RegisteredConnector, Registration, Update};
use cloud_api::fresh::Fresh;
use cloud_api::http::{ApiState, Envelope, Stores};
use cloud_api::id::{InstallerId, OrganisationId};
use cloud_api::id_token::IdTokens;
use cloud_api::idempotency::Attempts;
use cloud_api::installer::{SigningKey, Tokens};
use cloud_api::keys::{Keys, NewKey, Scope};
use cloud_api::ocpp16::{Central, Upkeep};
use cloud_api::organisation::{NewOrganisation, Organisations, Plan, Tier};
use cloud_api::quota::Quotas;
use cloud_api::secret::{Secret, ServerSecrets};
use cloud_api::session::Sessions;
use cloud_api::station::{Door, Frames, SecurityEvents, Stations, UnknownStations};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use site_model::{
    ChargePointId, ChargePointStatus, ConnectorId, ConnectorStatus, ConnectorType, GatewayId,
    SessionId, Watts,
};
use tower::ServiceExt as _;
use utoipa_axum::router::OpenApiRouter;

pub(crate) const START: &str = "2026-05-01T09:14:05Z";
/// Unix seconds of the full hour after [`START`].
pub(crate) const HOUR_END: &str = "1777629600";
/// Our charge point's id, and that of the other organisation.
pub(crate) const OURS: &str = "cp_01hx2b3c4d5e6f";
pub(crate) const THEIRS: &str = "DE*THEIRS*1";
/// A charge point of each that connects itself.
pub(crate) const DIRECT: &str = "DE*OURS*D1";
pub(crate) const DIRECT_THEIRS: &str = "DE*THEIRS*D1";
/// A session of each that ended, on their charge points behind gateways.
pub(crate) const SESSION: &str = "sess_ours1";
pub(crate) const SESSION_THEIRS: &str = "sess_theirs1";

/// Made once: it takes seconds.
static SIGNING_KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    let pem = SigningKey::generate_pem().expose().clone().into_bytes();
    SigningKey::from_pem(&Secret::new(pem)).unwrap()
});

/// What a server can be set to that tests vary.
struct Settings {
    unknown_stations: UnknownStations,
    authority: Option<Fresh<Authority>>,
    sockets: usize,
}

const USUAL: Settings = Settings {
    unknown_stations: UnknownStations::Refuse,
    authority: None,
    sockets: 1_000,
};

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) clock: Clock,
    pub(crate) db: Db,
    pub(crate) organisations: Organisations,
    pub(crate) keys: Keys,
    pub(crate) quotas: Quotas,
    pub(crate) fleet: Fleet,
    pub(crate) tokens: Tokens,
    pub(crate) charge_points: ChargePoints,
    pub(crate) commands: Commands,
    pub(crate) stations: Stations,
    pub(crate) id_tokens: IdTokens,
    /// At rest until a test runs it.
    pub(crate) upkeep: Upkeep,
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
        Self::over(dir, clock, db, fleet, (ours, theirs), USUAL)
    }

    /// The same world, which holds charge points that nobody has registered.
    pub(crate) fn holding(self) -> Self {
        self.set_to(Settings {
            unknown_stations: UnknownStations::Hold,
            ..USUAL
        })
    }

    /// The same world, with an authority for certificates of charge points.
    pub(crate) fn with_authority(self, authority: Authority) -> Self {
        self.set_to(Settings {
            authority: Some(Fresh::new(authority)),
            ..USUAL
        })
    }

    /// The same world, with room for so many charge points.
    pub(crate) fn with_room(self, sockets: usize) -> Self {
        self.set_to(Settings { sockets, ..USUAL })
    }

    fn set_to(self, settings: Settings) -> Self {
        let Self {
            dir,
            clock,
            db,
            fleet,
            ours,
            theirs,
            ..
        } = self;
        Self::over(dir, clock, db, fleet, (ours, theirs), settings)
    }

    pub(crate) async fn new() -> Self {
        let world = Self::with_limit(1_000).await;
        for (organisation, id, gateway) in [
            (&world.ours, OURS, "gw_ours"),
            (&world.theirs, THEIRS, "gw_theirs"),
        ] {
            world.register(organisation, id, gateway).await;
        }
        world
    }

    /// The same world with what needs the database: charge points that connect themselves, and sessions.
    pub(crate) async fn furnished() -> Self {
        let world = Self::new().await;
        let parts = [
            (&world.ours, OURS, DIRECT, SESSION),
            (&world.theirs, THEIRS, DIRECT_THEIRS, SESSION_THEIRS),
        ];
        for (organisation, behind, direct, session) in parts {
            let new = NewChargePoint {
                organisation: organisation.clone(),
                id: Some(ChargePointId::new(direct).unwrap()),
                site: None,
                vendor: "Mennekes".to_owned(),
                model: "Amtron".to_owned(),
                serial: None,
                connectors: Vec::new(),
                path_token: false,
                certificate_required: false,
            };
            world.charge_points.register(new).await.unwrap();
            world.whole_session(organisation, behind, session).await;
        }
        world
    }

    /// A session of half an hour and 10.5 kWh that ended at [`START`].
    async fn whole_session(&self, organisation: &OrganisationId, charge_point: &str, id: &str) {
        let end_ms = START.parse::<Timestamp>().unwrap().as_millisecond();
        let start_ms = end_ms - 1_800_000;
        let session = "INSERT INTO sessions
              (id, organisation_id, site_id, gateway_id, charge_point_id, connector_id, id_tag,
               energy_source, billing_grade, started_at_ms, meter_start_wh, ended_at_ms,
               meter_stop_wh, stop_reason)
            SELECT $1, $2, site_id, gateway_id, id, 2, '04A1B2', 'lifetime_register', 1, $4, 1000,
                   $5, 11500, 'EVDisconnected'
            FROM charge_points WHERE id = $3";
        let values = vec![
            id.into(),
            organisation.as_str().into(),
            charge_point.into(),
            start_ms.into(),
            end_ms.into(),
        ];
        self.db.write(session, values).await.unwrap();
        let readings = [
            ("start", start_ms, 1_000),
            ("quarter_hour", start_ms + 900_000, 6_000),
            ("end", end_ms, 11_500),
        ];
        for (kind, at_ms, meter_wh) in readings {
            let sql = "INSERT INTO session_readings (session_id, kind, at_ms, meter_wh)
                       VALUES ($1, $2, $3, $4)";
            let values = vec![id.into(), kind.into(), at_ms.into(), meter_wh.into()];
            self.db.write(sql, values).await.unwrap();
        }
    }

    fn over(
        dir: tempfile::TempDir,
        clock: Clock,
        db: Db,
        fleet: Fleet,
        (ours, theirs): (OrganisationId, OrganisationId),
        settings: Settings,
    ) -> Self {
        let secrets = ServerSecrets::load_or_create(dir.path()).unwrap();
        let frames = Frames::new(db.clone());
        let (recorder, _recording) = frames.record();
        let stations = Stations::new(clock.clone(), fleet.clone(), recorder, settings.sockets);
        let commands = Commands::new(db.clone(), clock.clone());
        let fixed = (&db, &clock, &fleet);
        let stores = stores(fixed, &secrets, &commands, &stations, frames);
        let charge_points = stores.charge_points.clone();
        let id_tokens = stores.id_tokens.clone();
        let central = Central::new(
            db.clone(),
            fleet.clone(),
            clock.clone(),
            id_tokens.clone(),
            commands.clone(),
            stations.clone(),
            settings.authority.clone(),
        );
        let upkeep = central.upkeep();
        let door = Door::new(
            stations.clone(),
            charge_points.clone(),
            central,
            settings.authority,
            SecurityEvents::new(db.clone()),
            settings.unknown_stations,
        );
        let sockets = OpenApiRouter::from(cloud_api::station::routes(door));
        let keys = Keys::new(db.clone(), secrets, clock.clone());
        let quotas = Quotas::new(db.clone());
        let tokens = Tokens::new(SIGNING_KEY.clone(), clock.clone());
        let state = ApiState::new(
            clock.clone(),
            keys.clone(),
            quotas.clone(),
            fleet.clone(),
            tokens.clone(),
            stores,
        );
        let router = cloud_api::http::router(&state, sockets);
        Self {
            organisations: Organisations::new(db.clone(), clock.clone()),
            dir,
            clock,
            db,
            keys,
            quotas,
            fleet,
            tokens,
            charge_points,
            commands,
            stations,
            id_tokens,
            upkeep,
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
        Self::over(dir, clock, db, fleet, (ours, theirs), USUAL)
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

    async fn register(&self, organisation: &OrganisationId, id: &str, gateway: &str) {
        let site = gateway.replace("gw_", "site_");
        let now = self.clock.now().as_millisecond();
        let statements = [
            (
                "INSERT INTO sites (id, organisation_id, name, max_power_w, created_at_ms)
                 VALUES ($1, $2, 'Depot', 44000, 0)",
                vec![site.as_str().into(), organisation.as_str().into()],
            ),
            (
                "INSERT INTO gateways
                   (id, site_id, name, credential_hash, mosquitto_hash, created_at_ms)
                 VALUES ($1, $2, 'Cabinet', $3, '', 0)",
                vec![gateway.into(), site.as_str().into(), vec![0].into()],
            ),
            (
                "INSERT INTO charge_points
                   (id, organisation_id, site_id, gateway_id, vendor, model, registered_at_ms,
                    updated_at_ms)
                 VALUES ($1, $2, $3, $4, 'Heidelberg', 'Energy Control', $5, $5)",
                vec![
                    id.into(),
                    organisation.as_str().into(),
                    site.as_str().into(),
                    gateway.into(),
                    now.into(),
                ],
            ),
        ];
        let statements = statements.map(|(sql, values)| Statement::new(sql, values));
        self.db.transaction(statements.into()).await.unwrap();
        let registration = Registration {
            organisation: organisation.clone(),
            charge_point: ChargePointId::new(id).unwrap(),
            gateway: Some(GatewayId::new(gateway).unwrap()),
            external: false,
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

    pub(crate) async fn patch(&self, path: &str, key: &str, body: &str) -> Answer {
        let request = bearer("PATCH", path, key).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }

    pub(crate) async fn delete(&self, path: &str, key: &str) -> Answer {
        self.send(bearer("DELETE", path, key).body(Body::empty()).unwrap())
            .await
    }
}

fn stores(
    (db, clock, fleet): (&Db, &Clock, &Fleet),
    secrets: &ServerSecrets,
    commands: &Commands,
    stations: &Stations,
    frames: Frames,
) -> Stores {
    let charge_points =
        ChargePoints::new(db.clone(), secrets.clone(), clock.clone(), fleet.clone());
    Stores {
        attempts: Attempts::new(db.clone(), clock.clone()),
        charge_points: charge_points.clone(),
        id_tokens: IdTokens::new(db.clone(), clock.clone()),
        sessions: Sessions::new(db.clone()),
        dispatch: Dispatch::new(
            commands.clone(),
            stations.clone(),
            charge_points,
            fleet.clone(),
            clock.clone(),
        ),
        reservations: Reservations::new(db.clone(), clock.clone()),
        frames,
        security_events: SecurityEvents::new(db.clone()),
        ocpp_endpoint: "wss://csms.example.com/ocpp/".to_owned(),
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
        kind: Some(kind),
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
