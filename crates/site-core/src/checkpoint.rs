//! The journaled state written down as facts: what a long journal can be shortened to.

use std::collections::BTreeMap;

use site_model::{Change, Fact, Timestamp, WattHours};

use crate::energy::Register;
use crate::state::{ConnectorState, Key, State};

impl State {
    /// The fewest facts that `apply` folds into this state. Each keeps the time of the fact it
    /// stands for, so that sessions, time-outs and reconstructed bounds stay what they were.
    pub(crate) fn checkpoint(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        for announced in self.announced.values() {
            let change = Change::ChargePointAnnounced(announced.value.clone());
            facts.push(fact(announced.at, change));
        }
        for (key, connector) in &self.connectors {
            connector.device_facts(key, &mut facts);
            connector.session_facts(key, &mut facts);
        }
        for kept in self.reservations.values() {
            let change = Change::ReservationMade(kept.value.clone());
            facts.push(fact(kept.at, change));
        }
        // Closed orders in the order of their closing: the one that set a limit comes before
        // the one that removed it.
        for closed in &self.commands.closed {
            let (id, outcome) = (closed.command.value.id.clone(), closed.outcome);
            let opened = Change::CommandOpened(closed.command.value.clone());
            facts.push(fact(closed.command.at, opened));
            facts.push(fact(closed.at, Change::CommandClosed { id, outcome }));
        }
        for open in self.commands.open.values() {
            facts.push(fact(open.at, Change::CommandOpened(open.value.clone())));
        }
        facts
    }
}

impl ConnectorState {
    fn device_facts(&self, key: &Key, facts: &mut Vec<Fact>) {
        let (charge_point, connector) = (&key.charge_point, key.connector);
        if let Some(identity) = &self.identity {
            facts.push(fact(
                identity.at,
                Change::DeviceOnline {
                    charge_point: charge_point.clone(),
                    connector,
                    serial: identity.value.serial.clone(),
                    firmware: identity.value.firmware.clone(),
                },
            ));
        }
        if let Some(offline) = &self.offline {
            facts.push(fact(
                offline.at,
                Change::DeviceOffline {
                    charge_point: charge_point.clone(),
                    connector,
                    fault: offline.value.clone(),
                },
            ));
        }
        if let Some(status) = &self.status {
            facts.push(fact(
                status.at,
                Change::StatusChanged {
                    charge_point: charge_point.clone(),
                    connector,
                    status: status.value.status,
                    error_code: status.value.error_code,
                },
            ));
        }
        self.restriction_facts(key, facts);
        if let Some(granted) = &self.granted {
            facts.push(fact(
                granted.at,
                Change::LimitGranted {
                    charge_point: charge_point.clone(),
                    connector,
                    limit: granted.value.limit,
                    owner: granted.value.owner,
                },
            ));
        }
    }

    /// What keeps the connector from being used, now or soon, and what limits it besides.
    fn restriction_facts(&self, key: &Key, facts: &mut Vec<Fact>) {
        let (charge_point, connector) = (&key.charge_point, key.connector);
        if let Some(at) = self.out_of_operation {
            facts.push(fact(
                at,
                Change::AvailabilityChanged {
                    charge_point: charge_point.clone(),
                    connector,
                    operative: false,
                },
            ));
        }
        if let Some(limited) = &self.profile_limit {
            facts.push(fact(
                limited.at,
                Change::ProfileLimitChanged {
                    charge_point: charge_point.clone(),
                    connector,
                    limit: Some(limited.value),
                },
            ));
        }
        if let Some(at) = self.closing_scheduled {
            facts.push(fact(
                at,
                Change::ClosingScheduled {
                    charge_point: charge_point.clone(),
                    connector,
                    scheduled: true,
                },
            ));
        }
    }

    fn session_facts(&self, key: &Key, facts: &mut Vec<Fact>) {
        let (charge_point, connector) = (&key.charge_point, key.connector);
        self.register.facts(key, facts);
        if let Some(spent) = &self.spent {
            facts.push(fact(
                spent.at,
                Change::SessionEnded {
                    session: spent.value.session.clone(),
                    charge_point: charge_point.clone(),
                    connector,
                    meter_stop: spent.value.meter_stop,
                    reason: spent.value.reason,
                    id_tag: spent.value.id_tag.clone(),
                    reconstructed: spent.value.reconstructed,
                },
            ));
        }
        if let Some(authorized) = &self.authorized {
            facts.push(fact(
                authorized.at,
                Change::AuthorizationChanged {
                    charge_point: charge_point.clone(),
                    connector,
                    id_tag: Some(authorized.value.clone()),
                },
            ));
        }
        if let Some(session) = &self.session {
            facts.push(fact(
                session.started,
                Change::SessionStarted {
                    session: session.id.clone(),
                    charge_point: charge_point.clone(),
                    connector,
                    id_tag: session.id_tag.clone(),
                    meter_start: session.meter_start,
                    source: session.source,
                    billing_grade: session.billing_grade,
                    reservation: session.reservation,
                },
            ));
            if let Some(read) = &session.last_read {
                let (session, meter) = (session.id.clone(), read.value);
                facts.push(fact(read.at, Change::MeterRead { session, meter }));
            }
            if let Some(transaction) = &session.transaction {
                let assigned = Change::TransactionAssigned {
                    session: session.id.clone(),
                    transaction_id: transaction.value,
                };
                facts.push(fact(transaction.at, assigned));
            }
            if let Some(disowned) = &session.disowned {
                let change = Change::SessionDisowned {
                    session: session.id.clone(),
                    up_to: disowned.value.up_to,
                    ends: disowned.value.ends,
                };
                facts.push(fact(disowned.at, change));
            }
        }
    }
}

impl Register {
    /// The first tie accounts for everything below it, a later one for nothing: so two ties say
    /// both how far the register came and how far it is accounted for.
    fn facts(&self, key: &Key, facts: &mut Vec<Fact>) {
        let Some(offset) = &self.offset else {
            return;
        };
        let raw = i128::from(self.total.0) - offset.value;
        let raw = u64::try_from(raw).map_or(WattHours(0), WattHours);
        let mut ties = BTreeMap::new();
        ties.insert(self.accounted, self.accounted);
        ties.insert(self.total, raw);
        for (total, raw) in ties {
            facts.push(fact(
                offset.at,
                Change::RegisterTied {
                    charge_point: key.charge_point.clone(),
                    connector: key.connector,
                    raw,
                    total,
                },
            ));
        }
    }
}

fn fact(at: Timestamp, change: Change) -> Fact {
    Fact { at, change }
}
