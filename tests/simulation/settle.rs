//! The end of a run: what must be true once everything has healed.

use std::collections::BTreeSet;

use site_model::{Outcome, StopReason, WattHours};
use site_wire::v1::Acknowledgement;

use crate::cloud::Registered;
use crate::disk::Trouble;
use crate::model::Session;
use crate::place::{PLACES, Stay};
use crate::world::World;

/// How late the gateway may see what happens at a connector: polls, meter readings and the wait for the
/// last one.
const SEEN_WITHIN_MS: u64 = 15_000;
/// Around a stay the gateway must have been up for so long to have seen all of it.
const AROUND_MS: u64 = 30_000;

impl World {
    pub(crate) fn settle(&mut self) {
        assert_eq!(self.disk.trouble(), Trouble::None);
        assert!(!self.disk_fails, "the journal can be written again");
        self.model.is_settled();
        self.orders_have_fates();
        for place in 0..PLACES {
            let here = &self.places[place];
            assert!(!here.charger.is_plugged());
            let (truth, count) = (here.charger.truth(), here.charger.resolution());
            self.model.accounts_are_complete(&here.id, truth, count);
            self.sessions_follow_the_cars(place);
        }
        self.times_are_right();
        self.cloud_has_the_same_books();
        self.transactions_are_told();
        let simulated = self.now_ms;
        self.report.simulated_ms += simulated;
        self.report.seeds = 1;
        let sessions = u64::try_from(self.model.sessions.len()).unwrap();
        self.report.add("sessions", sessions);
    }

    fn orders_have_fates(&mut self) {
        for order in &self.orders {
            let fate = order.fate;
            assert!(fate.is_some(), "{} has no fate", order.id);
            let booked = self.model.fate(&order.id);
            let refused = matches!(fate, Some(Outcome::Refused(_)));
            assert!(
                booked == fate || (refused && booked.is_none()),
                "{} was answered with {fate:?} and booked as {booked:?}",
                order.id
            );
            self.report.count("orders");
        }
    }

    fn sessions_follow_the_cars(&mut self, place: usize) {
        let stays = self.places[place].stays.clone();
        let mut told = Vec::new();
        for stay in &stays {
            let kind = self.check_stay(place, stay);
            told.push(kind);
        }
        for kind in told {
            self.report.count(kind);
        }
        let here = &self.places[place];
        let sessions = self
            .model
            .sessions
            .iter()
            .filter(|session| session.charge_point == here.id);
        for session in sessions {
            let end = session.ended.as_ref().expect("none runs any more");
            let count = here.charger.resolution().0;
            // More than two readings' rounding of a stay's energy lies in this session.
            let covered = stays.iter().filter(|stay| {
                let from = session.meter_start.max(stay.meter_from);
                end.meter.min(stay.meter_to).0 > from.0 + 2 * count
            });
            // A car changed while nobody could see it: one session covers both.
            if covered.count() > 1 {
                self.report
                    .count("permitted: a car changed unseen, one session for both");
            }
            if let Some(bounds) = end.reconstructed {
                let sure =
                    [session.started, end.fact].map(|fact| self.model.facts[fact].at.wall_known);
                let ended = self.model.true_ms(end.fact);
                let left = stays.iter().filter_map(|stay| stay.to_ms);
                let left = left.filter(|left| *left <= ended).max();
                let within = left.is_some_and(|left| self.is_within(left, &bounds));
                let began = self.model.true_ms(session.started);
                assert!(
                    within || sure != [true; 2] || self.clock.fell_between(began, ended),
                    "{} ended at {left:?}, told between {:?} and {:?}",
                    session.id,
                    bounds.not_before,
                    bounds.not_after
                );
                self.report
                    .count("permitted: end reconstructed with bounds");
            }
        }
    }

