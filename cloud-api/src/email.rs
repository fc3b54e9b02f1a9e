//! E-mail addresses as names of accounts.

use std::fmt;

/// Longest address that SMTP can carry (RFC 5321, section 4.5.3.1.3, less the angle brackets).
const LENGTH_MAX: usize = 254;

/// An e-mail address in lower case, so that one person has one account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// Checks the shape only: one `@` between two non-empty parts, no blanks, at most 254 characters.
    /// Whether it exists shows when mail arrives.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.split_once('@')?;
        let plain = |c: char| !c.is_whitespace() && !c.is_control();
        let fits = !local.is_empty()
            && !domain.is_empty()
            && !domain.contains('@')
            && text.len() <= LENGTH_MAX
            && text.chars().all(plain);
        fits.then(|| Self(text.to_lowercase()))
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_make_no_second_account() {
        assert_eq!(
            Email::parse("Ada@Example.COM"),
            Email::parse("ada@example.com")
        );
        assert_eq!(
            Email::parse("Ada@Example.COM").unwrap().as_str(),
            "ada@example.com"
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(243));
        for bad in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "a@b@c",
            "a da@b",
            "ada@b\n",
            &long,
        ] {
            assert_eq!(Email::parse(bad), None, "{bad:?}");
        }
        assert!(Email::parse(&long[1..]).is_some(), "254 characters fit");
    }
}
