//! Bodies of requests: bounded in size and time, JSON only, strict. Every fault of a body is
//! found before anything is answered.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use site_model::ChargePointId;

use super::error::{ApiError, Detail};

/// Largest body of a request.
pub const BODY_MAX: usize = 256 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest name of a field that an answer repeats, in characters.
const FIELD_SHOWN_MAX: usize = 64;

/// A request's body that could be read from its JSON fields.
pub trait FromFields: Sized + Send {
    /// Takes its fields; faults are noted in `fields`, and what it did not take is unknown.
    fn from_fields(fields: &mut Fields) -> Option<Self>;
}

/// The JSON body of an endpoint without a caller; checks type and size first.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: FromFields> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body).await?;
        parse(&bytes).map(Self)
    }
}

/// Reads a JSON body after its type and announced size were checked.
///
/// # Errors
/// 415, 413, 400 when it does not arrive.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, ApiError> {
    check_announced_size(headers)?;
    check_type(headers, &body)?;
    collect(body).await
}

/// Refuses a body that says itself that it is too large.
pub(super) fn check_announced_size(headers: &HeaderMap) -> Result<(), ApiError> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<u64>().ok());
    match announced.map(usize::try_from) {
        Some(Ok(0..=BODY_MAX)) | None => Ok(()),
        Some(Ok(_) | Err(_)) => Err(ApiError::payload_too_large(BODY_MAX)),
    }
}

