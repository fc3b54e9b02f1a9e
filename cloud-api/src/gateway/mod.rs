//! Gateways: who may speak for a site. A gateway's password is shown once and kept as a keyed hash,
//! and as the line that Mosquitto's password file wants.

mod mosquitto;

use jiff::Timestamp;
use site_model::GatewayId;

use crate::{
    clock::Clock,
    db::{Db, DbError, Row},
    fleet::damaged,
    id::{OrganisationId, SiteId, mint},
    organisation::is_name,
    secret::{Secret, ServerSecrets, equal_in_constant_time, random_base62},
};

pub use mosquitto::{MosquittoError, MosquittoFiles};

/// What every gateway id starts with.
const PREFIX: &str = "gw";
/// Letters of a password: 32 × 5.954 bits are 190 bits.
const PASSWORD_LENGTH: usize = 32;
/// Keeps these hashes apart from those of other secrets.
pub(crate) const PURPOSE: &str = "gateway password";

/// A gateway that was just created. The password is not shown again.
#[derive(Debug)]
pub struct CreatedGateway {
    /// Its id, also its MQTT user name.
    pub id: GatewayId,
    /// Its MQTT password.
    pub password: Secret<String>,
}

/// A gateway as it is kept, with what it speaks for and what it was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Its id.
    pub id: GatewayId,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub site: SiteId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
    /// Charge points that it speaks for.
    pub charge_points: Vec<String>,
    /// Charge points that it announced and may not speak for.
    pub refused: Vec<Refused>,
}

/// A charge point that a gateway announced and may not speak for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its id.
    pub charge_point: String,
    /// Sentence for the installer.
    pub reason: String,
    /// When it was announced last.
    pub at: Timestamp,
}

/// Why a gateway was not created or revoked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// The name is empty, too long or holds control characters.
    #[error("the name must be 1 to 128 characters without control characters")]
    Name,
    /// No site has this id.
    #[error("no site has the id {0}; `cloud-api admin site list` shows all")]
    UnknownSite(SiteId),
    /// No gateway has this id.
    #[error("no gateway has the id {0}; `cloud-api admin gateway list` shows all")]
    Unknown(GatewayId),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The gateways in the database.
#[derive(Debug, Clone)]
pub struct Gateways {
    db: Db,
    secrets: ServerSecrets,
    clock: Clock,
}

impl Gateways {
    /// The gateways kept in `db`, their passwords hashed with `secrets`.
    #[must_use]
    pub fn new(db: Db, secrets: ServerSecrets, clock: Clock) -> Self {
        Self { db, secrets, clock }
    }

    /// Creates one for a site, with a new password.
    ///
    /// # Errors
    /// [`GatewayError::Name`], [`GatewayError::UnknownSite`], [`GatewayError::Db`].
    pub async fn create(&self, site: &SiteId, name: &str) -> Result<CreatedGateway, GatewayError> {
        if !is_name(name) {
            return Err(GatewayError::Name);
        }
        let now = self.clock.now();
        let id = GatewayId::new(&mint(PREFIX, now)).expect("prefix and ULID are of its alphabet");
        let password = random_base62(PASSWORD_LENGTH);
        let row = vec![
            id.as_str().into(),
            site.as_str().into(),
            name.into(),
            self.secrets.hash(PURPOSE, password.expose()).into(),
            mosquitto::hash(&password).into(),
            now.as_millisecond().into(),
        ];
        let insert = "INSERT INTO gateways
               (id, site_id, name, credential_hash, mosquitto_hash, created_at_ms)
             VALUES ($1, $2, $3, $4, $5, $6)";
        match self.db.write(insert, row).await {
            Ok(_) => Ok(CreatedGateway { id, password }),
            Err(DbError::Reference) => Err(GatewayError::UnknownSite(site.clone())),
            Err(error) => Err(error.into()),
        }
    }

