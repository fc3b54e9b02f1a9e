//! Frames as they may be logged and shown: without passwords.

use std::borrow::Cow;

use serde_json::Value;

use crate::frame::{Bounds, depth};

/// Members that hold a secret.
const SECRET_MEMBERS: [&str; 2] = ["apnPassword", "password"];
/// Names of configuration whose `value` or `attributeValue` is a secret (security whitepaper of
/// 1.6, section 2.3; 2.0.1 part 2, appendix 3).
const SECRET_NAMES: [&str; 2] = ["AuthorizationKey", "BasicAuthPassword"];
/// What a frame with a secret holds somewhere, in lower case.
const HINTS: [&str; 4] = ["authorizationkey", "password", "vpn", "@"];

const HIDDEN: &str = "(not shown)";
const ALL_HIDDEN: &str = "(not shown: may hold a password)";

/// A frame as it may be logged and shown: passwords are replaced, also those in addresses
/// (`ftp://user:password@host`). What may hold one and is no JSON is not shown at all.
#[must_use]
pub fn redacted(text: &str) -> Cow<'_, str> {
    let lower = text.to_ascii_lowercase();
    // An escaped letter could spell any of them.
    let suspicious = HINTS.iter().any(|hint| lower.contains(hint)) || lower.contains("\\u00");
    if !suspicious {
        return Cow::Borrowed(text);
    }
    if depth(text) > Bounds::default().depth_max {
        return Cow::Borrowed(ALL_HIDDEN);
    }
    match serde_json::from_str::<Value>(text) {
        Ok(mut tree) => {
            redact(&mut tree);
            Cow::Owned(tree.to_string())
        }
        Err(_) => Cow::Borrowed(ALL_HIDDEN),
    }
}

fn redact(tree: &mut Value) {
    match tree {
        Value::Array(elements) => elements.iter_mut().for_each(redact),
        Value::Object(members) => {
            let named_secret = members.values().any(names_a_secret);
            let is_vpn = members.contains_key("server") && members.contains_key("user");
            for (name, value) in members.iter_mut() {
                let of_secret =
                    named_secret && ["value", "attributeValue"].contains(&name.as_str());
                let secret = SECRET_MEMBERS.contains(&name.as_str()) || (is_vpn && name == "key");
                if of_secret || secret {
                    *value = Value::from(HIDDEN);
                } else {
                    redact(value);
                }
            }
        }
        Value::String(text) => {
            if let Some(plain) = without_password(text) {
                *text = plain;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `"key": "AuthorizationKey"`, or `"variable": {"name": "BasicAuthPassword"}`.
fn names_a_secret(value: &Value) -> bool {
    let name = value
        .as_str()
        .or_else(|| value.get("name").and_then(Value::as_str));
    name.is_some_and(|name| {
        SECRET_NAMES
            .iter()
            .any(|secret| secret.eq_ignore_ascii_case(name.trim()))
    })
}

/// The address with its password replaced; `None` when it has none.
pub(crate) fn without_password(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, host) = authority.rsplit_once('@')?;
    let (user, _) = user.split_once(':')?;
    Some(format!("{scheme}://{user}:{HIDDEN}@{host}{path}"))
}