fn check_type(headers: &HeaderMap, body: &Body) -> Result<(), ApiError> {
    let coded = headers.get(header::CONTENT_ENCODING);
    if coded.is_some_and(|coding| coding != "identity") {
        return Err(ApiError::unsupported_media_type(
            "The body is encoded; send it without Content-Encoding.",
        ));
    }
    let shown = headers.get(header::CONTENT_TYPE);
    let json = match shown.map(|shown| shown.to_str().unwrap_or("")) {
        Some(shown) => is_json(shown),
        // Nothing at all is a missing body, which is told as such.
        None => body.is_end_stream(),
    };
    if json {
        Ok(())
    } else {
        Err(ApiError::unsupported_media_type(
            "The body must be JSON; send Content-Type: application/json.",
        ))
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or("").trim();
    let essence = essence.to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Reads a body of any kind up to the bound.
pub(super) async fn collect(mut body: Body) -> Result<Vec<u8>, ApiError> {
    let reading = async {
        let mut bytes = Vec::new();
        while let Some(frame) =
            std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
        {
            let frame = frame.map_err(|_| broken_off("broke off"))?;
            if let Ok(data) = frame.into_data() {
                if bytes.len() + data.len() > BODY_MAX {
                    return Err(ApiError::payload_too_large(BODY_MAX));
                }
                bytes.extend_from_slice(&data);
            }
        }
        Ok(bytes)
    };
    tokio::time::timeout(BODY_TIMEOUT, reading)
        .await
        .unwrap_or_else(|_| Err(broken_off("did not arrive within 30 s")))
}

fn broken_off(how: &'static str) -> ApiError {
    ApiError::invalid_request(vec![Detail::new("body", how)])
}

/// Parses a body whole: all faults at once.
///
/// # Errors
/// 400.
pub(super) fn parse<T: FromFields>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut fields = match Fields::parse(bytes) {
        Ok(fields) => fields,
        Err(fault) => return Err(ApiError::invalid_request(vec![fault])),
    };
    let value = T::from_fields(&mut fields);
    let faults = fields.into_faults();
    match value {
        Some(value) if faults.details.is_empty() => Ok(value),
        Some(_) | None => Err(faults.into_error()),
    }
}

/// Query and body, or the faults of both.
///
/// # Errors
/// 400.
pub(super) fn both<Q, T>(
    query: Result<Q, Vec<Detail>>,
    body: Result<T, ApiError>,
) -> Result<(Q, T), ApiError> {
    match (query, body) {
        (Ok(query), Ok(body)) => Ok((query, body)),
        (Ok(_), Err(error)) => Err(error),
        (Err(faults), Ok(_)) => Err(ApiError::invalid_request(faults)),
        (Err(faults), Err(error)) => Err(error.with_more(faults)),
    }
}

/// The fields of a JSON object, taken one after the other by their names.
#[derive(Debug)]
pub struct Fields {
    values: BTreeMap<String, Value>,
    faults: Faults,
}

#[derive(Debug, Default)]
struct Faults {
    details: Vec<Detail>,
    unknown_scope: Option<String>,
}

impl Faults {
    fn into_error(self) -> ApiError {
        match self.unknown_scope {
            Some(scope) => ApiError::invalid_scope(&scope, self.details),
            None => ApiError::invalid_request(self.details),
        }
    }
}

impl Fields {
    fn parse(bytes: &[u8]) -> Result<Self, Detail> {
        if bytes.is_empty() {
            return Err(Detail::new("body", "is missing; send a JSON object"));
        }
        let object: Object = serde_json::from_slice(bytes).map_err(|error| {
            let what = if error.is_data() {
                "must be a JSON object".to_owned()
            } else {
                format!("is not valid JSON: {error}")
            };
            Detail::new("body", what)
        })?;
        let mut values = BTreeMap::new();
        let mut faults = Faults::default();
        for (name, value) in object.0 {
            if values.contains_key(&name) {
                faults
                    .details
                    .push(Detail::new(shown(&name), "is given twice"));
            }
            values.insert(name, value);
        }
        Ok(Self { values, faults })
    }

    /// Notes a fault.
    pub fn fault(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.faults.details.push(Detail::new(field, message));
    }

    /// Notes a scope that does not exist; the first one decides the error's code.
    pub fn unknown_scope(&mut self, field: String, scope: &str) {
        self.fault(field, "is not a permission scope");
        let first = &mut self.faults.unknown_scope;
        first.get_or_insert_with(|| shown(scope));
    }

    /// Takes a value; `None` and no fault if it is missing or null.
    pub fn optional(&mut self, name: &str) -> Option<Value> {
        self.values.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a value; a fault if it is missing or null.
    pub fn required(&mut self, name: &str) -> Option<Value> {
        let value = self.optional(name);
        if value.is_none() {
            self.fault(name, "is required");
        }
        value
    }

    /// Takes a value that was given, null included; `None` if it is not there.
    pub fn given(&mut self, name: &str) -> Option<Value> {
        self.values.remove(name)
    }

    /// Takes a value that null takes away: `Some(None)` for null, `None` if it is not there or faulty.
    pub fn nullable<T>(
        &mut self,
        name: &str,
        take: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        let value = self.given(name)?;
        if value.is_null() {
            return Some(None);
        }
        self.values.insert(name.to_owned(), value);
        take(self).map(Some)
    }

    /// Takes an optional object as fields of its own; give them back to [`Fields::absorb`].
    pub fn nested(&mut self, name: &str) -> Option<Self> {
        match self.optional(name) {
            None => Some(Self {
                values: BTreeMap::new(),
                faults: Faults::default(),
            }),
            Some(Value::Object(object)) => Some(Self {
                values: object.into_iter().collect(),
                faults: Faults::default(),
            }),
            Some(_) => {
                self.fault(name, "must be an object");
                None
            }
        }
    }

    /// What is there, as it stands.
    #[must_use]
    pub fn shown(&self) -> Value {
        Value::Object(self.values.clone().into_iter().collect())
    }

    /// Takes over the faults of nested fields; what is left of them is unknown.
    pub fn absorb(&mut self, name: &str, nested: Self) {
        for detail in nested.into_faults().details {
            let field = format!("{name}.{}", detail.field);
            self.faults.details.push(Detail::new(field, detail.message));
        }
    }

    /// Takes everything that is left.
    pub fn rest(&mut self) -> serde_json::Map<String, Value> {
        std::mem::take(&mut self.values).into_iter().collect()
    }

    /// Takes an optional text as [`Fields::text`] does.
    pub fn optional_text(&mut self, name: &str, length: RangeInclusive<usize>) -> Option<String> {
        let value = self.optional(name)?;
        self.values.insert(name.to_owned(), value);
        self.text(name, length)
    }

    /// Takes an optional flag; `None` also when it is faulty, which is noted.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        let value = self.optional(name)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.fault(name, "must be true or false");
        }
        flag
    }

    /// Takes an optional time; `None` also when it is faulty, which is noted.
    pub fn time(&mut self, name: &str) -> Option<Timestamp> {
        let value = self.optional(name)?;
        let time = value.as_str().and_then(|text| text.parse().ok());
        if time.is_none() {
            self.fault(name, "must be a time such as 2026-05-01T09:00:00Z");
        }
        time
    }

    /// Takes an optional word of a closed list; `None` also when it is faulty, which is noted.
    pub fn word<T>(
        &mut self,
        name: &str,
        words: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.optional(name)?;
        let word = value.as_str().and_then(parse);
        if word.is_none() {
            self.fault(name, format!("must be one of {words}"));
        }
        word
    }

    /// Takes the required `charge_point_id`.
    pub fn charge_point_id(&mut self) -> Option<ChargePointId> {
        let id = self.text("charge_point_id", 1..=48)?;
        let id = ChargePointId::new(&id);
        id.map_err(|invalid| self.fault("charge_point_id", format!("must {}", invalid.rule)))
            .ok()
    }

    /// Takes a required text of so many characters, not blank and without control characters.
    pub fn text(&mut self, name: &str, length: RangeInclusive<usize>) -> Option<String> {
        let value = self.required(name)?;
        let Value::String(text) = value else {
            self.fault(name, "must be a string");
            return None;
        };
        let characters = text.chars().count();
        if !length.contains(&characters) {
            let (least, most) = length.into_inner();
            self.fault(name, format!("must be {least} to {most} characters long"));
            return None;
        }
        if text.chars().any(char::is_control) {
            self.fault(name, "must not contain control characters");
            return None;
        }
        if text.trim().is_empty() {
            self.fault(name, "must not be blank");
            return None;
        }
        Some(text)
    }

    /// Takes an optional integer in a range; `None` also when it is faulty, which is noted.
    pub fn integer(&mut self, name: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let value = self.optional(name)?;
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = range.into_inner();
            self.fault(name, format!("must be an integer from {least} to {most}"));
        }
        number
    }

    /// What is left over is unknown.
    fn into_faults(mut self) -> Faults {
        for name in self.values.into_keys() {
            let fault = Detail::new(shown(&name), "is not a field of this request");
            self.faults.details.push(fault);
        }
        self.faults
    }
}

