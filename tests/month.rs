//! A journal of many days without the cloud: the facts that sessions at so many connectors leave, written
//! through the real store. What is needed to ask how large it is, how fast it starts and how fast it is told.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use site_controller::store::{CHECKPOINT_EVERY_FACTS, Options, Store, StoreEvent};
use site_model::{BootId, Fact, Monotonic, Timestamp, WallTime};

const DAY_MS: i64 = 86_400_000;
const QUARTER_HOUR_MS: i64 = 900_000;
const MINUTE_MS: i64 = 60_000;
const SESSION_MAX_MS: i64 = 6 * 3_600_000;
/// Facts of one commit; the store keeps at most 8 192 waiting.
const AT_ONCE: usize = 1_000;
/// What their ids begin with, and no other's.
pub(crate) const SESSION_PREFIX: &str = "sess_0000";
const BOOT: BootId = BootId(0x30da);

/// How much happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Happened {
    /// Facts.
    pub facts: u64,
    /// Sessions, each with its end.
    pub sessions: u64,
    /// Their energy.
    pub energy_wh: u64,
}

/// What and how long.
#[derive(Debug, Clone)]
pub struct Days<'a> {
    /// Each has one connector.
    pub charge_points: &'a [String],
    /// How many days.
    pub days: u32,
    /// Sessions of the site in a day.
    pub sessions_per_day: u32,
    /// The last of them ends before this.
    pub until: WallTime,
    /// The chance in it.
    pub seed: u64,
}

/// Writes the days behind what the journal in `data_dir` holds, or into a new one. No daemon may run on it.
///
/// # Errors
/// If the journal cannot be opened or written.
pub async fn record(data_dir: &Path, days: &Days<'_>) -> anyhow::Result<Happened> {
    let (told, happened) = tell(days)?;
    let begin = Timestamp {
        boot: BOOT,
        monotonic: Monotonic(0),
        wall: days.until,
        wall_known: true,
    };
    let mut opened = Store::open(data_dir, begin, Options::default())?;
    ensure!(
        opened.found.notices.is_empty(),
        "{:?}",
        opened.found.notices
    );
    let mut since_checkpoint = opened.found.since_checkpoint;
    let mut state = State::default();
    for chunk in told.chunks(AT_ONCE) {
        chunk
            .iter()
            .for_each(|(fact, place)| state.apply(fact, place));
        let facts: Vec<Fact> = chunk.iter().map(|(fact, _)| fact.clone()).collect();
        since_checkpoint += facts.len() as u64;
        let due = since_checkpoint > CHECKPOINT_EVERY_FACTS;
        since_checkpoint = if due { 0 } else { since_checkpoint };
        opened.store.append(facts, due.then(|| state.facts()));
        match opened.events.recv().await {
            Some(StoreEvent::Committed { .. }) => {}
            other => anyhow::bail!("the journal said {other:?}"),
        }
    }
    opened.store.close().await;
    Ok(happened)
}

/// What a fact is about: it takes the place of the one before of the same kind; some end others.
#[derive(Debug, Clone)]
struct Place {
    charge_point: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Announced,
    Online,
    Tied,
    Status,
    Limit,
    Authorized,
    Started,
    Read,
    Ended,
}

/// The facts that rebuild the state: the latest of each kind, sessions until they end.
#[derive(Debug, Default)]
struct State(BTreeMap<(usize, Kind), Fact>);

impl State {
    fn apply(&mut self, fact: &Fact, place: &Place) {
        if place.kind == Kind::Ended {
            for over in [Kind::Authorized, Kind::Started, Kind::Read] {
                self.0.remove(&(place.charge_point, over));
            }
        } else {
            self.0
                .insert((place.charge_point, place.kind), fact.clone());
        }
    }

    fn facts(&self) -> Vec<Fact> {
        self.0.values().cloned().collect()
    }
}

struct Tale<'a> {
    days: &'a Days<'a>,
    begin_ms: i64,
    told: Vec<(i64, Place, Value)>,
}

