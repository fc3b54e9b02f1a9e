//! Users: the people who work for an organisation. Exactly one of them owns it.

use crate::clock::Clock;
use crate::db::{Db, DbError, Row};
use crate::email::Email;
use crate::id::{OrganisationId, UserId};
use crate::organisation::is_name;

/// What a user may do in the organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Everything; exactly one.
    Owner,
    /// Everything but transferring the organisation.
    Admin,
    /// Daily work.
    Member,
    /// Tariffs, invoices and reports.
    Billing,
}

impl Role {
    /// As it stands in the database and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Billing => "billing",
        }
    }
}

/// What is needed to create a user.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// For whom the user works.
    pub organisation: OrganisationId,
    /// E-mail address, once per organisation.
    pub email: Email,
    /// Full name, 1 to 128 characters.
    pub name: String,
    /// What the user may do.
    pub role: Role,
}

/// Why a user was not created.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// The name is empty, too long or holds control characters.
    #[error("the name must be 1 to 128 characters without control characters")]
    Name,
    /// No organisation has this id.
    #[error("no organisation has the id {0}; `cloud-api admin org list` shows all")]
    UnknownOrganisation(OrganisationId),
    /// The organisation has a user with this address.
    #[error("{0} is a user of this organisation already")]
    EmailTaken(Email),
    /// Ownership is transferred, not doubled.
    #[error("this organisation has its owner already; choose --role admin")]
    OwnerExists,
    /// The database failed.
    #[error(transparent)]
    Db(DbError),
}

/// The users in the database.
#[derive(Debug, Clone)]
pub struct Users {
    db: Db,
    clock: Clock,
}

impl Users {
    /// The users kept in `db`.
    #[must_use]
    pub fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock }
    }

    /// Creates a user and answers the id.
    ///
    /// # Errors
    /// [`UserError`] says which rule it breaks.
    pub async fn create(&self, new: NewUser) -> Result<UserId, UserError> {
        if !is_name(&new.name) {
            return Err(UserError::Name);
        }
        let now = self.clock.now();
        let id = UserId::mint(now);
        let row = vec![
            id.as_str().into(),
            new.organisation.as_str().into(),
            new.email.as_str().into(),
            new.name.into(),
            new.role.as_str().into(),
            now.as_millisecond().into(),
        ];
        let written = self
            .db
            .write(
                "INSERT INTO users (id, organisation_id, email, name, role, created_at_ms)
                 VALUES ($1, $2, $3, $4, $5, $6)",
                row,
            )
            .await;
        match written {
            Ok(_) => Ok(id),
            Err(DbError::Reference) => Err(UserError::UnknownOrganisation(new.organisation)),
            Err(DbError::Unique { on }) if on.contains("email") => {
                Err(UserError::EmailTaken(new.email))
            }
            Err(DbError::Unique { .. }) => Err(UserError::OwnerExists),
            Err(error) => Err(UserError::Db(error)),
        }
    }

    /// The owner of an organisation, if it has one yet.
    ///
    /// # Errors
    /// [`DbError`] when the database fails.
    pub async fn owner_of(&self, organisation: &OrganisationId) -> Result<Option<UserId>, DbError> {
        let rows = self
            .db
            .query(
                "SELECT id FROM users WHERE organisation_id = $1 AND role = 'owner'",
                vec![organisation.as_str().into()],
            )
            .await?;
        let id = |row: &Row| row.text("id").map(UserId::parse);
        Ok(rows.first().map(id).transpose()?.flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::organisation::{NewOrganisation, Organisations, Plan, Tier};

    #[tokio::test]
    async fn an_organisation_has_one_owner_and_each_address_once() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("cloud.sqlite")).unwrap();
        let clock = Clock::standing_at("2026-11-22T10:00:00Z".parse().unwrap());
        let new = NewOrganisation {
            name: "Acme".to_owned(),
            plan: Plan::new(Tier::Free, None).unwrap(),
            time_zone: "UTC".to_owned(),
            sandbox: false,
        };
        let organisations = Organisations::new(db.clone(), clock.clone());
        let acme = organisations.create(new.clone()).await.unwrap();
        let other = organisations.create(new).await.unwrap();
        let users = Users::new(db, clock);
        let user = |organisation: &OrganisationId, email: &str, role| NewUser {
            organisation: organisation.clone(),
            email: Email::parse(email).unwrap(),
            name: "Ada".to_owned(),
            role,
        };

        assert_eq!(users.owner_of(&acme).await, Ok(None));
        let owner = users
            .create(user(&acme, "ada@example.com", Role::Owner))
            .await
            .unwrap();
        assert_eq!(users.owner_of(&acme).await, Ok(Some(owner)));

        let twice = user(&acme, "ADA@example.com", Role::Member);
        assert_eq!(
            users.create(twice.clone()).await,
            Err(UserError::EmailTaken(twice.email))
        );
        let second = user(&acme, "bob@example.com", Role::Owner);
        assert_eq!(users.create(second).await, Err(UserError::OwnerExists));
        let nameless = NewUser {
            name: String::new(),
            ..user(&acme, "c@example.com", Role::Admin)
        };
        assert_eq!(users.create(nameless).await, Err(UserError::Name));
        let nobody = OrganisationId::parse("org_0").unwrap();
        let lost = user(&nobody, "d@example.com", Role::Billing);
        assert_eq!(
            users.create(lost).await,
            Err(UserError::UnknownOrganisation(nobody))
        );

        assert!(
            users
                .create(user(&other, "ada@example.com", Role::Owner))
                .await
                .is_ok()
        );
    }
}
