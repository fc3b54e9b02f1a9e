//! Organisations: the tenants, with what they pay for and the time zone their days run in.

mod tier;

use crate::clock::Clock;
use crate::db::{Db, DbError, Row};
use crate::id::OrganisationId;

pub use tier::{Plan, PlanError, Tier};

/// Longest name, in characters.
const NAME_MAX: usize = 128;

/// An organisation as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// Its id.
    pub id: OrganisationId,
    /// Its name.
    pub name: String,
    /// What it pays for.
    pub plan: Plan,
    /// IANA name of the time zone in which its days begin and end.
    pub time_zone: String,
    /// Whether its chargers are virtual; its keys then begin with `dyn_test_`.
    pub sandbox: bool,
}

/// What is needed to create an organisation.
#[derive(Debug, Clone)]
pub struct NewOrganisation {
    /// Its name, 1 to 128 characters.
    pub name: String,
    /// What it pays for.
    pub plan: Plan,
    /// IANA name of its time zone, for instance `Europe/Berlin`.
    pub time_zone: String,
    /// Whether its chargers are virtual.
    pub sandbox: bool,
}

/// Why an organisation was not created or changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrganisationError {
    /// The name is empty, too long or holds control characters.
    #[error("the name must be 1 to {NAME_MAX} characters without control characters")]
    Name,
    /// The machine's time zone database does not know it.
    #[error(
        "`{0}` is no time zone of this machine; use an IANA name such as Europe/Berlin (and install tzdata if even UTC is refused)"
    )]
    TimeZone(String),
    /// No organisation has this id.
    #[error("no organisation has the id {0}; `cloud-api admin org list` shows all")]
    Unknown(OrganisationId),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The organisations in the database.
#[derive(Debug, Clone)]
pub struct Organisations {
    db: Db,
    clock: Clock,
}

impl Organisations {
    /// The organisations kept in `db`.
    #[must_use]
    pub fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock }
    }

    /// Creates one and answers its id.
    ///
    /// # Errors
    /// [`OrganisationError::Name`], [`OrganisationError::TimeZone`], [`OrganisationError::Db`].
    pub async fn create(&self, new: NewOrganisation) -> Result<OrganisationId, OrganisationError> {
        if !is_name(&new.name) {
            return Err(OrganisationError::Name);
        }
        if jiff::tz::TimeZone::get(&new.time_zone).is_err() {
            return Err(OrganisationError::TimeZone(new.time_zone));
        }
        let now = self.clock.now();
        let id = OrganisationId::mint(now);
        let row = vec![
            id.as_str().into(),
            new.name.into(),
            new.plan.tier().as_str().into(),
            new.plan.agreed_limit().into(),
            new.time_zone.into(),
            new.sandbox.into(),
            now.as_millisecond().into(),
        ];
        self.db
            .write(
                "INSERT INTO organisations
                   (id, name, tier, hourly_limit, time_zone, sandbox, created_at_ms)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
                row,
            )
            .await?;
        Ok(id)
    }

    /// Changes what an organisation pays for.
    ///
    /// # Errors
    /// [`OrganisationError::Unknown`], [`OrganisationError::Db`].
    pub async fn set_plan(&self, id: &OrganisationId, plan: Plan) -> Result<(), OrganisationError> {
        let done = self
            .db
            .write(
                "UPDATE organisations SET tier = $2, hourly_limit = $3 WHERE id = $1",
                vec![
                    id.as_str().into(),
                    plan.tier().as_str().into(),
                    plan.agreed_limit().into(),
                ],
            )
            .await?;
        if done.changed == 0 {
            return Err(OrganisationError::Unknown(id.clone()));
        }
        Ok(())
    }

    /// The organisation with this id.
    ///
    /// # Errors
    /// [`OrganisationError::Unknown`], [`OrganisationError::Db`].
    pub async fn find(&self, id: &OrganisationId) -> Result<Organisation, OrganisationError> {
        let rows = self
            .db
            .query(
                "SELECT id, name, tier, hourly_limit, time_zone, sandbox
                 FROM organisations WHERE id = $1",
                vec![id.as_str().into()],
            )
            .await?;
        let row = rows
            .first()
            .ok_or_else(|| OrganisationError::Unknown(id.clone()))?;
        Ok(read(row)?)
    }

    /// All organisations, oldest first.
    ///
    /// # Errors
    /// [`DbError`] when the database fails.
    pub async fn list(&self) -> Result<Vec<Organisation>, DbError> {
        let rows = self
            .db
            .query(
                "SELECT id, name, tier, hourly_limit, time_zone, sandbox
                 FROM organisations ORDER BY id",
                vec![],
            )
            .await?;
        rows.iter().map(read).collect()
    }
}

