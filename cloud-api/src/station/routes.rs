//! Where charge points connect: who they are, whether they may, and which version they speak.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{Extensions, HeaderMap, header};
use axum::response::Response;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ocpp::Version as _;
use ocpp::v16::V16;
use site_model::ChargePointId;

use super::admission::Failures;
use super::security_events::{NewEvent, SecurityEvents, Source};
use super::{Seat, Station, Stations, socket};
use crate::certificate::{Authority, Shown, Subject};
use crate::charge_point::{Admitted, ChargePoints, Credential, Recognition};
use crate::db::DbError;
use crate::fresh::Fresh;
use crate::http::ApiError;
use crate::ocpp16::Central;
use crate::secret::Secret;

/// Largest message of a charge point; what is larger is cut off.
const MESSAGE_MAX: usize = 64 * 1_024;
/// Read buffer of an idle socket. The library's own is 128 KiB.
const READ_BUFFER: usize = 2 * 1_024;
/// What may wait to be written to a peer that does not read.
const WRITE_BUFFER_MAX: usize = 256 * 1_024;

/// The security event of who was refused (security whitepaper, appendix "security events"; there it is
/// told by the charge point).
const REFUSED: &str = "FailedToAuthenticateAtCentralSystem";

/// What becomes of a charge point that nobody has registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownStations {
    /// It is refused.
    Refuse,
    /// It may connect and is told to wait; nothing of what it tells is kept.
    Hold,
}

/// What lets charge points in.
#[derive(Debug, Clone)]
pub struct Door(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    stations: Stations,
    charge_points: ChargePoints,
    central: Central,
    authority: Option<Fresh<Authority>>,
    events: SecurityEvents,
    unknown: UnknownStations,
    failures: Failures,
}

/// How somebody who connects says who he is.
#[derive(Debug)]
struct Introduction {
    certificate: Option<Shown>,
    secret: Option<Credential>,
    address: IpAddr,
}

impl Introduction {
    fn new(extensions: &Extensions, secret: Option<Credential>) -> Self {
        Self {
            certificate: extensions.get().cloned(),
            secret,
            address: address(extensions),
        }
    }
}

impl Door {
    /// A door for these stations; without an authority nobody's certificate is good.
    #[must_use]
    pub fn new(
        stations: Stations,
        charge_points: ChargePoints,
        central: Central,
        authority: Option<Fresh<Authority>>,
        events: SecurityEvents,
        unknown: UnknownStations,
    ) -> Self {
        Self(Arc::new(Parts {
            stations,
            charge_points,
            central,
            authority,
            events,
            unknown,
            failures: Failures::default(),
        }))
    }
}

/// The paths of the contract's section 9, as far as they are 1.6's.
pub fn routes(door: Door) -> Router {
    Router::new()
        .route("/ocpp16/{id}", get(by_password))
        .route("/ocpp/1.6/{id}", get(by_password))
        .route("/ocpp/{id}", get(by_password))
        .route("/ocpp/{id}/{token}", get(by_path_token))
        .with_state(door)
}

async fn by_password(
    State(door): State<Door>,
    Path(id): Path<String>,
    headers: HeaderMap,
    extensions: Extensions,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let secret = basic(&headers, &id).map(Credential::Password);
    let who = Introduction::new(&extensions, secret);
    door.open(&id, &who, upgrade).await
}

async fn by_path_token(
    State(door): State<Door>,
    Path((id, token)): Path<(String, String)>,
    extensions: Extensions,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let secret = Some(Credential::PathToken(Secret::new(token)));
    let who = Introduction::new(&extensions, secret);
    door.open(&id, &who, upgrade).await
}

fn address(extensions: &Extensions) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip())
}

/// The password of HTTP basic authentication, whose user must be the station itself.
fn basic(headers: &HeaderMap, id: &str) -> Option<Secret<String>> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    (user == id).then(|| Secret::new(password.to_owned()))
}

impl Door {
    async fn open(
        self,
        id: &str,
        who: &Introduction,
        upgrade: WebSocketUpgrade,
    ) -> Result<Response, ApiError> {
        let nobody = || ApiError::not_found("charge point");
        let id = ChargePointId::new(id).map_err(|_| nobody())?;
        let admitted = self.recognise(&id, who).await?;
        let upgrade = upgrade
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(WRITE_BUFFER_MAX)
            .max_message_size(MESSAGE_MAX)
            .max_frame_size(MESSAGE_MAX)
            .protocols([V16::SUBPROTOCOL]);
        if upgrade.selected_protocol().is_none() {
            let asked: Vec<_> = upgrade.requested_protocols().collect();
            tracing::warn!(charge_point = %id, ?asked, "Charge point was refused: it offers no subprotocol that is spoken here (ocpp1.6)");
            // OCPP-J 1.6, section 3.2: the handshake is completed without a protocol, then closed.
            return Ok(upgrade.on_upgrade(refuse_protocol));
        }
        let seat = self.0.stations.sit_down(&id, V16::NAME);
        let seat = seat.ok_or_else(ApiError::unavailable)?;
        let station = Arc::new(Station {
            id,
            organisation: admitted.as_ref().map(|one| one.organisation.clone()),
            gateway: admitted.and_then(|one| one.gateway),
            connected_at: self.0.stations.0.clock.now(),
        });
        Ok(self.serve(upgrade, seat, station))
    }