fn tell(days: &Days<'_>) -> anyhow::Result<(Vec<(Fact, Place)>, Happened)> {
    let begin_ms = days.until.0 - i64::from(days.days) * DAY_MS;
    let told = Vec::new();
    let mut tale = Tale {
        days,
        begin_ms,
        told,
    };
    (0..days.charge_points.len()).for_each(|place| tale.begin(place));
    let mut rng = fastrand::Rng::with_seed(days.seed);
    let sessions = days.days * days.sessions_per_day;
    let connectors = u32::try_from(days.charge_points.len())?;
    // Each connector's sessions follow one another; half of the time at most it is occupied.
    let turn_ms =
        i64::from(days.days) * DAY_MS * i64::from(connectors) / i64::from(sessions.max(1));
    let longest_ms = (turn_ms / 2).min(SESSION_MAX_MS);
    let spread_ms = turn_ms - longest_ms - 2 * MINUTE_MS;
    let mut registers = vec![0_u64; days.charge_points.len()];
    let mut energy_wh = 0;
    for number in 0..sessions {
        let place = usize::try_from(number % connectors)?;
        let turn = i64::from(number / connectors);
        let offset_ms = i64::from(number % connectors) * spread_ms / i64::from(connectors);
        let start_ms = begin_ms + MINUTE_MS + turn * turn_ms + offset_ms;
        let lasts_ms = rng.i64(longest_ms / 2..longest_ms);
        let energy = rng.u64(4_000..30_000);
        tale.session(
            place,
            number,
            (start_ms, lasts_ms),
            (registers[place], energy),
        );
        registers[place] += energy;
        energy_wh += energy;
    }
    let mut told = tale.told;
    told.sort_by_key(|(at, _, _)| *at);
    let facts = told.into_iter().map(|(at_ms, place, change)| {
        let change: site_wire::v1::Change = serde_json::from_value(change)?;
        let change = site_model::Change::try_from(change).context("a change that is none")?;
        let at = Timestamp {
            boot: BOOT,
            monotonic: Monotonic(u64::try_from(at_ms - begin_ms)?),
            wall: WallTime(at_ms),
            wall_known: true,
        };
        anyhow::Ok((Fact { at, change }, place))
    });
    let facts = facts.collect::<Result<Vec<_>, _>>()?;
    let happened = Happened {
        facts: facts.len() as u64,
        sessions: u64::from(sessions),
        energy_wh,
    };
    Ok((facts, happened))
}

impl Tale<'_> {
    fn tell(&mut self, at_ms: i64, charge_point: usize, kind: Kind, mut change: Value) {
        change["charge_point_id"] = json!(self.days.charge_points[charge_point]);
        change["connector_id"] = json!(1);
        self.told
            .push((at_ms, Place { charge_point, kind }, change));
    }

    /// What a daemon records when it first sees a charge point.
    fn begin(&mut self, place: usize) {
        let at = self.begin_ms;
        let connectors = json!([{"connector_id": 1, "type": "Type2", "max_power_w": 11_040}]);
        let announced = json!({"type": "charge_point_announced", "vendor": "Maker", "model": "Model", "connectors": connectors});
        self.tell(at, place, Kind::Announced, announced);
        let online =
            json!({"type": "device_online", "serial": format!("S-{place}"), "firmware": "1.0"});
        self.tell(at, place, Kind::Online, online);
        let tied = json!({"type": "register_tied", "raw_wh": 0, "total_wh": 0});
        self.tell(at, place, Kind::Tied, tied);
        self.status(at, place, "Available");
    }

    fn status(&mut self, at_ms: i64, place: usize, status: &str) {
        let change = json!({"type": "status_changed", "status": status});
        self.tell(at_ms, place, Kind::Status, change);
    }

    /// Plugged in, authorised, charging with a reading at each quarter hour, stopped, unplugged.
    fn session(&mut self, place: usize, number: u32, times: (i64, i64), energy: (u64, u64)) {
        let ((start, lasts), (before, energy)) = (times, energy);
        let id = format!("{SESSION_PREFIX}{number:022}");
        let end = start + lasts;
        self.status(start, place, "Preparing");
        let authorized = json!({"type": "authorization_changed", "id_tag": "FREE"});
        self.tell(start + 500, place, Kind::Authorized, authorized);
        self.tell(start + 500, place, Kind::Started, json!({
            "type": "session_started", "session_id": id, "id_tag": "FREE", "meter_start_wh": before,
            "energy_source": "lifetime_register", "billing_grade": false,
        }));
        let granted = json!({"type": "limit_granted", "limit_ma": 16_000, "owner": "installation"});
        self.tell(start + 600, place, Kind::Limit, granted);
        self.status(start + 2_000, place, "Charging");
        let mut quarter = (start + 2_000).div_euclid(QUARTER_HOUR_MS) + 1;
        while quarter * QUARTER_HOUR_MS < end {
            let at = quarter * QUARTER_HOUR_MS;
            let share = u64::try_from(at - start).unwrap_or(0) * energy;
            let meter = before + share / u64::try_from(lasts).unwrap_or(1).max(1);
            let read = json!({"type": "meter_read", "session_id": id, "meter_wh": meter});
            self.tell(at, place, Kind::Read, read);
            quarter += 1;
        }
        self.status(end, place, "Finishing");
        self.tell(
            end + 1_000,
            place,
            Kind::Ended,
            json!({
                "type": "session_ended", "session_id": id, "meter_stop_wh": before + energy,
                "stop_reason": "EVDisconnected",
            }),
        );
        let over = json!({"type": "authorization_changed"});
        self.tell(end + 1_000, place, Kind::Authorized, over);
        self.status(end + 2_000, place, "Available");
    }
}
