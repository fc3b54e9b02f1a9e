//! Sessions whose tag the central system does not accept (OCPP 1.6 section 4.8): they take what is left of
//! an allowance, counted from their start, and then end or stay without energy.

use site_model::{Change, SessionId, WattHours};

use crate::config::Authorization;
use crate::state::Disowned;
use crate::turn::Turn;

impl Turn<'_> {
    /// Records how far the session may go on. Where anybody may charge no tag is turned away: the tag of
    /// such a session is made up, and no central system knows it.
    pub(crate) fn disown(&mut self, session: SessionId, allowance: WattHours, ends: bool) {
        let runs = |i: &usize| {
            let running = self.state(*i).session.as_ref();
            running.is_some_and(|running| running.id == session)
        };
        let Some(i) = (0..self.site.connectors.len()).find(runs) else {
            return;
        };
        let judged = self.config(i).authorization == Authorization::Required;
        let running = self.state(i).session.as_ref();
        let Some(running) = running.filter(|running| judged && running.disowned.is_none()) else {
            return;
        };
        let up_to = WattHours(running.meter_start.0.saturating_add(allowance.0));
        self.record(Change::SessionDisowned {
            session,
            up_to,
            ends,
        });
        self.touch(i);
    }

    /// The session has nothing left to take. What cannot be counted is not given either.
    pub(crate) fn is_used_up(&self, i: usize) -> bool {
        self.disowned(i)
            .is_some_and(|disowned| self.has_reached(i, disowned) || self.energy_is_lost(i))
    }

    /// The session has taken what it may, and is to end there.
    pub(crate) fn is_disowned_to_its_end(&self, i: usize) -> bool {
        self.disowned(i)
            .is_some_and(|disowned| disowned.ends && self.has_reached(i, disowned))
    }

    /// Ends the session that has nothing left.
    pub(crate) fn settle_disowned(&mut self, i: usize) {
        if self.is_disowned_to_its_end(i) {
            self.withdraw(i);
        }
    }

    fn has_reached(&self, i: usize, disowned: Disowned) -> bool {
        self.register_total(i) >= disowned.up_to
    }

    fn disowned(&self, i: usize) -> Option<Disowned> {
        let session = self.state(i).session.as_ref()?;
        session.disowned.as_ref().map(|disowned| disowned.value)
    }
}