    fn serve(self, upgrade: WebSocketUpgrade, seat: Seat, station: Arc<Station>) -> Response {
        let id = station.id.clone();
        let stations = self.0.stations.clone();
        let failed = move |error: axum::Error| {
            tracing::info!(charge_point = %id, %error, "Charge point left before its socket stood");
        };
        upgrade.on_failed_upgrade(failed).on_upgrade(move |socket| {
            let central = self.0.central.clone();
            let serving = socket::serve::<V16, _>(socket, seat, station, central);
            stations.0.tasks.track_future(serving)
        })
    }

    /// `None`: nobody has registered it, and it is held.
    async fn recognise(
        &self,
        id: &ChargePointId,
        who: &Introduction,
    ) -> Result<Option<Admitted>, ApiError> {
        let parts = &*self.0;
        if let Some(seconds) = parts.failures.pause(who.address, id) {
            let message = "Too many wrong passwords; wait as long as retry_after says.";
            return Err(ApiError::too_many_requests(message, seconds));
        }
        match self.judge(id, who).await? {
            Recognition::Admitted(admitted) => {
                parts.failures.forget(who.address, id);
                Ok(Some(admitted))
            }
            Recognition::Wrong(why) => {
                tracing::warn!(charge_point = %id, "Charge point was refused: {why}");
                // The same again says nothing new.
                if parts.failures.count(who.address, id) == 1 {
                    self.note_refusal(id, &why).await;
                }
                Err(ApiError::station_unauthorized())
            }
            Recognition::Unknown => match parts.unknown {
                UnknownStations::Refuse => {
                    tracing::info!(charge_point = %id, "Charge point was refused: nobody has registered it");
                    Err(ApiError::not_found("charge point"))
                }
                UnknownStations::Hold => {
                    tracing::info!(charge_point = %id, "Charge point is held: nobody has registered it");
                    Ok(None)
                }
            },
        }
    }
}

impl Door {
    /// A good certificate decides. With one that is not good the password still may, where the charge
    /// point does not have to show a certificate: some show what their maker put in, whoever asks.
    async fn judge(&self, id: &ChargePointId, who: &Introduction) -> Result<Recognition, DbError> {
        let charge_points = &self.0.charge_points;
        if let Some(shown) = &who.certificate {
            let subject = Credential::Certificate(self.subject(shown));
            let judged = charge_points.recognise(id, &subject).await?;
            match (&judged, &who.secret) {
                (Recognition::Wrong(why), Some(_)) => {
                    tracing::info!(charge_point = %id, "Charge point shows a certificate that does not count: {why}");
                }
                (Recognition::Wrong(_), None) | (Recognition::Unknown, _) => return Ok(judged),
                (Recognition::Admitted(_), _) => {
                    tell_shown(id, &subject);
                    return Ok(judged);
                }
            }
        }
        // Without a credential it is still worth knowing whether the station exists.
        let nothing = Credential::Password(Secret::new(String::new()));
        let secret = who.secret.as_ref().unwrap_or(&nothing);
        charge_points.recognise(id, secret).await
    }

    fn subject(&self, shown: &Shown) -> Result<Subject, String> {
        let Some(authority) = &self.0.authority else {
            return Err("nobody's certificate is good here: set [ocpp.ca]".to_owned());
        };
        let now = self.0.stations.0.clock.now();
        authority.now().recognise(shown, now)
    }

    async fn note_refusal(&self, id: &ChargePointId, why: &str) {
        let now = self.0.stations.0.clock.now();
        let event = NewEvent {
            charge_point: id,
            source: Source::CentralSystem,
            kind: REFUSED,
            at: now,
            received_at: now,
            info: Some(why),
        };
        if let Err(error) = self.0.events.record(event).await {
            tracing::warn!(charge_point = %id, %error, "A security event was not written down");
        }
    }
}

fn tell_shown(id: &ChargePointId, credential: &Credential) {
    if let Credential::Certificate(Ok(Subject { serial, until, .. })) = credential {
        tracing::info!(charge_point = %id, serial, "Charge point shows its certificate {serial}, which ends at {until}");
    }
}

async fn refuse_protocol(mut socket: WebSocket) {
    let frame = CloseFrame {
        code: close_code::PROTOCOL,
        reason: "no subprotocol that is spoken here; offer ocpp1.6".into(),
    };
    // The peer may be gone.
    let _gone = socket.send(Message::Close(Some(frame))).await;
}
