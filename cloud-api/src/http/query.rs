//! Query parameters: an endpoint takes those it names, and an unknown one is refused.

use std::fmt;

use super::body::shown;
use super::error::Detail;

/// The parameters of an endpoint.
pub trait Query: Sized + Send + fmt::Debug {
    /// Reads them from the URI's query.
    ///
    /// # Errors
    /// Every fault, unknown parameters included.
    fn parse(query: Option<&str>) -> Result<Self, Vec<Detail>>;
}

/// An endpoint without parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoQuery;

impl Query for NoQuery {
    fn parse(query: Option<&str>) -> Result<Self, Vec<Detail>> {
        let pairs = query
            .unwrap_or("")
            .split('&')
            .filter(|pair| !pair.is_empty());
        let faults: Vec<_> = pairs
            .map(|pair| {
                // Only the name: a value may be a secret put in the wrong place.
                let name = pair.split('=').next().unwrap_or("");
                Detail::new(shown(name), "is not a query parameter of this request")
            })
            .collect();
        if faults.is_empty() {
            Ok(Self)
        } else {
            Err(faults)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unknown_parameter_is_named_and_no_value_is_repeated() {
        assert_eq!(NoQuery::parse(None), Ok(NoQuery));
        assert_eq!(NoQuery::parse(Some("")), Ok(NoQuery));
        let unknown = |name: &str| Detail::new(name, "is not a query parameter of this request");
        assert_eq!(
            NoQuery::parse(Some("api_key=dyn_live_secret&page")),
            Err(vec![unknown("api_key"), unknown("page")])
        );
    }
}
