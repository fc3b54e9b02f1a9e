//! The composition root: puts the parts together, waits, and takes them apart again in order.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use rustls::ServerConfig;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

use crate::admin::make_data_dir;
use crate::broker::{Broker, BrokerError, BrokerSettings, TlsFiles};
use crate::certificate::{Authority, AuthorityError};
use crate::charge_point::ChargePoints;
use crate::clock::Clock;
use crate::command::{Commands, Dispatch, Reservations};
use crate::config::{Config, EmbeddedBroker, ExternalBroker, Mqtt};
use crate::db::Db;
use crate::fleet::Fleet;
use crate::fresh::{Following, Fresh};
use crate::gateway::Gateways;
use crate::housekeeping::Housekeeping;
use crate::http::{self, ApiState, Stores};
use crate::id_token::IdTokens;
use crate::idempotency::Attempts;
use crate::ingest::{Ingest, RunningIngest, Source, Transport};
use crate::installer::{self, Installers, Logins, SigningKey, Tokens};
use crate::keys::Keys;
use crate::lifecycle::{Signals, tell_ready, tell_stopping};
use crate::listener::{self, Bounds, ListenError};
use crate::ocpp16::{Central, Upkeep};
use crate::quota::Quotas;
use crate::secret::ServerSecrets;
use crate::session::Sessions;
use crate::station::{self, Door, Frames, SecurityEvents, Stations};
use crate::tls::{self, TlsError};

/// How long ingest may take to subscribe at the embedded broker.
const SUBSCRIBE_MAX: Duration = Duration::from_secs(10);
/// How long the last frames may take to be written when the server stops.
const RECORDING_MAX: Duration = Duration::from_secs(2);
/// Our client id at an external broker; the same over restarts, so that it keeps messages for us.
const CLIENT_ID: &str = "dynamo-ingest";

/// A server at work.
#[derive(Debug)]
pub struct Running {
    /// Where the REST API listens.
    pub http: SocketAddr,
    /// Where the embedded broker listens, if it is the one in use.
    pub mqtt: Option<SocketAddr>,
    stop: CancellationToken,
    server: JoinHandle<()>,
    flushing: JoinHandle<()>,
    chores: JoinHandle<()>,
    ingest: RunningIngest,
    stations: Stations,
    recording: JoinHandle<()>,
    broker: Option<Broker>,
    books: Books,
}

/// What must be written before the end.
#[derive(Debug)]
struct Books {
    keys: Keys,
    quotas: Quotas,
    db: Db,
}

/// Starts everything; on return requests are served and gateways can connect.
///
/// # Errors
/// A sentence for the operator.
pub async fn start(config: Config, clock: Clock) -> anyhow::Result<Running> {
    make_data_dir(&config)?;
    let secrets = ServerSecrets::load_or_create(&config.data_dir)?;
    let signing_key = load_signing_key(&config).await?;
    let tls = tls::follow(&config)?;
    let authority = tls::follow_authority(&config)?;
    let tcp = listener::bind(config.http.listen, "http.listen").await?;
    let http = tcp
        .local_addr()
        .context("the HTTP listener has no address")?;

    let db = Db::open(&config.database())?;
    let fleet = Fleet::load(&db, clock.now()).await?;
    let keys = Keys::new(db.clone(), secrets.clone(), clock.clone());
    let quotas = Quotas::new(db.clone());
    let tokens = Tokens::new(signing_key, clock.clone());
    let installers = Installers::new(db.clone(), clock.clone());
    let attempts = installer::Attempts::new(secrets.clone());
    let logins = Logins::new(installers, attempts, tokens.clone(), &config.http.proxies);

    let ground = Ground {
        db: db.clone(),
        secrets: secrets.clone(),
        clock: clock.clone(),
        fleet: fleet.clone(),
    };
    let Ocpp {
        stores,
        stations,
        door,
        chores,
        recording,
    } = ground
        .ocpp(&config, http, authority.as_ref().map(Following::fresh))
        .await?;
    let gateways = Gateways::new(db.clone(), secrets, clock.clone());
    let (broker, source) = connect(&config.mqtt, gateways).await?;
    let ingest = Ingest::new(db.clone(), fleet.clone(), clock.clone());
    let mut ingest = RunningIngest::start(ingest, &source)?;
    if broker.is_some() {
        let subscribed = tokio::time::timeout(SUBSCRIBE_MAX, ingest.until_subscribed()).await;
        subscribed.context("ingest could not subscribe at the embedded MQTT broker within 10 s")?;
    }

    let state = ApiState::new(clock, keys.clone(), quotas.clone(), fleet, tokens, stores);
    let sockets = OpenApiRouter::from(station::routes(door));
    let router = http::router(&state, installer::router(logins).merge(sockets));
    let stop = CancellationToken::new();
    let server = tokio::spawn(listener::serve(
        tcp,
        tls.as_ref().map(Following::fresh),
        router,
        stop.clone(),
        Bounds::default(),
    ));
    let flushing = keep_flushing(keys.clone());
    let chores = tokio::spawn(chores.run(tls, authority, stop.clone()));
    Ok(Running {
        http,
        mqtt: broker.as_ref().map(Broker::address),
        stop,
        server,
        flushing,
        chores,
        ingest,
        stations,
        recording,
        broker,
        books: Books { keys, quotas, db },
    })
}

