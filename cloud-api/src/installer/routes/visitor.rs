//! Who is at the other end of a request that carries no credential.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::http::ApiError;

use super::Logins;

/// Somebody whose address may try once more; the attempt is taken before the body is read.
#[derive(Debug)]
pub(super) struct Visitor;

impl FromRequestParts<Logins> for Visitor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, logins: &Logins) -> Result<Self, ApiError> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        // A request that came through no socket is one visitor with all others of its kind.
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        let address = origin(peer, &parts.headers, &logins.proxies);
        logins.attempts.take_of_address(address)?;
        Ok(Self)
    }
}

/// Behind a proxy of ours: whom it names last in `X-Forwarded-For`. What others write there is ignored.
fn origin(peer: IpAddr, headers: &HeaderMap, proxies: &[IpAddr]) -> IpAddr {
    let forwarded = headers.get_all("x-forwarded-for").into_iter();
    let forwarded: Vec<&str> = forwarded
        .flat_map(|value| value.to_str().unwrap_or("").split(','))
        .collect();
    let mut origin = peer.to_canonical();
    for named in forwarded.iter().rev() {
        if !proxies.contains(&origin) {
            break;
        }
        match named.trim().parse::<IpAddr>() {
            Ok(address) => origin = address.to_canonical(),
            Err(_) => break,
        }
    }
    origin
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_what_our_own_proxies_say_is_believed() {
        let proxies: Vec<IpAddr> = vec!["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
        let origin = |peer: &str, lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", HeaderValue::from_static(line));
            }
            origin(peer.parse().unwrap(), &headers, &proxies).to_string()
        };
        assert_eq!(origin("192.0.2.7", &["203.0.113.9"]), "192.0.2.7");
        assert_eq!(origin("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(origin("::ffff:10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(origin("10.0.0.1", &["1.1.1.1, 203.0.113.9"]), "203.0.113.9");
        assert_eq!(
            origin("10.0.0.1", &["1.1.1.1", "203.0.113.9, 10.0.0.2"]),
            "203.0.113.9"
        );
        assert_eq!(origin("10.0.0.1", &["203.0.113.9, unknown"]), "10.0.0.1");
    }
}
