//! The local list that a charge point holds, against the organisation's tokens: whole where it is not
//! known what the charge point holds, else only what changed, in as many messages as it takes.

use jiff::Timestamp;
use serde_json::{Value, json};
use site_model::ChargePointId;

use super::abilities::Abilities;
use super::{Care, Said, Upkeep};
use crate::db::{Db, DbError, Row, Statement};
use crate::id::OrganisationId;
use crate::ocpp16::orders::list_entry;

/// Changes beyond which a whole list is sent.
const CHANGES_MAX: u32 = 1_000;
/// How long a charge point that refused a list, or did not answer, is left alone.
const PAUSE_MS: i64 = 15 * 60 * 1_000;
/// Greatest version of a list: a 32 bit integer.
const VERSION_MAX: i64 = i32::MAX as i64;
/// How often it is tried again at once: after a refused difference the whole list.
const TRIES: u32 = 3;

/// What is known of a charge point's list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Kept {
    /// OCPP's listVersion that it confirmed.
    list_version: Option<i64>,
    /// Version of the tokens that it is made from.
    token_version: Option<i64>,
    /// All of them fitted.
    whole: bool,
    by_client: bool,
    not_before_ms: i64,
}

/// The messages that make a list what it should be.
struct Update {
    differential: bool,
    /// All tokens are in the list afterwards.
    whole: bool,
    /// Entries of each message.
    batches: Vec<Vec<Value>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Differential,
    Full { whole: bool },
}

/// How an attempt ended.
enum Tried {
    /// It holds what it should.
    Done,
    /// It wants another kind of update.
    Again,
    /// It keeps no list after all.
    Unable,
    /// It refused, or did not answer.
    Later,
}

impl Upkeep {
    /// Makes the list what the organisation's tokens say.
    pub(super) async fn keep_list(&self, care: &Care, room: &Abilities) -> Result<(), DbError> {
        let shared = &*self.0;
        let mut kept = find(&shared.db, &care.charge_point).await?;
        let wanted = shared.id_tokens.version(&care.organisation).await?;
        if wanted == 0 || kept.by_client {
            return Ok(());
        }
        let before = kept.clone();
        if care.started {
            // It may have lost its list, or got another one.
            let held = self.held_version(care).await;
            if held.is_none() || held != kept.list_version {
                kept.token_version = None;
            }
            kept.list_version = held;
        }
        let mut tried = Tried::Again;
        for _try in 0..TRIES {
            if kept.token_version == Some(wanted) {
                tried = Tried::Done;
                break;
            }
            tried = self.bring_up(care, room, wanted, &mut kept).await?;
            match tried {
                Tried::Again => {}
                Tried::Done | Tried::Unable | Tried::Later => break,
            }
        }
        let mut statements = Vec::new();
        match tried {
            Tried::Done => kept.not_before_ms = 0,
            Tried::Unable => {
                let mut unable = room.clone();
                unable.list_max = 0;
                statements.push(unable.keep(&care.charge_point, self.now_ms()));
            }
            Tried::Again | Tried::Later => {
                tracing::warn!(charge_point = %care.charge_point, "Charge point did not take its local list; it is tried again later");
                kept.not_before_ms = self.now_ms().saturating_add(PAUSE_MS);
            }
        }
        if kept != before {
            statements.push(kept.keep(&care.charge_point));
        }
        if !statements.is_empty() {
            shared.db.transaction(statements).await?;
        }
        Ok(())
    }

    /// The version that it says it holds.
    async fn held_version(&self, care: &Care) -> Option<i64> {
        let said = self.ask(care, "GetLocalListVersion", json!({})).await;
        let Said::Answer(answer) = said else {
            return None;
        };
        answer["listVersion"]
            .as_i64()
            .filter(|version| *version >= 0)
    }

    async fn bring_up(
        &self,
        care: &Care,
        room: &Abilities,
        wanted: i64,
        kept: &mut Kept,
    ) -> Result<Tried, DbError> {
        if kept.list_version.is_none() {
            kept.token_version = None;
            kept.list_version = self.held_version(care).await;
        }
        let update = self.update(&care.organisation, kept, room).await?;
        let Some(update) = update else {
            kept.token_version = Some(wanted);
            return Ok(Tried::Done);
        };
        if !update.differential {
            kept.token_version = None;
        }
        let whole = update.whole;
        for (place, batch) in update.batches.into_iter().enumerate() {
            let differential = update.differential || place > 0;
            let version = next(kept.list_version);
            let payload = json!({
                "listVersion": version,
                "updateType": if differential { "Differential" } else { "Full" },
                "localAuthorizationList": batch,
            });
            let said = self.ask(care, "SendLocalList", payload).await;
            let status = match &said {
                Said::Answer(answer) => answer["status"].as_str(),
                Said::Refusal | Said::Nothing => None,
            };
            match status {
                Some("Accepted") => kept.list_version = Some(version),
                Some("NotSupported") => return Ok(Tried::Unable),
                Some("VersionMismatch") => {
                    kept.list_version = None;
                    return Ok(Tried::Again);
                }
                // Failed; the whole list may be what helps.
                Some(_) if differential => {
                    kept.token_version = None;
                    return Ok(Tried::Again);
                }
                Some(_) => return Ok(Tried::Later),
                None => {
                    // It may have taken it all the same.
                    kept.list_version = None;
                    return Ok(Tried::Later);
                }
            }
        }
        kept.token_version = Some(wanted);
        kept.whole = whole;
        Ok(Tried::Done)
    }

