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
use super::{Seat, Station, Stations, socket};
use crate::charge_point::{Admitted, ChargePoints, Credential, Recognition};
use crate::http::ApiError;
use crate::ocpp16::Central;
use crate::secret::Secret;

/// Largest message of a charge point; what is larger is cut off.
const MESSAGE_MAX: usize = 64 * 1_024;
/// Read buffer of an idle socket. The library's own is 128 KiB.
const READ_BUFFER: usize = 2 * 1_024;
/// What may wait to be written to a peer that does not read.
const WRITE_BUFFER_MAX: usize = 256 * 1_024;

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
    unknown: UnknownStations,
    failures: Failures,
}

impl Door {
    /// A door for these stations.
    #[must_use]
    pub fn new(
        stations: Stations,
        charge_points: ChargePoints,
        central: Central,
        unknown: UnknownStations,
    ) -> Self {
        Self(Arc::new(Parts {
            stations,
            charge_points,
            central,
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
    let credential = basic(&headers, &id).map(Credential::Password);
    door.open(&id, credential, address(&extensions), upgrade)
        .await
}

async fn by_path_token(
    State(door): State<Door>,
    Path((id, token)): Path<(String, String)>,
    extensions: Extensions,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let credential = Some(Credential::PathToken(Secret::new(token)));
    door.open(&id, credential, address(&extensions), upgrade)
        .await
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
        credential: Option<Credential>,
        address: IpAddr,
        upgrade: WebSocketUpgrade,
    ) -> Result<Response, ApiError> {
        let nobody = || ApiError::not_found("charge point");
        let id = ChargePointId::new(id).map_err(|_| nobody())?;
        let admitted = self.recognise(&id, credential, address).await?;
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
        credential: Option<Credential>,
        address: IpAddr,
    ) -> Result<Option<Admitted>, ApiError> {
        let parts = &*self.0;
        if let Some(seconds) = parts.failures.pause(address, id) {
            let message = "Too many wrong passwords; wait as long as retry_after says.";
            return Err(ApiError::too_many_requests(message, seconds));
        }
        // Without a credential it is still worth knowing whether the station exists.
        let shown = credential.unwrap_or_else(|| Credential::Password(Secret::new(String::new())));
        match parts.charge_points.recognise(id, &shown).await? {
            Recognition::Admitted(admitted) => {
                parts.failures.forget(address, id);
                Ok(Some(admitted))
            }
            Recognition::Wrong => {
                parts.failures.count(address, id);
                tracing::warn!(charge_point = %id, "Charge point was refused: its credential is missing or wrong; a new password comes from POST /api/v1/chargepoints/{id}/provisioning-password");
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

async fn refuse_protocol(mut socket: WebSocket) {
    let frame = CloseFrame {
        code: close_code::PROTOCOL,
        reason: "no subprotocol that is spoken here; offer ocpp1.6".into(),
    };
    // The peer may be gone.
    let _gone = socket.send(Message::Close(Some(frame))).await;
}
