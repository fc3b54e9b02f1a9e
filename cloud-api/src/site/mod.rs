//! Sites: the chargers behind one grid connection, each of one organisation.

use crate::{
    clock::Clock,
    db::{Db, DbError},
    fleet::damaged,
    id::{OrganisationId, SiteId},
    organisation::is_name,
};

/// Longest address, in characters.
const ADDRESS_MAX: usize = 256;

/// A site as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its id.
    pub id: SiteId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: Option<String>,
    /// What its grid connection allows, in watts.
    pub max_power_w: u32,
}

/// What is needed to create a site.
#[derive(Debug, Clone)]
pub struct NewSite {
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Its name, 1 to 128 characters.
    pub name: String,
    /// Where it is, at most 256 characters.
    pub address: Option<String>,
    /// What its grid connection allows, in watts, 1 or more.
    pub max_power_w: u32,
}

/// Why a site was not created.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SiteError {
    /// The name is empty, too long or holds control characters.
    #[error("the name must be 1 to 128 characters without control characters")]
    Name,
    /// The address is too long or holds control characters.
    #[error("the address must be at most {ADDRESS_MAX} characters without control characters")]
    Address,
    /// Nothing could charge there.
    #[error("the greatest power must be more than 0")]
    Power,
    /// No organisation has this id.
    #[error("no organisation has the id {0}; `cloud-api admin org list` shows all")]
    UnknownOrganisation(OrganisationId),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The sites in the database.
#[derive(Debug, Clone)]
pub struct Sites {
    db: Db,
    clock: Clock,
}

impl Sites {
    /// The sites kept in `db`.
    #[must_use]
    pub fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock }
    }

    /// Creates one and answers its id.
    ///
    /// # Errors
    /// [`SiteError`] for the first thing that is wrong.
    pub async fn create(&self, new: NewSite) -> Result<SiteId, SiteError> {
        if !is_name(&new.name) {
            return Err(SiteError::Name);
        }
        if new.address.as_deref().is_some_and(|text| !is_address(text)) {
            return Err(SiteError::Address);
        }
        if new.max_power_w == 0 {
            return Err(SiteError::Power);
        }
        let now = self.clock.now();
        let id = SiteId::mint(now);
        let row = vec![
            id.as_str().into(),
            new.organisation.as_str().into(),
            new.name.into(),
            new.address.into(),
            new.max_power_w.into(),
            now.as_millisecond().into(),
        ];
        let insert =
            "INSERT INTO sites (id, organisation_id, name, address, max_power_w, created_at_ms)
             VALUES ($1, $2, $3, $4, $5, $6)";
        match self.db.write(insert, row).await {
            Ok(_) => Ok(id),
            Err(DbError::Reference) => Err(SiteError::UnknownOrganisation(new.organisation)),
            Err(error) => Err(error.into()),
        }
    }

    /// All sites, oldest first.
    ///
    /// # Errors
    /// [`DbError`] when the database fails.
    pub async fn list(&self) -> Result<Vec<Site>, DbError> {
        let rows = self
            .db
            .query(
                "SELECT id, organisation_id, name, address, max_power_w FROM sites ORDER BY id",
                vec![],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let organisation = OrganisationId::parse(row.text("organisation_id")?);
                let max_power_w = u32::try_from(row.int("max_power_w")?);
                Ok(Site {
                    id: SiteId::parse(row.text("id")?).ok_or_else(|| damaged("id"))?,
                    organisation: organisation.ok_or_else(|| damaged("organisation_id"))?,
                    name: row.text("name")?.to_owned(),
                    address: row.opt_text("address")?.map(str::to_owned),
                    max_power_w: max_power_w.map_err(|_| damaged("max_power_w"))?,
                })
            })
            .collect()
    }
}

fn is_address(text: &str) -> bool {
    text.chars().count() <= ADDRESS_MAX && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::organisation::{NewOrganisation, Organisations, Plan, Tier};

    #[tokio::test]
    async fn a_site_is_listed_as_it_was_created() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("cloud.sqlite")).unwrap();
        let clock = Clock::standing_at("2026-11-22T10:00:00Z".parse().unwrap());
        let organisation = Organisations::new(db.clone(), clock.clone())
            .create(NewOrganisation {
                name: "Acme".to_owned(),
                plan: Plan::new(Tier::Free, None).unwrap(),
                time_zone: "UTC".to_owned(),
                sandbox: false,
            })
            .await
            .unwrap();
        let sites = Sites::new(db, clock);
        let id = sites.create(depot(&organisation)).await.unwrap();
        assert_eq!(
            sites.list().await.unwrap(),
            [Site {
                id,
                organisation,
                name: "Depot".to_owned(),
                address: Some("Quay 1".to_owned()),
                max_power_w: 44_000,
            }]
        );
    }

    #[tokio::test]
    async fn every_fault_of_a_new_site_has_its_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("cloud.sqlite")).unwrap();
        let sites = Sites::new(db, Clock::system());
        let nobody = OrganisationId::parse("org_0").unwrap();
        let faults = [
            (
                NewSite {
                    name: " ".to_owned(),
                    ..depot(&nobody)
                },
                SiteError::Name,
            ),
            (
                NewSite {
                    address: Some("x".repeat(257)),
                    ..depot(&nobody)
                },
                SiteError::Address,
            ),
            (
                NewSite {
                    max_power_w: 0,
                    ..depot(&nobody)
                },
                SiteError::Power,
            ),
            (
                depot(&nobody),
                SiteError::UnknownOrganisation(nobody.clone()),
            ),
        ];
        for (new, fault) in faults {
            assert_eq!(sites.create(new).await, Err(fault));
        }
    }

    fn depot(organisation: &OrganisationId) -> NewSite {
        NewSite {
            organisation: organisation.clone(),
            name: "Depot".to_owned(),
            address: Some("Quay 1".to_owned()),
            max_power_w: 44_000,
        }
    }
}