/// Whether `text` can be the name of an organisation or a person: 1 to 128 characters, printable.
pub(crate) fn is_name(text: &str) -> bool {
    let length = text.chars().count();
    (1..=NAME_MAX).contains(&length)
        && !text.trim().is_empty()
        && !text.chars().any(char::is_control)
}

fn read(row: &Row) -> Result<Organisation, DbError> {
    let damaged = |column: &str| DbError::Column {
        column: column.to_owned(),
        problem: "holds what this program never wrote",
    };
    let tier = Tier::parse(row.text("tier")?).ok_or_else(|| damaged("tier"))?;
    let agreed = row.opt_int("hourly_limit")?.map(u32::try_from).transpose();
    let plan = Plan::new(tier, agreed.map_err(|_| damaged("hourly_limit"))?);
    Ok(Organisation {
        id: OrganisationId::parse(row.text("id")?).ok_or_else(|| damaged("id"))?,
        name: row.text("name")?.to_owned(),
        plan: plan.map_err(|_| damaged("hourly_limit"))?,
        time_zone: row.text("time_zone")?.to_owned(),
        sandbox: row.flag("sandbox")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organisations() -> (tempfile::TempDir, Organisations) {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("cloud.sqlite")).unwrap();
        let clock = Clock::standing_at("2026-11-22T10:00:00Z".parse().unwrap());
        (dir, Organisations::new(db, clock))
    }

    fn acme() -> NewOrganisation {
        NewOrganisation {
            name: "Acme".to_owned(),
            plan: Plan::new(Tier::Enterprise, Some(50_000)).unwrap(),
            time_zone: "Europe/Berlin".to_owned(),
            sandbox: true,
        }
    }

    #[tokio::test]
    async fn an_organisation_is_found_and_listed_as_it_was_created() {
        let (_dir, organisations) = organisations();
        let id = organisations.create(acme()).await.unwrap();
        let expected = Organisation {
            id: id.clone(),
            name: "Acme".to_owned(),
            plan: Plan::new(Tier::Enterprise, Some(50_000)).unwrap(),
            time_zone: "Europe/Berlin".to_owned(),
            sandbox: true,
        };
        assert_eq!(organisations.find(&id).await, Ok(expected.clone()));
        assert_eq!(organisations.list().await, Ok(vec![expected]));
    }

    #[tokio::test]
    async fn the_plan_can_be_changed_and_only_for_an_organisation_that_exists() {
        let (_dir, organisations) = organisations();
        let id = organisations.create(acme()).await.unwrap();
        let free = Plan::new(Tier::Free, None).unwrap();
        organisations.set_plan(&id, free).await.unwrap();
        assert_eq!(organisations.find(&id).await.unwrap().plan, free);

        let nobody = OrganisationId::parse("org_0").unwrap();
        assert_eq!(
            organisations
                .set_plan(&nobody, free)
                .await
                .unwrap_err()
                .to_string(),
            "no organisation has the id org_0; `cloud-api admin org list` shows all"
        );
    }

    #[tokio::test]
    async fn bad_names_and_time_zones_are_refused() {
        let (_dir, organisations) = organisations();
        for name in ["", "  ", "a\nb", &"x".repeat(129)] {
            let new = NewOrganisation {
                name: name.to_owned(),
                ..acme()
            };
            assert_eq!(
                organisations.create(new).await,
                Err(OrganisationError::Name),
                "{name:?}"
            );
        }
        let new = NewOrganisation {
            time_zone: "Mars/Olympus".to_owned(),
            ..acme()
        };
        let zone = OrganisationError::TimeZone("Mars/Olympus".to_owned());
        assert_eq!(organisations.create(new).await, Err(zone));
        assert_eq!(organisations.list().await, Ok(vec![]));
    }
}