    /// `None` if nothing is to be sent.
    async fn update(
        &self,
        organisation: &OrganisationId,
        kept: &Kept,
        room: &Abilities,
    ) -> Result<Option<Update>, DbError> {
        let tokens = &self.0.id_tokens;
        let now = self.0.clock.now();
        let one = crate::id_token::TokenFilter::default();
        let (first, total) = tokens.list(organisation, &one, 1, 0).await?;
        drop(first);
        // What does not fit as a whole is not known by its changes.
        let fits = total <= u64::from(room.list_max);
        let since = kept.token_version.filter(|_| fits && kept.whole);
        if let Some(since) = since
            && let Some(changes) = tokens
                .changes_after(organisation, since, CHANGES_MAX)
                .await?
        {
            let gone = changes.deleted.iter().map(|tag| json!({ "idTag": tag }));
            let mut entries: Vec<Value> = gone.collect();
            entries.extend(changes.changed.iter().map(|token| list_entry(token, now)));
            if entries.is_empty() {
                return Ok(None);
            }
            return Ok(Some(Update::of(entries, Kind::Differential, room)));
        }
        let all = tokens.all(organisation, room.list_max).await?;
        let entries = all.iter().map(|token| list_entry(token, now)).collect();
        let kind = Kind::Full { whole: fits };
        Ok(Some(Update::of(entries, kind, room)))
    }
}

impl Update {
    fn of(entries: Vec<Value>, kind: Kind, room: &Abilities) -> Self {
        let batch = usize::try_from(room.list_batch).unwrap_or(usize::MAX);
        let mut batches: Vec<Vec<Value>> = entries
            .chunks(batch.max(1))
            .map(<[Value]>::to_vec)
            .collect();
        if batches.is_empty() {
            batches.push(Vec::new());
        }
        Self {
            differential: kind == Kind::Differential,
            whole: kind != Kind::Full { whole: false },
            batches,
        }
    }
}

/// The version after one; where the numbers end they begin anew.
fn next(version: Option<i64>) -> i64 {
    match version {
        Some(version) if (0..VERSION_MAX).contains(&version) => version + 1,
        Some(_) | None => 1,
    }
}

/// A client's own list, or one that it had made from the tokens of a version, was accepted.
pub(crate) fn taken(
    charge_point: &ChargePointId,
    list_version: Option<i64>,
    token_version: Option<i64>,
) -> Statement {
    let kept = Kept {
        list_version,
        token_version,
        // Whether all tokens fitted is not known here; the next change is sent as a whole list.
        whole: false,
        by_client: token_version.is_none(),
        not_before_ms: 0,
    };
    kept.keep(charge_point)
}

impl Kept {
    fn keep(&self, charge_point: &ChargePointId) -> Statement {
        Statement::new(
            "INSERT INTO local_lists
               (charge_point_id, list_version, token_version, by_client, not_before_ms, whole)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (charge_point_id) DO UPDATE SET
               list_version = excluded.list_version, token_version = excluded.token_version,
               by_client = excluded.by_client, not_before_ms = excluded.not_before_ms,
               whole = excluded.whole",
            vec![
                charge_point.as_str().into(),
                self.list_version.into(),
                self.token_version.into(),
                self.by_client.into(),
                self.not_before_ms.into(),
                self.whole.into(),
            ],
        )
    }
}

async fn find(db: &Db, charge_point: &ChargePointId) -> Result<Kept, DbError> {
    let sql = "SELECT * FROM local_lists WHERE charge_point_id = $1";
    let rows = db.query(sql, vec![charge_point.as_str().into()]).await?;
    let read = |row: &Row| {
        Ok(Kept {
            list_version: row.opt_int("list_version")?,
            token_version: row.opt_int("token_version")?,
            whole: row.int("whole")? != 0,
            by_client: row.int("by_client")? != 0,
            not_before_ms: row.int("not_before_ms")?,
        })
    };
    rows.first().map_or(Ok(Kept::default()), read)
}

impl Upkeep {
    fn now_ms(&self) -> i64 {
        let now: Timestamp = self.0.clock.now();
        now.as_millisecond()
    }
}
