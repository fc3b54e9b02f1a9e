//! The independent bookkeeper: folds facts in its own simple way and checks what must never happen.

use std::collections::{BTreeMap, BTreeSet};

use site_model::{
    Change, ChargePointId, Command, CommandId, CommandKind, Fact, Milliamps, Outcome, Reservation,
    SessionId, WattHours,
};

pub(crate) const MAX_CURRENT: Milliamps = Milliamps(16_000);

/// What the facts say of one connector; each charge point of the world has one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    pub(crate) authorized: bool,
    pub(crate) session: Option<(SessionId, WattHours)>,
    pub(crate) out_of_operation: bool,
    pub(crate) granted: Milliamps,
    cap: Option<Milliamps>,
    profile: Option<Milliamps>,
    register: WattHours,
    reserved: Option<Reservation>,
    /// Energy of ended sessions and unattributed energy.
    pub(crate) attributed: u64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Books {
    pub(crate) accounts: BTreeMap<ChargePointId, Account>,
    sessions_seen: BTreeSet<SessionId>,
    pub(crate) open: BTreeSet<CommandId>,
    pub(crate) closed: BTreeMap<CommandId, Outcome>,
}

pub(crate) fn sound(limit: Milliamps) {
    assert!(
        limit == Milliamps::PAUSE || (Milliamps::IEC_61851_MINIMUM..=MAX_CURRENT).contains(&limit),
        "limit {limit} is neither pause nor 6 A to {MAX_CURRENT}"
    );
}

impl Books {
    fn account(&mut self, id: &ChargePointId) -> &mut Account {
        self.accounts.entry(id.clone()).or_default()
    }

    /// The most that any owner allows; `required` says whether it must be authorised.
    pub(crate) fn allowed(&self, id: &ChargePointId, required: bool) -> Milliamps {
        let Some(account) = self.accounts.get(id) else {
            return Milliamps::PAUSE;
        };
        let held = account.out_of_operation
            || (!account.authorized && (required || account.session.is_some()));
        if held {
            return Milliamps::PAUSE;
        }
        let owners = [account.cap, account.profile];
        owners.into_iter().flatten().fold(MAX_CURRENT, Ord::min)
    }

    #[expect(clippy::too_many_lines, reason = "a flat table, one arm per change")]
    pub(crate) fn enter(&mut self, fact: &Fact) {
        match &fact.change {
            Change::AvailabilityChanged {
                charge_point,
                operative,
                ..
            } => self.account(charge_point).out_of_operation = !operative,
            Change::AuthorizationChanged {
                charge_point,
                id_tag,
                ..
            } => self.account(charge_point).authorized = id_tag.is_some(),
            Change::SessionStarted {
                session,
                charge_point,
                meter_start,
                id_tag,
                reservation,
                ..
            } => {
                let kept = self.account(charge_point).reserved.as_ref();
                let own = kept.filter(|kept| kept.id_tag == *id_tag);
                assert_eq!(*reservation, own.map(|own| own.id), "{kept:?} for {id_tag}");
                assert_eq!(kept, own, "kept for somebody else");
                self.start(session, charge_point, *meter_start);
            }
            Change::ReservationMade(reservation) => {
                let account = self.account(&reservation.charge_point);
                let other = account.reserved.replace(reservation.clone());
                assert!(other.is_none_or(|other| other.id == reservation.id));
            }
            Change::ReservationEnded {
                charge_point,
                reservation,
                ..
            } => {
                let kept = self.account(charge_point).reserved.take();
                assert_eq!(kept.map(|kept| kept.id), Some(*reservation));
            }
            Change::SessionEnded {
                session,
                charge_point,
                meter_stop,
                ..
            } => self.end(session, charge_point, *meter_stop),
            Change::MeterRead { session, meter } => self.read_meter(session, *meter),
            Change::RegisterTied {
                charge_point,
                total,
                ..
            } => self.account(charge_point).climb(*total),
            Change::EnergyUnattributed {
                charge_point,
                from,
                to,
                ..
            } => self.account(charge_point).flow_unattributed(*from, *to),
            Change::LimitGranted {
                charge_point,
                limit,
                ..
            } => {
                sound(*limit);
                self.account(charge_point).granted = *limit;
            }
            Change::ProfileLimitChanged {
                charge_point,
                limit,
                ..
            } => {
                let account = self.account(charge_point);
                assert_ne!(account.profile, *limit, "nothing changed");
                account.profile = *limit;
            }
            Change::CommandOpened(command) => self.open(command),
            Change::CommandClosed { id, outcome } => {
                assert!(self.open.remove(id), "closed but not open: {id}");
                self.closed.insert(id.clone(), *outcome);
            }
            Change::ChargePointAnnounced(_)
            | Change::DeviceOnline { .. }
            | Change::DeviceOffline { .. }
            | Change::StatusChanged { .. }
            | Change::ClosingScheduled { .. }
            | Change::TransactionAssigned { .. }
            | Change::SessionDisowned { .. }
            | Change::JournalSalvaged { .. }
            | Change::ClockCorrected { .. } => {}
        }
    }

    fn read_meter(&mut self, session: &SessionId, meter: WattHours) {
        let runs = |a: &&mut Account| a.session.as_ref().is_some_and(|(id, _)| id == session);
        let account = self.accounts.values_mut().find(runs);
        let account = account.expect("a meter value needs its running session");
        account.climb(meter);
    }

    fn open(&mut self, command: &Command) {
        let id = &command.id;
        let known = self.closed.contains_key(id) || self.open.contains(id);
        assert!(!known, "{id} opened twice");
        let account = self.account(&command.charge_point);
        match command.kind {
            CommandKind::SetLimit { limit } => account.cap = Some(limit),
            CommandKind::ClearLimit => account.cap = None,
            CommandKind::StartSession { .. }
            | CommandKind::StopSession { .. }
            | CommandKind::StopByTag { .. }
            | CommandKind::SetAvailable
            | CommandKind::SetUnavailable
            | CommandKind::Reset { .. } => {}
        }
        self.open.insert(id.clone());
    }

    fn start(&mut self, session: &SessionId, id: &ChargePointId, meter: WattHours) {
        assert!(self.sessions_seen.insert(session.clone()), "id used twice");
        let account = self.account(id);
        assert!(account.session.is_none(), "two sessions at once");
        assert!(account.authorized, "session without authorization");
        account.climb(meter);
        account.session = Some((session.clone(), meter));
    }

    fn end(&mut self, session: &SessionId, id: &ChargePointId, meter: WattHours) {
        let account = self.account(id);
        account.climb(meter);
        let (running, start) = account.session.take().expect("ended but not running");
        assert_eq!(running, *session, "another session ended");
        account.authorized = false;
        account.attributed += meter.0 - start.0;
    }
}

impl Account {
    fn flow_unattributed(&mut self, from: WattHours, to: WattHours) {
        assert!(from < to, "unattributed energy from {from} to {to}");
        assert!(self.session.is_none(), "unattributed energy in a session");
        self.climb(to);
        self.attributed += to.0 - from.0;
    }

    fn climb(&mut self, to: WattHours) {
        assert!(
            to >= self.register,
            "register fell from {} to {to}",
            self.register
        );
        self.register = to;
    }
}