    /// Revokes one: its password is refused from now on, and within seconds its connection ends.
    /// Its charge points may then be announced by another gateway of the organisation.
    ///
    /// # Errors
    /// [`GatewayError::Unknown`], also for one that was revoked before; [`GatewayError::Db`].
    pub async fn revoke(&self, id: &GatewayId) -> Result<(), GatewayError> {
        let now = self.clock.now().as_millisecond();
        let done = self
            .db
            .write(
                "UPDATE gateways SET revoked_at_ms = $2 WHERE id = $1 AND revoked_at_ms IS NULL",
                vec![id.as_str().into(), now.into()],
            )
            .await?;
        if done.changed == 0 {
            return Err(GatewayError::Unknown(id.clone()));
        }
        Ok(())
    }

    /// Whether this is the password of this gateway, and the gateway is not revoked.
    ///
    /// # Errors
    /// [`DbError`] when the database fails.
    pub async fn knows(&self, id: &GatewayId, password: &str) -> Result<bool, DbError> {
        let rows = self
            .db
            .query(
                "SELECT credential_hash FROM gateways WHERE id = $1 AND revoked_at_ms IS NULL",
                vec![id.as_str().into()],
            )
            .await?;
        let shown = self.secrets.hash(PURPOSE, password);
        match rows.first() {
            Some(row) => Ok(equal_in_constant_time(row.blob("credential_hash")?, &shown)),
            None => Ok(false),
        }
    }

    /// The ids of revoked gateways.
    ///
    /// # Errors
    /// [`DbError`] when the database fails.
    pub async fn revoked(&self) -> Result<Vec<GatewayId>, DbError> {
        let rows = self
            .db
            .query(
                "SELECT id FROM gateways WHERE revoked_at_ms IS NOT NULL",
                vec![],
            )
            .await?;
        rows.iter().map(id_of).collect()
    }

    /// All gateways, oldest first.
    ///
    /// # Errors
    /// [`DbError`] when the database fails.
    pub async fn list(&self) -> Result<Vec<Gateway>, DbError> {
        let rows = self
            .db
            .query(
                "SELECT g.id, g.name, g.site_id, s.organisation_id, g.created_at_ms, g.revoked_at_ms
                 FROM gateways g JOIN sites s ON s.id = g.site_id ORDER BY g.id",
                vec![],
            )
            .await?;
        let mut gateways = Vec::with_capacity(rows.len());
        for row in &rows {
            let id = id_of(row)?;
            let organisation = OrganisationId::parse(row.text("organisation_id")?);
            gateways.push(Gateway {
                name: row.text("name")?.to_owned(),
                site: SiteId::parse(row.text("site_id")?).ok_or_else(|| damaged("site_id"))?,
                organisation: organisation.ok_or_else(|| damaged("organisation_id"))?,
                created_at: time_of(row.int("created_at_ms")?, "created_at_ms")?,
                revoked_at: row
                    .opt_int("revoked_at_ms")?
                    .map(|ms| time_of(ms, "revoked_at_ms"))
                    .transpose()?,
                charge_points: self.charge_points_of(&id).await?,
                refused: self.refused_of(&id).await?,
                id,
            });
        }
        Ok(gateways)
    }

    async fn charge_points_of(&self, id: &GatewayId) -> Result<Vec<String>, DbError> {
        let rows = self
            .db
            .query(
                "SELECT id FROM charge_points WHERE gateway_id = $1 ORDER BY id",
                vec![id.as_str().into()],
            )
            .await?;
        rows.iter()
            .map(|row| Ok(row.text("id")?.to_owned()))
            .collect()
    }

    async fn refused_of(&self, id: &GatewayId) -> Result<Vec<Refused>, DbError> {
        let rows = self
            .db
            .query(
                "SELECT charge_point_id, reason, at_ms FROM refused_charge_points
                 WHERE gateway_id = $1 ORDER BY charge_point_id",
                vec![id.as_str().into()],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Refused {
                    charge_point: row.text("charge_point_id")?.to_owned(),
                    reason: row.text("reason")?.to_owned(),
                    at: time_of(row.int("at_ms")?, "at_ms")?,
                })
            })
            .collect()
    }
}

fn id_of(row: &Row) -> Result<GatewayId, DbError> {
    GatewayId::new(row.text("id")?).map_err(|_| damaged("id"))
}

fn time_of(ms: i64, column: &str) -> Result<Timestamp, DbError> {
    Timestamp::from_millisecond(ms).map_err(|_| damaged(column))
}

#[cfg(test)]
mod tests;
