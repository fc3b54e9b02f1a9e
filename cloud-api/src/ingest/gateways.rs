//! What ingest knows of each gateway: whose it is, how far its journals are stored, what it was refused.
//! Read from the database when needed, and again after a while: the admin tool writes the same file.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use site_model::{ChargePointId, GatewayId, JournalId};
use site_wire::v1::RefusedChargePoint;

use super::message::Bad;
use crate::{
    db::{Db, DbError},
    fleet::damaged,
    id::{OrganisationId, SiteId},
};

/// How long an entry is trusted.
const FRESH_MS: i64 = 10_000;
/// A gateway begins a new journal only when its disk was replaced or repaired.
const JOURNALS_MAX: i64 = 1_000;

/// Whose a gateway is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) organisation: OrganisationId,
    pub(super) site: SiteId,
    pub(super) time_zone: String,
}

/// How far a journal is stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Mark {
    /// Highest contiguous sequence, 0 for none.
    pub(super) sequence: u64,
    /// Boot that recorded that fact, where it is known.
    pub(super) boot: Option<String>,
}

#[derive(Debug)]
struct Known {
    owner: Owner,
    read_at: Timestamp,
    marks: HashMap<JournalId, Mark>,
    refused: BTreeMap<ChargePointId, String>,
}

/// The gateways that were heard of.
#[derive(Debug)]
pub(super) struct Gateways {
    db: Db,
    known: HashMap<GatewayId, Known>,
}

impl Gateways {
    pub(super) fn new(db: Db) -> Self {
        Self {
            db,
            known: HashMap::new(),
        }
    }

    /// The next question about this gateway goes to the database.
    pub(super) fn forget(&mut self, gateway: &GatewayId) {
        self.known.remove(gateway);
    }

    /// Why nothing is taken from this gateway, if so.
    pub(super) async fn refusal(
        &mut self,
        gateway: &GatewayId,
        now: Timestamp,
    ) -> Result<Option<Bad>, DbError> {
        let fresh = self.known.get(gateway).is_some_and(|known| {
            let age = now.as_millisecond() - known.read_at.as_millisecond();
            (0..FRESH_MS).contains(&age)
        });
        if fresh {
            return Ok(None);
        }
        self.forget(gateway);
        let Some(known) = self.read(gateway, now).await? else {
            let detail = "this gateway does not exist or was revoked";
            return Ok(Some(Bad::new("gateway", detail)));
        };
        self.known.insert(gateway.clone(), known);
        Ok(None)
    }

    /// Why nothing is taken from this journal of a gateway that is not refused, if so.
    pub(super) async fn refusal_of_journal(
        &mut self,
        gateway: &GatewayId,
        journal: &JournalId,
    ) -> Result<Option<Bad>, DbError> {
        if self.is_one_journal_too_many(gateway, journal).await? {
            let detail = format!("this gateway has begun {JOURNALS_MAX} journals");
            return Ok(Some(Bad::new("journals", detail)));
        }
        Ok(None)
    }

    /// Whose the gateway is; `None` unless [`Self::refusal`] was `None` just before.
    pub(super) fn owner(&self, gateway: &GatewayId) -> Option<&Owner> {
        self.known.get(gateway).map(|known| &known.owner)
    }

    /// How far the journal is stored.
    pub(super) async fn mark(
        &mut self,
        gateway: &GatewayId,
        journal: &JournalId,
    ) -> Result<Mark, DbError> {
        let held = self.known.get(gateway);
        if let Some(mark) = held.and_then(|known| known.marks.get(journal)) {
            return Ok(mark.clone());
        }
        let rows = self
            .db
            .query(
                "SELECT sequence, boot FROM ingest_marks WHERE gateway_id = $1 AND journal_id = $2",
                vec![gateway.as_str().into(), journal.as_str().into()],
            )
            .await?;
        let mark = match rows.first() {
            None => Mark::default(),
            Some(row) => Mark {
                sequence: row.unsigned("sequence")?,
                boot: row.opt_text("boot")?.map(str::to_owned),
            },
        };
        self.set_mark(gateway, journal, mark.clone());
        Ok(mark)
    }

    pub(super) fn set_mark(&mut self, gateway: &GatewayId, journal: &JournalId, mark: Mark) {
        if let Some(known) = self.known.get_mut(gateway) {
            known.marks.insert(journal.clone(), mark);
        }
    }

    /// What the gateway was refused, for its acknowledgement.
    pub(super) fn refused(&self, gateway: &GatewayId) -> Vec<RefusedChargePoint> {
        let refused = self.known.get(gateway).map(|known| &known.refused);
        refused
            .into_iter()
            .flatten()
            .map(|(charge_point, reason)| RefusedChargePoint {
                charge_point_id: charge_point.to_string(),
                reason: reason.clone(),
            })
            .collect()
    }

    pub(super) fn set_refused(
        &mut self,
        gateway: &GatewayId,
        charge_point: ChargePointId,
        reason: Option<String>,
    ) {
        if let Some(known) = self.known.get_mut(gateway) {
            match reason {
                Some(reason) => known.refused.insert(charge_point, reason),
                None => known.refused.remove(&charge_point),
            };
        }
    }

    async fn read(&self, gateway: &GatewayId, now: Timestamp) -> Result<Option<Known>, DbError> {
        let rows = self
            .db
            .query(
                "SELECT s.id AS site_id, s.organisation_id, o.time_zone
                 FROM gateways g JOIN sites s ON s.id = g.site_id
                 JOIN organisations o ON o.id = s.organisation_id
                 WHERE g.id = $1 AND g.revoked_at_ms IS NULL",
                vec![gateway.as_str().into()],
            )
            .await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let organisation = OrganisationId::parse(row.text("organisation_id")?);
        Ok(Some(Known {
            owner: Owner {
                organisation: organisation.ok_or_else(|| damaged("organisation_id"))?,
                site: SiteId::parse(row.text("site_id")?).ok_or_else(|| damaged("site_id"))?,
                time_zone: row.text("time_zone")?.to_owned(),
            },
            read_at: now,
            marks: HashMap::new(),
            refused: self.read_refused(gateway).await?,
        }))
    }

    async fn read_refused(
        &self,
        gateway: &GatewayId,
    ) -> Result<BTreeMap<ChargePointId, String>, DbError> {
        let rows = self
            .db
            .query(
                "SELECT charge_point_id, reason FROM refused_charge_points WHERE gateway_id = $1",
                vec![gateway.as_str().into()],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let id = ChargePointId::new(row.text("charge_point_id")?);
                let id = id.map_err(|_| damaged("charge_point_id"))?;
                Ok((id, row.text("reason")?.to_owned()))
            })
            .collect()
    }

    async fn is_one_journal_too_many(
        &mut self,
        gateway: &GatewayId,
        journal: &JournalId,
    ) -> Result<bool, DbError> {
        if self.mark(gateway, journal).await?.sequence > 0 {
            return Ok(false);
        }
        let rows = self
            .db
            .query(
                "SELECT COUNT(*) AS journals FROM ingest_marks
                 WHERE gateway_id = $1 AND journal_id <> $2",
                vec![gateway.as_str().into(), journal.as_str().into()],
            )
            .await?;
        let journals = rows.first().map_or(Ok(0), |row| row.int("journals"))?;
        Ok(journals >= JOURNALS_MAX)
    }
}
