//! Accounts of installers in the database.

use crate::clock::Clock;
use crate::db::{Db, DbError, Row};
use crate::email::Email;
use crate::id::InstallerId;
use crate::organisation::is_name;

use super::password::{PasswordError, Passwords};
use crate::secret::Secret;

/// What is needed to create an installer.
#[derive(Debug, Clone)]
pub struct NewInstaller {
    /// E-mail address, unique on the platform; the name to log in with.
    pub email: Email,
    /// Full name, 1 to 128 characters.
    pub full_name: String,
    /// The password, which must keep [`Passwords::check_rules`].
    pub password: Secret<String>,
}

/// Why an installer was not created.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The name is empty, too long or holds control characters.
    #[error("the full name must be 1 to 128 characters without control characters")]
    Name,
    /// The password breaks a rule.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// There is an installer with this address.
    #[error("{0} is an installer already")]
    EmailTaken(Email),
    /// The database failed.
    #[error(transparent)]
    Db(DbError),
}

/// The installers in the database.
#[derive(Debug, Clone)]
pub struct Installers {
    db: Db,
    clock: Clock,
    passwords: Passwords,
}

impl Installers {
    /// The installers kept in `db`.
    #[must_use]
    pub fn new(db: Db, clock: Clock) -> Self {
        Self {
            db,
            clock,
            passwords: Passwords::new(),
        }
    }

    /// Creates one and answers the id.
    ///
    /// # Errors
    /// [`AccountError`] says which rule it breaks.
    pub async fn create(&self, new: NewInstaller) -> Result<InstallerId, AccountError> {
        if !is_name(&new.full_name) {
            return Err(AccountError::Name);
        }
        Passwords::check_rules(&new.password)?;
        let hash = self.passwords.hash(new.password).await?;
        let now = self.clock.now();
        let id = InstallerId::mint(now);
        let row = vec![
            id.as_str().into(),
            new.email.as_str().into(),
            new.full_name.into(),
            hash.into(),
            now.as_millisecond().into(),
        ];
        let written = self
            .db
            .write(
                "INSERT INTO installers (id, email, full_name, password_hash, created_at_ms)
                 VALUES ($1, $2, $3, $4, $5)",
                row,
            )
            .await;
        match written {
            Ok(_) => Ok(id),
            Err(DbError::Unique { .. }) => Err(AccountError::EmailTaken(new.email)),
            Err(error) => Err(AccountError::Db(error)),
        }
    }

    /// Who logs in with this address and password; `None` if nobody does. An unknown address
    /// costs the same work as a wrong password, so that accounts cannot be told apart by time.
    ///
    /// # Errors
    /// [`AccountError::Db`], and [`PasswordError::Busy`] when too many logins are under way.
    pub async fn log_in(
        &self,
        email: &str,
        password: Secret<String>,
    ) -> Result<Option<InstallerId>, AccountError> {
        let account = match Email::parse(email) {
            Some(email) => self.find(&email).await.map_err(AccountError::Db)?,
            None => None,
        };
        let (id, hash) = account.unzip();
        let right = self.passwords.verify(password, hash).await?;
        Ok(id.filter(|_| right))
    }

    async fn find(&self, email: &Email) -> Result<Option<(InstallerId, String)>, DbError> {
        let rows = self
            .db
            .query(
                "SELECT id, password_hash FROM installers WHERE email = $1",
                vec![email.as_str().into()],
            )
            .await?;
        let account = |row: &Row| {
            let id = InstallerId::parse(row.text("id")?);
            let hash = row.text("password_hash")?.to_owned();
            Ok(id.map(|id| (id, hash)))
        };
        Ok(rows.first().map(account).transpose()?.flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_address_logs_in() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("cloud.sqlite")).unwrap();
        let clock = Clock::standing_at("2026-11-22T10:00:00Z".parse().unwrap());
        let installers = Installers::new(db, clock);
        let new = NewInstaller {
            email: Email::parse("ida@example.com").unwrap(),
            full_name: "Ida Rhodes".to_owned(),
            password: password("Correct-horse7"),
        };
        let id = installers.create(new.clone()).await.unwrap();

        for (email, text, expected) in [
            ("ida@example.com", "Correct-horse7", Some(id.clone())),
            ("IDA@Example.com", "Correct-horse7", Some(id)),
            ("ida@example.com", "correct-horse7", None),
            ("ida@example.com", "", None),
            ("eve@example.com", "Correct-horse7", None),
            ("nonsense", "Correct-horse7", None),
        ] {
            let found = installers.log_in(email, password(text)).await;
            assert_eq!(found, Ok(expected), "{email} {text}");
        }

        let twice = installers.create(new.clone()).await;
        assert_eq!(twice, Err(AccountError::EmailTaken(new.email.clone())));
        let weak = NewInstaller {
            password: password("short"),
            ..new.clone()
        };
        assert_eq!(
            installers.create(weak).await,
            Err(AccountError::Password(PasswordError::Rules))
        );
        let nameless = NewInstaller {
            full_name: " ".to_owned(),
            ..new
        };
        assert_eq!(installers.create(nameless).await, Err(AccountError::Name));
    }
}
