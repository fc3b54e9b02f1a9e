//! Reservations of connectors, in the state that the charge point confirmed.

use jiff::Timestamp;
use site_model::ChargePointId;

use crate::clock::Clock;
use crate::db::{Db, DbError, Param, Row};
use crate::fleet::damaged;
use crate::id::{OrganisationId, ReservationId};
use crate::id_token::folded;
use crate::secret::fill_random;
use crate::words::words;

words!(
    /// How a reservation stands.
    ReservationState {
        /// The charge point was asked.
        Pending = "pending",
        /// The charge point keeps the connector.
        Accepted = "accepted",
        /// The charge point refused: the connector is at fault.
        Faulted = "faulted",
        /// The charge point refused: the connector is in use.
        Occupied = "occupied",
        /// The charge point refused.
        Rejected = "rejected",
        /// The charge point refused: the connector is not available.
        Unavailable = "unavailable",
        /// The charge point gave no answer that can be understood.
        Failed = "failed",
        /// It was taken back.
        Cancelled = "cancelled",
        /// A session began with it.
        Used = "used",
        /// Its time is over.
        Expired = "expired",
    }
);

/// A reservation as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Its id.
    pub id: ReservationId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Where.
    pub charge_point: ChargePointId,
    /// Which connector; 0: any.
    pub connector: i64,
    /// OCPP's reservationId.
    pub number: i64,
    /// For whom.
    pub id_tag: String,
    /// Until when.
    pub expires_at: Timestamp,
    state: ReservationState,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its state changed last.
    pub updated_at: Timestamp,
}

impl Reservation {
    /// How it stands: one that is kept expires.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> ReservationState {
        if self.state == ReservationState::Accepted && self.expires_at <= now {
            return ReservationState::Expired;
        }
        self.state
    }
}

/// A reservation to ask for.
#[derive(Debug, Clone)]
pub struct NewReservation {
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Where.
    pub charge_point: ChargePointId,
    /// Which connector; 0: any.
    pub connector: i64,
    /// For whom.
    pub id_tag: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Which reservations are asked for.
#[derive(Debug, Clone, Default)]
pub struct ReservationFilter {
    /// On this charge point.
    pub charge_point: Option<String>,
    /// Older than the one with this id.
    pub before: Option<String>,
}

/// The reservations in the database.
#[derive(Debug, Clone)]
pub struct Reservations {
    db: Db,
    clock: Clock,
}

impl Reservations {
    /// The reservations kept in `db`.
    #[must_use]
    pub fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock }
    }

    /// Notes one that the charge point is about to be asked for.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn create(&self, new: NewReservation) -> Result<Reservation, DbError> {
        let now = self.clock.now();
        let mut bytes = [0; 4];
        fill_random(&mut bytes);
        let number = i64::from((u32::from_be_bytes(bytes) >> 1).max(1));
        let reservation = Reservation {
            id: ReservationId::mint(now),
            organisation: new.organisation,
            charge_point: new.charge_point,
            connector: new.connector,
            number,
            id_tag: new.id_tag,
            expires_at: new.expires_at,
            state: ReservationState::Pending,
            created_at: now,
            updated_at: now,
        };
        let values: Vec<Param> = vec![
            reservation.id.as_str().into(),
            reservation.organisation.as_str().into(),
            reservation.charge_point.as_str().into(),
            reservation.connector.into(),
            number.into(),
            reservation.id_tag.as_str().into(),
            folded(&reservation.id_tag).into(),
            reservation.expires_at.as_millisecond().into(),
            reservation.state.as_str().into(),
            now.as_millisecond().into(),
        ];
        let sql = "INSERT INTO reservations
                     (id, organisation_id, charge_point_id, connector_id, number, id_tag, folded,
                      expires_at_ms, state, created_at_ms, updated_at_ms)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)";
        self.db.write(sql, values).await?;
        Ok(reservation)
    }

    /// Notes how one stands now, and answers it.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn set(
        &self,
        id: &ReservationId,
        state: ReservationState,
    ) -> Result<Reservation, DbError> {
        let sql =
            "UPDATE reservations SET state = $2, updated_at_ms = $3 WHERE id = $1 RETURNING *";
        let values = vec![
            id.as_str().into(),
            state.as_str().into(),
            self.clock.now().as_millisecond().into(),
        ];
        let done = self.db.write(sql, values).await?;
        let row = done.rows.first().ok_or_else(|| damaged("id"))?;
        read(row)
    }

    /// The reservation with this id, of whichever organisation.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn find(&self, id: &ReservationId) -> Result<Option<Reservation>, DbError> {
        let sql = "SELECT * FROM reservations WHERE id = $1";
        let rows = self.db.query(sql, vec![id.as_str().into()]).await?;
        rows.first().map(read).transpose()
    }

    /// Up to `limit` reservations of an organisation after `offset`, newest first; and how many there are.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn list(
        &self,
        organisation: &OrganisationId,
        filter: &ReservationFilter,
        limit: u32,
        offset: u32,
    ) -> Result<(Vec<Reservation>, u64), DbError> {
        let wanted = || -> Vec<Param> {
            vec![
                organisation.as_str().into(),
                filter.charge_point.as_deref().into(),
            ]
        };
        let mut page = wanted();
        page.extend([filter.before.as_deref().into(), limit.into(), offset.into()]);
        let rows = self
            .db
            .query(
                "SELECT * FROM reservations
                 WHERE organisation_id = $1
                   AND (CAST($2 AS TEXT) IS NULL OR charge_point_id = $2)
                   AND (CAST($3 AS TEXT) IS NULL OR id < $3)
                 ORDER BY id DESC LIMIT $4 OFFSET $5",
                page,
            )
            .await?;
        let count = "SELECT COUNT(*) AS total FROM reservations
                     WHERE organisation_id = $1
                       AND (CAST($2 AS TEXT) IS NULL OR charge_point_id = $2)";
        let count = self.db.query(count, wanted()).await?;
        let total = count.first().map_or(Ok(0), |row| row.unsigned("total"))?;
        let reservations = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok((reservations, total))
    }
}

fn read(row: &Row) -> Result<Reservation, DbError> {
    let time = |column| Timestamp::from_millisecond(row.int(column)?).map_err(|_| damaged(column));
    let organisation = OrganisationId::parse(row.text("organisation_id")?);
    let state = ReservationState::parse(row.text("state")?);
    Ok(Reservation {
        id: ReservationId::parse(row.text("id")?).ok_or_else(|| damaged("id"))?,
        organisation: organisation.ok_or_else(|| damaged("organisation_id"))?,
        charge_point: ChargePointId::new(row.text("charge_point_id")?)
            .map_err(|_| damaged("charge_point_id"))?,
        connector: row.int("connector_id")?,
        number: row.int("number")?,
        id_tag: row.text("id_tag")?.to_owned(),
        expires_at: time("expires_at_ms")?,
        state: state.ok_or_else(|| damaged("state"))?,
        created_at: time("created_at_ms")?,
        updated_at: time("updated_at_ms")?,
    })
}
