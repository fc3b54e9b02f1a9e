//! One event's turn: what happened is taken in, then every connector is settled in a fixed order,
//! so that actions follow from state and not from the event.

use site_model::{Change, ChargePointId, ConnectorId, Fact, SessionId, Timestamp};

use crate::config::ConnectorConfig;
use crate::decision::{Action, Decision, Event, Moment};
use crate::live::Live;
use crate::site::Site;
use crate::state::{ConnectorState, connector_of};

/// The work on one event.
pub(crate) struct Turn<'a> {
    pub(crate) site: &'a mut Site,
    pub(crate) now: Timestamp,
    /// Counts events.
    pub(crate) number: u64,
    pub(crate) fresh_session: Option<SessionId>,
    pub(crate) decision: Decision,
    /// Answers to orders: released after writes and snapshots.
    pub(crate) answers: Vec<Action>,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(site: &'a mut Site, moment: &Moment) -> Self {
        site.turns += 1;
        site.latest = Some(moment.now);
        Self {
            now: moment.now,
            number: site.turns,
            fresh_session: Some(moment.fresh_session.clone()),
            decision: Decision::default(),
            answers: Vec::new(),
            site,
        }
    }

    /// Takes in what happened.
    pub(crate) fn take_in(&mut self, event: Event) {
        match event {
            Event::Started => self.start(),
            Event::DeviceRead(reading) => self.device_read(&reading),
            Event::DeviceLost { device, fault } => self.device_lost(&device, &fault),
            Event::LimitWritten { device, limit } => self.limit_written(&device, limit),
            Event::WriteRefused { device, fault } => self.write_refused(&device, &fault),
            Event::CommandReceived(command) => self.receive(command),
            Event::ProfilesLimit {
                charge_point,
                limits,
            } => self.profiles_limit(&charge_point, &limits),
            Event::ReservationWished(wish) => self.reserve(wish),
            Event::ReservationCancelled {
                charge_point,
                reservation,
            } => self.cancel_reservation(charge_point, reservation),
            Event::ClosingWished {
                charge_point,
                connector,
            } => self.schedule_closing(charge_point, connector),
            Event::TransactionAssigned {
                session,
                transaction_id,
            } => self.assign_transaction(session, transaction_id),
            Event::TagNotAccepted {
                session,
                allowance,
                ends,
            } => self.disown(session, allowance, ends),
            Event::ClockSet { offset_ms } => self.record(Change::ClockCorrected {
                boot: self.now.boot,
                offset_ms,
            }),
            Event::StorageFailed => self.site.storage_failed = true,
            Event::StorageRestored => self.site.storage_failed = false,
            Event::DeadlinePassed => {}
        }
    }

    /// Brings every connector to where state and observation say it must be.
    pub(crate) fn settle(&mut self) {
        self.expire_commands();
        self.settle_reservations();
        for i in 0..self.site.connectors.len() {
            self.settle_disowned(i);
            self.settle_session_end(i);
            self.settle_closing(i);
            self.settle_authorization(i);
            self.settle_session_start(i);
            self.settle_meter_read(i);
            self.settle_unattributed(i, false);
            self.settle_grant(i);
            self.settle_status(i);
            self.settle_commands(i);
            self.settle_setpoint(i);
        }
        self.settle_central_systems();
    }

    /// The decision, with snapshots of what changed and answers to orders last.
    pub(crate) fn finish(mut self) -> Decision {
        self.publish_snapshots();
        self.decision.after_commit.append(&mut self.answers);
        self.decision
    }

    /// Makes `change` true now: the only way from a turn into the journaled state.
    pub(crate) fn record(&mut self, change: Change) {
        let fact = Fact {
            at: self.now,
            change,
        };
        self.site.apply(&fact);
        let about = connector_of(&fact.change);
        for connector in &mut self.site.connectors {
            connector.touched |= Some(&connector.key) == about.as_ref();
        }
        self.decision.facts.push(fact);
    }

    pub(crate) fn config(&self, i: usize) -> &ConnectorConfig {
        &self.site.connectors[i].config
    }

    pub(crate) fn live(&self, i: usize) -> &Live {
        &self.site.connectors[i].live
    }

    pub(crate) fn live_mut(&mut self, i: usize) -> &mut Live {
        &mut self.site.connectors[i].live
    }

    pub(crate) fn state(&self, i: usize) -> &ConnectorState {
        self.site.journaled(i)
    }

    pub(crate) fn names(&self, i: usize) -> (ChargePointId, ConnectorId) {
        let key = &self.site.connectors[i].key;
        (key.charge_point.clone(), key.connector)
    }
}
