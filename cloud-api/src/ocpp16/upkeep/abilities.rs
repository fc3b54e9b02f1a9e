//! What a charge point can do, as its configuration keys tell it (OCPP 1.6, section 9).

use serde_json::{Value, json};
use site_model::ChargePointId;

use crate::db::{Db, DbError, Row, Statement};

/// Longest local list that is kept at a charge point, whatever more it would take.
const LIST_MAX: u32 = 10_000;
/// Most entries of one message: with all their fields they stay below 64 KiB.
const BATCH_MAX: u32 = 250;
/// Entries of one message where the charge point names no number.
const BATCH_UNTOLD: u32 = 20;
/// Longest value that is kept, in bytes (OCPP 1.6, section 7.33: CiString500Type).
const VALUE_MAX: usize = 2_000;

const PROFILES: &str = "SupportedFeatureProfiles";
const LIST_ENABLED: &str = "LocalAuthListEnabled";
const LIST_LENGTH: &str = "LocalAuthListMaxLength";
const SEND_LENGTH: &str = "SendLocalListMaxLength";
const RATE_UNITS: &str = "ChargingScheduleAllowedChargingRateUnit";
const ROTATION: &str = "ConnectorPhaseRotation";
const KEYS: [&str; 6] = [
    PROFILES,
    LIST_ENABLED,
    LIST_LENGTH,
    SEND_LENGTH,
    RATE_UNITS,
    ROTATION,
];

/// What a charge point can do, as far as it told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Abilities {
    /// Whether it told.
    pub(super) answered: bool,
    /// Entries of its local list; 0: it keeps none.
    pub(super) list_max: u32,
    /// Entries of one message.
    pub(super) list_batch: u32,
    rate_units: Option<String>,
    phase_rotation: Option<String>,
}

impl Abilities {
    /// The payload that asks for it.
    pub(super) fn question() -> Value {
        json!({ "key": KEYS })
    }

    /// What a GetConfiguration.conf tells.
    pub(crate) fn told_by(answer: &Value) -> Self {
        let keys = answer["configurationKey"].as_array();
        let value = |wanted: &str| {
            let mut keys = keys.into_iter().flatten();
            let key = keys.find(|key| {
                let name = key["key"].as_str();
                name.is_some_and(|name| name.eq_ignore_ascii_case(wanted))
            })?;
            let text = key["value"].as_str()?.trim();
            Some(text[..text.floor_char_boundary(VALUE_MAX)].to_owned())
        };
        let number = |wanted: &str| value(wanted).and_then(|text| text.parse::<u32>().ok());
        let profiles = value(PROFILES).unwrap_or_default();
        let mut profiles = profiles.split(',').map(str::trim);
        let keeps_list = profiles.any(|one| one.eq_ignore_ascii_case("LocalAuthListManagement"))
            && value(LIST_ENABLED).is_some_and(|on| on.eq_ignore_ascii_case("true"));
        let list_max = if keeps_list {
            number(LIST_LENGTH).unwrap_or(LIST_MAX).min(LIST_MAX)
        } else {
            0
        };
        let batch = number(SEND_LENGTH).unwrap_or(BATCH_UNTOLD);
        Self {
            answered: true,
            list_max,
            list_batch: batch.clamp(1, BATCH_MAX),
            rate_units: value(RATE_UNITS),
            phase_rotation: value(ROTATION),
        }
    }

    /// Whether its schedules are in amperes only.
    #[must_use]
    pub fn takes_amperes_only(&self) -> bool {
        let Some(units) = &self.rate_units else {
            return false;
        };
        // The words of the standard are Current and Power; the letters are seen in the field.
        let words = || units.split(',').map(str::trim);
        let is = |word: &str, all: [&str; 2]| all.iter().any(|one| word.eq_ignore_ascii_case(one));
        words().any(|word| is(word, ["Current", "A"]))
            && !words().any(|word| is(word, ["Power", "W"]))
    }

    /// Whether a connector, or every one (0), has one phase or direct current, as the charge point told.
    #[must_use]
    pub fn has_no_three_phases(&self, connector: i64) -> bool {
        let rotation = self.phase_rotation.as_deref().unwrap_or_default();
        let told = rotation.split(',').map(str::trim).filter_map(|word| {
            let (number, rotation) = match word.split_once('.') {
                Some((number, rotation)) => (number.parse().ok()?, rotation),
                None => (connector, word),
            };
            (connector == 0 || number == connector).then_some(rotation)
        });
        let mut told = told.peekable();
        told.peek().is_some() && told.all(|one| one.eq_ignore_ascii_case("NotApplicable"))
    }

