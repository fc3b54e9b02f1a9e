//! Times as answers show them.

use jiff::Timestamp;

/// RFC 3339 in UTC with `Z`, whole seconds, as in the published examples.
pub(super) fn shown(at: Timestamp) -> String {
    let ms = at.as_millisecond();
    Timestamp::from_second(ms.div_euclid(1_000))
        .unwrap_or(at)
        .to_string()
}

/// The same with milliseconds, where the order of what happened matters.
pub(super) fn shown_to_the_ms(at: Timestamp) -> String {
    let ms = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
    format!("{ms:.3}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_cut_to_the_second() {
        let at = "2026-05-01T09:14:32.999Z".parse().unwrap();
        assert_eq!(super::shown(at), "2026-05-01T09:14:32Z");
        assert_eq!(super::shown_to_the_ms(at), "2026-05-01T09:14:32.999Z");
    }
}
