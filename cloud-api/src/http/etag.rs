//! Entity tags of reads, and the conditional request (RFC 9110, sections 8.8.3 and 13.1.2).

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::fleet::Answer;

/// Headers of an answer, at most.
const HEADERS: usize = 16;

/// A JSON answer whose tag is made from its bytes.
#[derive(Debug)]
pub(super) struct Tagged {
    body: Bytes,
    tag: HeaderValue,
}

impl Tagged {
    /// Tags a value by itself: equal bytes, equal tag.
    pub(super) fn new(value: &impl Serialize) -> Self {
        let body = json(value);
        let tag = tag("", &body);
        Self {
            body: body.into(),
            tag,
        }
    }

    /// What was answered before.
    pub(super) fn again(answer: &Answer) -> Self {
        Self {
            body: answer.body.clone(),
            tag: answer.tag.clone(),
        }
    }

    /// The tag.
    pub(super) fn tag(&self) -> &HeaderValue {
        &self.tag
    }

    /// To be answered again.
    pub(super) fn kept(self) -> Answer {
        let Self { body, tag } = self;
        Answer { body, tag }
    }

    /// Tags a value by the part of it that matters: a weak tag.
    pub(super) fn by(value: &impl Serialize, what_matters: &impl Serialize) -> Self {
        let tag = tag("W/", &json(what_matters));
        Self {
            body: json(value).into(),
            tag,
        }
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts, integers and decimals serialise")
}

/// 128 bits of SHA-256.
fn tag(weak: &str, bytes: &[u8]) -> HeaderValue {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let (half, _) = digest
        .as_ref()
        .split_first_chunk()
        .expect("SHA-256 gives 32 bytes");
    let text = format!("{weak}\"{:032x}\"", u128::from_be_bytes(*half));
    HeaderValue::try_from(text).expect("hex digits and quotes")
}

impl IntoResponse for Tagged {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        let headers = response.headers_mut();
        // These, and those of the envelope: the map grows once.
        headers.reserve(HEADERS);
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::ETAG, self.tag);
        let private = HeaderValue::from_static("private, no-cache");
        headers.insert(header::CACHE_CONTROL, private);
        let by_caller = HeaderValue::from_static("Authorization, X-API-Key");
        headers.insert(header::VARY, by_caller);
        response
    }
}

/// The condition's header lines.
pub(super) fn conditions(headers: &HeaderMap) -> HeaderMap {
    let lines = headers.get_all(header::IF_NONE_MATCH);
    lines
        .into_iter()
        .map(|line| (header::IF_NONE_MATCH, line.clone()))
        .fold(HeaderMap::new(), |mut kept, (name, line)| {
            kept.append(name, line);
            kept
        })
}

/// Whether the client has what would be answered: weak comparison, lists, and `*`.
pub(super) fn is_met(conditions: &HeaderMap, answer: &HeaderMap) -> bool {
    let Some(tag) = answer.get(header::ETAG).and_then(|tag| tag.to_str().ok()) else {
        return false;
    };
    let lines = conditions.get_all(header::IF_NONE_MATCH).into_iter();
    let texts = lines.filter_map(|line| line.to_str().ok());
    texts
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .any(|known| known == "*" || strong(known) == strong(tag))
}

fn strong(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(conditions_text: &[&str], tag: &str) -> bool {
        let mut conditions = HeaderMap::new();
        for text in conditions_text {
            conditions.append(header::IF_NONE_MATCH, HeaderValue::from_str(text).unwrap());
        }
        let mut answer = HeaderMap::new();
        answer.insert(header::ETAG, HeaderValue::from_str(tag).unwrap());
        is_met(&super::conditions(&conditions), &answer)
    }

    #[test]
    fn a_tag_matches_itself_weak_or_strong_in_any_list_and_the_star() {
        assert!(met(&["\"a\""], "\"a\""));
        assert!(met(&["W/\"a\""], "\"a\""));
        assert!(met(&["\"a\""], "W/\"a\""));
        assert!(met(&["\"x\", \"a\""], "\"a\""));
        assert!(met(&["\"x\"", "\"a\""], "\"a\""));
        assert!(met(&["*"], "\"a\""));
        assert!(!met(&["\"x\""], "\"a\""));
        assert!(!met(&["a"], "\"a\""));
    }

    #[test]
    fn a_tag_follows_what_it_is_made_from() {
        let (one, other) = (Tagged::new(&[1]), Tagged::new(&[2]));
        assert_ne!(one.tag, other.tag);
        assert_eq!(one.tag, Tagged::new(&[1]).tag);
        assert_eq!(Tagged::by(&[1], &[3]).tag, Tagged::by(&[2], &[3]).tag);
    }
}