    /// What is known of a charge point.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn find(db: &Db, charge_point: &ChargePointId) -> Result<Option<Self>, DbError> {
        let sql = "SELECT * FROM abilities WHERE charge_point_id = $1";
        let rows = db.query(sql, vec![charge_point.as_str().into()]).await?;
        rows.first().map(read).transpose()
    }

    pub(super) fn keep(&self, charge_point: &ChargePointId, now_ms: i64) -> Statement {
        Statement::new(
            "INSERT INTO abilities
               (charge_point_id, asked_at_ms, answered, list_max, list_batch, rate_units,
                phase_rotation)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (charge_point_id) DO UPDATE SET
               asked_at_ms = excluded.asked_at_ms, answered = excluded.answered,
               list_max = excluded.list_max, list_batch = excluded.list_batch,
               rate_units = COALESCE(excluded.rate_units, abilities.rate_units),
               phase_rotation = excluded.phase_rotation",
            vec![
                charge_point.as_str().into(),
                now_ms.into(),
                self.answered.into(),
                self.list_max.into(),
                self.list_batch.into(),
                self.rate_units.as_deref().into(),
                self.phase_rotation.as_deref().into(),
            ],
        )
    }

    /// Its configuration was changed: it is asked anew.
    pub(crate) fn forget(charge_point: &ChargePointId) -> Statement {
        Statement::new(
            "DELETE FROM abilities WHERE charge_point_id = $1",
            vec![charge_point.as_str().into()],
        )
    }

    /// It refused a schedule in watts and took the same one in amperes.
    pub(crate) fn note_amperes(charge_point: &ChargePointId, now_ms: i64) -> Statement {
        Statement::new(
            "INSERT INTO abilities
               (charge_point_id, asked_at_ms, answered, list_max, list_batch, rate_units)
             VALUES ($1, $2, 0, 0, 1, 'Current')
             ON CONFLICT (charge_point_id) DO UPDATE SET rate_units = 'Current'",
            vec![charge_point.as_str().into(), now_ms.into()],
        )
    }
}

fn read(row: &Row) -> Result<Abilities, DbError> {
    let number = |column| {
        let number = row.unsigned(column)?;
        Ok::<_, DbError>(u32::try_from(number).unwrap_or(u32::MAX))
    };
    let text = |column| Ok::<_, DbError>(row.opt_text(column)?.map(str::to_owned));
    Ok(Abilities {
        answered: row.int("answered")? != 0,
        list_max: number("list_max")?,
        list_batch: number("list_batch")?.max(1),
        rate_units: text("rate_units")?,
        phase_rotation: text("phase_rotation")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(keys: &[(&str, &str)]) -> Abilities {
        let keys = keys
            .iter()
            .map(|(key, value)| json!({"key": key, "readonly": true, "value": value}));
        Abilities::told_by(&json!({ "configurationKey": keys.collect::<Vec<_>>() }))
    }

    #[test]
    fn a_list_is_kept_where_the_profile_is_offered_and_switched_on() {
        let profiles = (PROFILES, "Core, LocalAuthListManagement,Reservation");
        let on = (LIST_ENABLED, "True");
        for (keys, room) in [
            (vec![profiles, on], (10_000, 20)),
            (
                vec![profiles, on, (LIST_LENGTH, "300"), (SEND_LENGTH, "5")],
                (300, 5),
            ),
            (
                vec![profiles, on, (LIST_LENGTH, "99999"), (SEND_LENGTH, "0")],
                (10_000, 1),
            ),
            (vec![profiles, on, (SEND_LENGTH, "4000")], (10_000, 250)),
            (vec![profiles, (LIST_ENABLED, "false")], (0, 20)),
            (vec![profiles], (0, 20)),
            (vec![(PROFILES, "Core"), on], (0, 20)),
            (vec![], (0, 20)),
        ] {
            let abilities = told(&keys);
            assert_eq!((abilities.list_max, abilities.list_batch), room, "{keys:?}");
            assert!(abilities.answered);
        }
        assert_eq!(
            Abilities::told_by(&json!({"status": "Accepted"})).list_max,
            0
        );
    }

    #[test]
    fn only_amperes_are_sent_only_where_nothing_else_is_taken() {
        for (units, only) in [
            ("Current", true),
            (" a ", true),
            ("Current,Power", false),
            ("Power", false),
            ("W,A", false),
            ("", false),
        ] {
            assert_eq!(
                told(&[(RATE_UNITS, units)]).takes_amperes_only(),
                only,
                "{units}"
            );
        }
        assert!(!told(&[]).takes_amperes_only());
    }

    #[test]
    fn one_phase_is_what_the_charge_point_calls_not_applicable() {
        let rotation = |text: &str| told(&[(ROTATION, text)]);
        let mixed = rotation("1.RST, 2.NotApplicable");
        assert_eq!(
            [0, 1, 2, 3].map(|one| mixed.has_no_three_phases(one)),
            [false, false, true, false]
        );
        let single = rotation("0.NotApplicable,1.NotApplicable");
        assert_eq!(
            [0, 1, 2].map(|one| single.has_no_three_phases(one)),
            [true, true, false]
        );
        assert!(rotation("NotApplicable").has_no_three_phases(1));
        assert!(!rotation("Unknown").has_no_three_phases(1));
        assert!(!told(&[]).has_no_three_phases(0));
    }
}