    /// A stay that was seen from end to end has exactly its session, to the Wh.
    fn check_stay(&self, place: usize, stay: &Stay) -> &'static str {
        let here = &self.places[place];
        let to_ms = stay.to_ms.expect("all cars have left");
        let seen_from = stay.from_ms.saturating_sub(AROUND_MS);
        if !here.was_seen(seen_from, to_ms + AROUND_MS, &self.blind) {
            return "stays not seen from end to end";
        }
        let of_place = self
            .model
            .sessions
            .iter()
            .filter(|session| session.charge_point == here.id);
        let during: Vec<&Session> = of_place
            .filter(|session| self.overlaps(session, stay))
            .collect();
        if !here.free && during.is_empty() {
            assert_eq!(
                stay.meter_from, stay.meter_to,
                "energy without an order at {}",
                here.id
            );
            return "stays without a session, rightly";
        }
        if to_ms - stay.from_ms < 5_000 {
            return "stays too short to be seen";
        }
        let [session] = during[..] else {
            panic!(
                "{} sessions for {stay:?} at {}: {during:?}",
                during.len(),
                here.id
            );
        };
        self.is_exact(place, session, stay);
        "stays with their session, to the Wh"
    }

    fn overlaps(&self, session: &Session, stay: &Stay) -> bool {
        let (from, to) = (stay.from_ms, stay.to_ms.unwrap());
        let began = self.model.true_ms(session.started);
        let ended = session
            .ended
            .as_ref()
            .map(|end| self.model.true_ms(end.fact));
        began <= to && ended.is_none_or(|ended| ended >= from)
    }

    fn is_exact(&self, place: usize, session: &Session, stay: &Stay) {
        let here = &self.places[place];
        let end = session.ended.as_ref().expect("none runs any more");
        let count = here.charger.resolution().0;
        let rounded = |meter: WattHours| WattHours(meter.0 - meter.0 % count);
        assert_eq!(end.reconstructed, None, "{stay:?} was seen");
        let (from, to) = (rounded(stay.meter_from), rounded(stay.meter_to));
        assert_eq!(
            session.meter_start, from,
            "{} begins with the car's energy",
            session.id
        );
        assert_eq!(end.meter, to, "{} ends with the car's energy", session.id);
        if end.reason == StopReason::EvDisconnected {
            let ended = self.model.true_ms(end.fact);
            let left = stay.to_ms.unwrap();
            assert!(
                (left..left + SEEN_WITHIN_MS).contains(&ended),
                "{} ended at {ended}, its car left at {left}",
                session.id
            );
        }
    }

    /// Every register that the facts tell of sessions; with its recorded time where the right one
    /// never became known.
    fn readings_told(&self) -> BTreeSet<Registered> {
        let readings = self.model.readings.iter();
        let told = readings.map(|(session, kind, fact, meter)| {
            let at = self.model.told_ms(*fact);
            let at = at.unwrap_or(self.model.facts[*fact].at.wall.0);
            let meter = i64::try_from(meter.0).unwrap();
            (session.to_string(), (*kind).to_owned(), meter, at)
        });
        told.collect()
    }

    fn cloud_has_the_same_books(&mut self) {
        let facts = u64::try_from(self.model.facts.len()).unwrap();
        let mark = self.cloud.mark(&self.journal);
        assert_eq!(mark, facts, "the cloud has {mark} facts of {facts}");
        assert_eq!(self.cloud.unread(), 0);
        let heard = self.network.heard.as_deref().unwrap_or_default();
        let heard: Acknowledgement = serde_json::from_slice(heard).unwrap();
        assert_eq!(heard.sequence, facts, "the gateway heard of every fact");
        let readings = self.cloud.readings();
        assert_eq!(readings, self.readings_told(), "registers in the cloud");
        let unattributed = self.cloud.unattributed();
        assert_eq!(
            unattributed,
            self.model.unattributed(),
            "unattributed energy in the cloud"
        );
        let books = self.cloud.books();
        assert_eq!(
            books.len(),
            self.model.sessions.len(),
            "sessions in the cloud"
        );
        for booked in &books {
            let session = self
                .model
                .sessions
                .iter()
                .find(|session| session.id.as_str() == booked.id);
            let session = session.unwrap_or_else(|| panic!("{} is not in the journal", booked.id));
            let end = session.ended.as_ref().expect("none runs any more");
            let wh = |meter: WattHours| i64::try_from(meter.0).unwrap();
            assert_eq!(booked.charge_point, session.charge_point.as_str());
            assert_eq!(booked.meter_start_wh, wh(session.meter_start), "{booked:?}");
            assert_eq!(booked.meter_stop_wh, Some(wh(end.meter)), "{booked:?}");
            if let Some(told) = self.model.told_ms(session.started) {
                assert_eq!(booked.started_at_ms, told, "start of {}", booked.id);
            }
            if let Some(told) = self.model.told_ms(end.fact) {
                assert_eq!(booked.ended_at_ms, Some(told), "end of {}", booked.id);
            }
        }
    }
}