fn keep_flushing(keys: Keys) -> JoinHandle<()> {
    tokio::spawn(async move { keys.keep_flushing().await })
}

/// What everything stands on.
struct Ground {
    db: Db,
    secrets: ServerSecrets,
    clock: Clock,
    fleet: Fleet,
}

/// What charge points connect to, and what the REST API sees of it.
struct Ocpp {
    stores: Stores,
    stations: Stations,
    door: Door,
    chores: Chores,
    recording: JoinHandle<()>,
}

/// What is done from time to time.
struct Chores {
    upkeep: Upkeep,
    housekeeping: Housekeeping,
}

impl Chores {
    async fn run(
        self,
        tls: Option<Following<ServerConfig, TlsError>>,
        authority: Option<Following<Authority, AuthorityError>>,
        stop: CancellationToken,
    ) {
        let (one, other) = (stop.clone(), stop.clone());
        tokio::join!(
            self.upkeep.run(stop.clone()),
            self.housekeeping.run(stop),
            async {
                if let Some(tls) = tls {
                    tls.run(one).await;
                }
            },
            async {
                if let Some(authority) = authority {
                    authority.run(other).await;
                }
            },
        );
    }
}

impl Ground {
    async fn ocpp(
        self,
        config: &Config,
        http: SocketAddr,
        authority: Option<Fresh<Authority>>,
    ) -> anyhow::Result<Ocpp> {
        let Self {
            db,
            secrets,
            clock,
            fleet,
        } = self;
        let frames = Frames::new(db.clone());
        let (recorder, recording) = frames.record();
        let stations = Stations::new(
            clock.clone(),
            fleet.clone(),
            recorder,
            Bounds::default().sockets,
        );
        let commands = Commands::new(db.clone(), clock.clone());
        commands.recover().await?;
        let id_tokens = IdTokens::new(db.clone(), clock.clone());
        let charge_points = ChargePoints::new(db.clone(), secrets, clock.clone(), fleet.clone());
        let central = Central::new(
            db.clone(),
            fleet.clone(),
            clock.clone(),
            id_tokens.clone(),
            commands.clone(),
            stations.clone(),
            authority.clone(),
        );
        let upkeep = central.upkeep();
        let door = Door::new(
            stations.clone(),
            charge_points.clone(),
            central,
            authority,
            SecurityEvents::new(db.clone()),
            config.ocpp.unknown_stations,
        );
        let chores = Chores {
            upkeep,
            housekeeping: Housekeeping::new(db.clone(), fleet.clone(), clock.clone()),
        };
        let stores = Stores {
            attempts: Attempts::new(db.clone(), clock.clone()),
            charge_points: charge_points.clone(),
            id_tokens,
            sessions: Sessions::new(db.clone()),
            dispatch: Dispatch::new(
                commands,
                stations.clone(),
                charge_points,
                fleet,
                clock.clone(),
            ),
            security_events: SecurityEvents::new(db.clone()),
            reservations: Reservations::new(db, clock),
            frames,
            ocpp_endpoint: config.http.ocpp_endpoint(http),
        };
        Ok(Ocpp {
            stores,
            stations,
            door,
            chores,
            recording,
        })
    }
}

impl Running {
    /// Stops accepting, says farewell to charge points, lets requests finish (at most 10 s), lets ingest finish its message, writes
    /// the exact counts and closes the database.
    ///
    /// # Errors
    /// When the counts could not be written: they then stand as after a crash.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.stations.stop().await;
        self.server.await.context("the HTTP server panicked")?;
        self.ingest.stop().await;
        if let Some(broker) = self.broker {
            broker.stop().await;
        }
        self.chores.await.context("a regular chore panicked")?;
        self.flushing.abort();
        drop(self.stations);
        // Every recorder is gone with the last socket: what they noted is written.
        let _written = tokio::time::timeout(RECORDING_MAX, self.recording).await;
        self.books.close().await
    }

    /// Waits until a part ends by itself, which none should, and names it.
    async fn broke(&mut self) -> &'static str {
        let broker = async {
            match &mut self.broker {
                Some(broker) => broker.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _panic_or_end = &mut self.server => "the HTTP server",
            _panic_or_end = &mut self.flushing => "the task that writes times of last use",
            _panic_or_end = &mut self.chores => "the upkeep of charge points or the housekeeping",
            () = self.ingest.ended() => "ingest",
            () = broker => "the MQTT broker",
        }
    }
}

