//! Where a charge point's central system is, and how the charge point says who it is.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ocpp::v16::Measurand;
use site_model::{CentralSystem, ChargePointId};
use station::profiles::Electrics;
use tokio_tungstenite::tungstenite::http::Uri;

use crate::secret::Secret;
use crate::uplink::Tls;

/// One charge point's central system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Who connects.
    pub charge_point: ChargePointId,
    /// Of each connector, in order; they are numbered from 1 without a gap.
    pub electrics: Vec<Electrics>,
    /// What its devices can tell of at least one connector.
    pub measurands: Vec<Measurand>,
    /// Where; the charge point's id is appended to its path.
    pub url: Url,
    /// Encryption.
    pub tls: Tls,
    /// For HTTP basic authentication, where the central system wants it.
    pub password: Option<Secret>,
    /// It is somebody else's, not the cloud's.
    pub external: bool,
}

impl Endpoint {
    /// How many connectors it has.
    #[must_use]
    pub fn connectors(&self) -> u8 {
        u8::try_from(self.electrics.len()).unwrap_or(u8::MAX)
    }

    /// The address with the charge point's id.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}/{}", self.url, self.charge_point)
    }

    /// As the charge point's announcement has it.
    #[must_use]
    pub fn central_system(&self) -> CentralSystem {
        CentralSystem {
            address: self.address(),
            external: self.external,
        }
    }
}

/// Address of a central system, without the charge point's id and without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// `wss`, not `ws`.
    pub encrypted: bool,
    /// Name or address.
    pub host: String,
    /// 443 or 80 unless given.
    pub port: u16,
    /// Empty, or begins with a slash.
    pub path: String,
}

/// Why a text is no address of a central system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("url must look like wss://csms.example/ocpp/1.6, without user, query and fragment")]
pub struct InvalidUrl;

impl Url {
    /// The central system runs on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let address = host.parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for Url {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let uri: Uri = text.parse().map_err(|_| InvalidUrl)?;
        let encrypted = match uri.scheme_str() {
            Some("wss") => true,
            Some("ws") => false,
            Some(_) | None => return Err(InvalidUrl),
        };
        let authority = uri.authority().ok_or(InvalidUrl)?;
        let plain = uri.query().is_none() && !authority.as_str().contains('@');
        if !plain || text.contains('#') || authority.host().is_empty() {
            return Err(InvalidUrl);
        }
        Ok(Self {
            encrypted,
            host: authority.host().to_owned(),
            port: uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 }),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.encrypted { "wss" } else { "ws" };
        write!(f, "{scheme}://{}:{}{}", self.host, self.port, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_its_usual_port() {
        let cases = [
            (
                "wss://csms.example/ocpp/1.6",
                "wss://csms.example:443/ocpp/1.6",
                false,
            ),
            ("ws://127.0.0.1:9000/", "ws://127.0.0.1:9000", true),
            ("ws://[::1]:9000/a/", "ws://[::1]:9000/a", true),
            ("ws://localhost", "ws://localhost:80", true),
        ];
        for (text, shown, loopback) in cases {
            let url: Url = text.parse().unwrap();
            assert_eq!(
                (url.to_string().as_str(), url.is_loopback()),
                (shown, loopback)
            );
        }
    }

    #[test]
    fn what_is_no_address_of_a_central_system_is_refused() {
        for bad in [
            "csms.example/ocpp",
            "https://csms.example",
            "wss://user:secret@csms.example",
            "wss://csms.example/?id=1",
            "wss://csms.example/#a",
            "wss:///ocpp",
            "",
        ] {
            assert_eq!(bad.parse::<Url>(), Err(InvalidUrl), "{bad}");
        }
    }
}
