//! Ids of requests: `req_` and a lower-case ULID, unique and cheap to make.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::HeaderValue;
use jiff::Timestamp;
use ulid::{ULID_LEN, Ulid};

use crate::secret::fill_random;

const PREFIX: &str = "req_";
const LENGTH: usize = PREFIX.len() + ULID_LEN;
/// Random bits of a ULID.
const RANDOM_BITS: u32 = 80;

/// The id of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId([u8; LENGTH]);

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base32 is ASCII")
    }

    pub(super) fn header(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).expect("base32 is ASCII")
    }
}

/// Makes ids: a random start per process, then one more for each request, beside the time.
#[derive(Debug)]
pub(super) struct RequestIds {
    start: u128,
    made: AtomicU64,
}

impl RequestIds {
    pub(super) fn new() -> Self {
        let mut random = [0; 16];
        fill_random(&mut random);
        Self {
            start: u128::from_be_bytes(random),
            made: AtomicU64::new(0),
        }
    }

    pub(super) fn next(&self, now: Timestamp) -> RequestId {
        let count = u128::from(self.made.fetch_add(1, Ordering::Relaxed));
        let random = self.start.wrapping_add(count) & ((1 << RANDOM_BITS) - 1);
        let ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let mut ulid = [0; ULID_LEN];
        Ulid::from_parts(ms, random).array_to_str(&mut ulid);
        ulid.make_ascii_lowercase();
        let mut id = [0; LENGTH];
        let (prefix, rest) = id.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX.as_bytes());
        rest.copy_from_slice(&ulid);
        RequestId(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_lower_case_ulids_that_never_repeat_and_tell_the_time() {
        let ids = RequestIds::new();
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let (one, other) = (ids.next(now), ids.next(now));
        assert_ne!(one, other);
        let ulid = one.as_str().strip_prefix("req_").unwrap();
        assert_eq!(ulid, ulid.to_ascii_lowercase());
        let ulid = Ulid::from_string(ulid).unwrap();
        assert_eq!(
            i64::try_from(ulid.timestamp_ms()).unwrap(),
            now.as_millisecond()
        );
    }
}