impl Books {
    async fn close(self) -> anyhow::Result<()> {
        let used = self
            .keys
            .flush()
            .await
            .context("times of last use were not written");
        let counted = self
            .quotas
            .close()
            .await
            .context("quotas were not written exactly");
        self.db.close().await;
        used.and(counted)
    }
}

/// Serves until a signal. The first ends it in order, a second one at once.
///
/// # Errors
/// A sentence for the operator.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let mut signals = Signals::new().context("cannot wait for signals")?;
    let (http, mqtt) = schemes(&config);
    let mut running = start(config, Clock::system()).await?;
    let mut lines = format!("HTTP listening on {http}://{}\n", running.http);
    if let Some(address) = running.mqtt {
        lines.push_str(&format!("MQTT listening on {mqtt}://{address}\n"));
    }
    std::io::stdout().lock().write_all(lines.as_bytes())?;
    tell_ready();
    tokio::select! {
        signal = signals.next() => tracing::info!(signal, "Stopping; a second signal ends at once"),
        part = running.broke() => {
            tell_stopping();
            running.books.close().await?;
            bail!("{part} ended unexpectedly; the log says why");
        }
    }
    tell_stopping();
    tokio::select! {
        stopped = running.stop() => stopped,
        signal = signals.next() => bail!("ended at once by a second {signal}: requests were cut off, quotas stand as after a crash"),
    }
}

/// The OpenAPI document of everything that is served, as JSON.
///
/// # Panics
/// Never: the document is JSON.
#[must_use]
pub fn openapi() -> String {
    let document = http::document(installer::document());
    let mut text = document.to_pretty_json().expect("the document is JSON");
    text.push('\n');
    text
}

/// Making an RSA key takes a second of one core.
async fn load_signing_key(config: &Config) -> anyhow::Result<SigningKey> {
    let data_dir = config.data_dir.clone();
    let key = tokio::task::spawn_blocking(move || SigningKey::load_or_create(&data_dir));
    Ok(key
        .await
        .context("loading the token-signing key panicked")??)
}

async fn connect(mqtt: &Mqtt, gateways: Gateways) -> anyhow::Result<(Option<Broker>, Source)> {
    match mqtt {
        Mqtt::Embedded(settings) => {
            let broker = start_broker(settings, gateways).await?;
            let source = broker.ingest_source();
            Ok((Some(broker), source))
        }
        Mqtt::External(broker) => Ok((None, external_source(broker)?)),
    }
}

async fn start_broker(settings: &EmbeddedBroker, gateways: Gateways) -> anyhow::Result<Broker> {
    if let Some(files) = &settings.tls {
        tls::server_config(files, None, &[])?;
    }
    let tls = settings.tls.as_ref().map(|files| TlsFiles {
        certificate: files.certificate_file.clone(),
        key: files.key_file.clone(),
    });
    let started = Broker::start(
        BrokerSettings {
            listen: settings.listen,
            tls,
        },
        gateways,
    )
    .await;
    started.map_err(|error| match error {
        BrokerError::Listen { address, source } => {
            ListenError::new(address, "mqtt.embedded.listen", source).into()
        }
        BrokerError::Start(_) => error.into(),
    })
}

fn external_source(broker: &ExternalBroker) -> anyhow::Result<Source> {
    let password = broker.password.read();
    let password =
        password.map_err(|problem| anyhow!("{problem}; check mqtt.external.password_file"))?;
    let ca_file = broker.ca_file.clone();
    Ok(Source {
        host: broker.host.clone(),
        port: broker.port,
        username: broker.username.clone(),
        password,
        client_id: CLIENT_ID.to_owned(),
        transport: if broker.tls {
            Transport::Tls { ca_file }
        } else {
            Transport::Plain
        },
    })
}

fn schemes(config: &Config) -> (&'static str, &'static str) {
    let mqtts = match &config.mqtt {
        Mqtt::Embedded(broker) => broker.tls.is_some(),
        Mqtt::External(_) => false,
    };
    let http = if config.http.tls.is_some() {
        "https"
    } else {
        "http"
    };
    (http, if mqtts { "mqtts" } else { "mqtt" })
}