/// A client's own text as answers may repeat it.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(FIELD_SHOWN_MAX).collect()
}

/// A JSON object with its fields as they stand, repeated ones included.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Object(entries))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Order {
        name: String,
        count: Option<u32>,
    }

    impl FromFields for Order {
        fn from_fields(fields: &mut Fields) -> Option<Self> {
            let name = fields.text("name", 1..=8);
            let count = fields.integer("count", 1..=9);
            Some(Self { name: name?, count })
        }
    }

    fn details(body: &str) -> Vec<(String, String)> {
        let error = parse::<Order>(body.as_bytes()).unwrap_err();
        let body: Value =
            serde_json::from_slice(&error.body(super::super::error::Style::Flat, "")).unwrap();
        let text = |detail: &Value, key: &str| detail[key].as_str().unwrap().to_owned();
        let details = body["details"].as_array().unwrap();
        details
            .iter()
            .map(|detail| (text(detail, "field"), text(detail, "message")))
            .collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(field, message): &(&str, &str)| ((*field).to_owned(), (*message).to_owned());
        expected.iter().map(owned).collect()
    }

    #[test]
    fn a_good_body_is_taken_and_null_is_absent() {
        let order = |body: &str| parse::<Order>(body.as_bytes()).unwrap();
        let name = "ä b".to_owned();
        assert_eq!(
            order(r#"{"count": null, "name": "ä b"}"#),
            Order {
                name: name.clone(),
                count: None
            }
        );
        assert_eq!(
            order(r#"{"name": "ä b", "count": 9}"#),
            Order {
                name,
                count: Some(9)
            }
        );
    }

    #[test]
    fn all_faults_are_told_at_once() {
        assert_eq!(
            details(r#"{"name": 7, "count": 0, "size": {}, "count": 10}"#),
            pairs(&[
                ("count", "is given twice"),
                ("name", "must be a string"),
                ("count", "must be an integer from 1 to 9"),
                ("size", "is not a field of this request"),
            ])
        );
        assert_eq!(details("{}"), pairs(&[("name", "is required")]));
        assert_eq!(
            details(r#"{"name": "a\u0000b"}"#),
            pairs(&[("name", "must not contain control characters")])
        );
        assert_eq!(
            details(r#"{"name": "  "}"#),
            pairs(&[("name", "must not be blank")])
        );
        assert_eq!(
            details(r#"{"name": "123456789"}"#),
            pairs(&[("name", "must be 1 to 8 characters long")])
        );
        for wrong in ["1.5", "\"3\"", "-1", "3.0", "true", "99999999999999999999"] {
            assert_eq!(
                details(&format!(r#"{{"name": "a", "count": {wrong}}}"#)),
                pairs(&[("count", "must be an integer from 1 to 9")])
            );
        }
    }

    #[test]
    fn what_is_no_object_is_told_with_its_place() {
        assert_eq!(
            details(""),
            pairs(&[("body", "is missing; send a JSON object")])
        );
        for no_object in ["[]", "7", "null", "\"x\""] {
            assert_eq!(
                details(no_object),
                pairs(&[("body", "must be a JSON object")])
            );
        }
        assert_eq!(
            details("{\"name\": }"),
            pairs(&[(
                "body",
                "is not valid JSON: expected value at line 1 column 10"
            )])
        );
        let deep = format!("{{\"name\": {}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        let [(field, message)] = &details(&deep)[..] else {
            panic!("one fault")
        };
        assert_eq!(field, "body");
        assert!(message.contains("recursion limit exceeded"), "{message}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_given_up_after_30_s() {
        let (_never_written, reader) = tokio::io::duplex(16);
        let body = Body::from_stream(tokio_util::io::ReaderStream::new(reader));
        let began = tokio::time::Instant::now();
        let error = collect(body).await.unwrap_err();
        assert_eq!(began.elapsed(), BODY_TIMEOUT);
        assert_eq!(error.status(), axum::http::StatusCode::BAD_REQUEST);
    }

    #[test]
    fn json_by_any_of_its_names() {
        for json in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/merge-patch+json",
        ] {
            assert!(is_json(json), "{json}");
        }
        for other in [
            "",
            "text/json",
            "application/x-www-form-urlencoded",
            "application/jsonx",
            "json",
        ] {
            assert!(!is_json(other), "{other}");
        }
    }
}
