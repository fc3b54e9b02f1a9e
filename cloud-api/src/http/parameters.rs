//! Query parameters as an endpoint takes them one by one; what it does not take is unknown.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::body::shown;
use super::error::Detail;

/// Longest value of a parameter that is looked at, in bytes.
const VALUE_MAX: usize = 256;

/// The parameters of one request.
#[derive(Debug)]
pub(super) struct Parameters {
    values: BTreeMap<String, String>,
    faults: Vec<Detail>,
}

impl Parameters {
    /// Takes a query apart (as HTML forms write it: percent signs, `+` for a blank).
    pub(super) fn of(query: Option<&str>) -> Self {
        let mut parameters = Self {
            values: BTreeMap::new(),
            faults: Vec::new(),
        };
        let pairs = query.unwrap_or("").split('&');
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name).unwrap_or_else(|| name.to_owned());
            match decoded(value) {
                _ if parameters.values.contains_key(&name) => {
                    parameters.fault(&name, "is given twice");
                }
                Some(value) if value.len() <= VALUE_MAX => {
                    parameters.values.insert(name, value);
                }
                Some(_) => parameters.fault(&name, "is too long"),
                None => parameters.fault(&name, "is not written as a query writes it (%2A for *)"),
            }
        }
        parameters
    }

    /// Notes a fault.
    pub(super) fn fault(&mut self, name: &str, message: impl Into<String>) {
        self.faults.push(Detail::new(shown(name), message));
    }

    /// Takes a text.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.values.remove(name)
    }

    /// Takes what `parse` makes of a text.
    pub(super) fn parsed<T>(
        &mut self,
        name: &str,
        rule: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let value = parse(&text);
        if value.is_none() {
            self.fault(name, rule);
        }
        value
    }

    /// Takes a time.
    pub(super) fn time(&mut self, name: &str) -> Option<Timestamp> {
        let rule = "must be a time such as 2026-05-01T09:00:00Z";
        self.parsed(name, rule, |text| text.parse().ok())
    }

    /// Takes a flag.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        self.parsed(name, "must be true or false", |text| text.parse().ok())
    }

    /// The value made from all, unless something was at fault or is left.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, Vec<Detail>> {
        for name in std::mem::take(&mut self.values).into_keys() {
            self.fault(&name, "is not a query parameter of this request");
        }
        if self.faults.is_empty() {
            Ok(value)
        } else {
            Err(self.faults)
        }
    }
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_decoded_and_what_is_left_is_unknown() {
        let mut parameters = Parameters::of(Some("a=x%2Ay+z&from=2026-05-01T09%3A00%3A00Z&b=true"));
        assert_eq!(parameters.text("a").as_deref(), Some("x*y z"));
        assert_eq!(parameters.flag("b"), Some(true));
        let from = parameters.time("from").map(|at| at.to_string());
        assert_eq!(from.as_deref(), Some("2026-05-01T09:00:00Z"));
        assert_eq!(parameters.finish(7), Ok(7));
    }

    #[test]
    fn every_fault_is_told() {
        let mut parameters = Parameters::of(Some("a=1&a=2&b=maybe&c=%zz&d=%ff&e=1"));
        assert_eq!(parameters.flag("b"), None);
        let fault = |name: &str, message: &str| Detail::new(name, message);
        assert_eq!(
            parameters.finish(()),
            Err(vec![
                fault("a", "is given twice"),
                fault("c", "is not written as a query writes it (%2A for *)"),
                fault("d", "is not written as a query writes it (%2A for *)"),
                fault("b", "must be true or false"),
                fault("a", "is not a query parameter of this request"),
                fault("e", "is not a query parameter of this request"),
            ])
        );
    }
}
