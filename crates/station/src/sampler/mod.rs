//! When a charge point samples its meters, and what becomes of the samples (OCPP 1.6 sections 3.16, 4.7
//! and 5.17): MeterValues while the central system listens, and the transaction data of a stop.
//!
//! Samples are telemetry: they live in memory, each queue has a bound, and nothing here is billed from.
//! Time is an argument; a sample is taken with the first reading after its moment.

mod meter;
mod transaction;
mod wants;

use std::collections::{BTreeMap, VecDeque};

use ocpp::v16::{Measurand, MeterValue, MeterValuesRequest, ReadingContext, TransactionData};
use ocpp::{SomeOf, Time};
use site_model::{Milliamps, SessionId, Timestamp, Value, WattHours};

use crate::profiles::Electrics;
use meter::Meter;
use transaction::Running;
pub use transaction::{COLLECTED_MAX, Ends};
pub use wants::Wants;

/// Samples of a charge point that wait for the central system; beyond it the oldest goes.
pub const WAITING_MAX: usize = 60;
/// Ended transactions whose samples wait for their stop to be told; beyond it the oldest stop is told
/// with its beginning and end alone.
pub const ENDED_MAX: usize = 8;
/// What a device told longer ago is not what its meter shows now; a clock-aligned moment that lies further
/// back is left out. Devices are read every 10 s at the latest.
pub const FRESH_MS: u64 = 60_000;

/// What a device told about a connector.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'v> {
    /// By the connector's own meter, whose figures go before the charger's.
    pub by_meter: bool,
    /// What it told.
    pub values: &'v [Value],
    /// The connector's monotone register with it.
    pub register: Option<WattHours>,
}

/// A sample that waits, or is on its way.
#[derive(Debug)]
struct Sample {
    connector: u8,
    /// Absent: it belongs to no transaction.
    session: Option<SessionId>,
    /// Monotonic time when it was taken.
    at_ms: u64,
    value: MeterValue,
}

/// The meters of one charge point.
#[derive(Debug)]
pub struct Sampler {
    wants: Wants,
    connectors: BTreeMap<u8, Connector>,
    listening: bool,
    waiting: VecDeque<Sample>,
    in_flight: Option<Sample>,
    ended: VecDeque<Running>,
}

#[derive(Debug)]
struct Connector {
    meter: Meter,
    running: Option<Running>,
}

impl Sampler {
    /// Connectors are numbered from 1 in this order.
    #[must_use]
    pub fn new(electrics: &[Electrics], wants: Wants) -> Self {
        let meters = electrics.iter().map(|electrics| Connector {
            meter: Meter::new(*electrics),
            running: None,
        });
        Self {
            wants,
            connectors: (1..=u8::MAX).zip(meters).collect(),
            listening: false,
            waiting: VecDeque::new(),
            in_flight: None,
            ended: VecDeque::new(),
        }
    }

    /// The keys were changed; what follows from them holds from here on.
    pub fn configured(&mut self, wants: Wants) {
        self.wants = wants;
    }

    /// What the core shows of a connector: its transaction with its start, and what a vehicle is offered.
    pub fn show(
        &mut self,
        now: &Timestamp,
        connector: u8,
        session: Option<(&SessionId, &Timestamp)>,
        offered: Milliamps,
    ) {
        let Some(known) = self.connectors.get_mut(&connector) else {
            return;
        };
        known.meter.offered = Some(offered);
        let running = known.running.as_ref().map(|running| &running.session);
        if running == session.map(|(session, _)| session) {
            return;
        }
        let begun = session.map(|(session, started)| Running::new(session, started, now));
        let Some(ended) = std::mem::replace(&mut known.running, begun) else {
            return;
        };
        if ended.has_collected() {
            if self.ended.len() == ENDED_MAX {
                self.ended.pop_front();
            }
            self.ended.push_back(ended);
        }
    }

    /// A device told something about a connector. Gives whether a sample waits because of it.
    pub fn measured(&mut self, now: &Timestamp, connector: u8, reading: Reading<'_>) -> bool {
        let Some(known) = self.connectors.get_mut(&connector) else {
            return false;
        };
        known.meter.take_in(now.monotonic.0, reading);
        // Without the right time nobody could say when it was.
        let Some(at) = time_of(now) else {
            return false;
        };
        let (now_ms, wants, mut taken) = (now.monotonic.0, &self.wants, Vec::new());
        if let Some(moment) = known.meter.aligned_moment(at, wants.aligned_s) {
            let take = |words| {
                let context = ReadingContext::SampleClock;
                known.meter.sample(words, context, moment, now_ms)
            };
            taken.extend(take(&wants.aligned));
            if let (Some(running), Some(value)) = (&mut known.running, take(&wants.stop_aligned)) {
                running.aligned.add(value);
            }
        }
        if let Some(running) = &mut known.running
            && running.is_due(now_ms, wants.sampled_ms)
        {
            let take = |words| {
                let context = ReadingContext::SamplePeriodic;
                known.meter.sample(words, context, at, now_ms)
            };
            taken.extend(take(&wants.sampled));
            if let Some(value) = take(&wants.stop_sampled) {
                running.sampled.add(value);
            }
        }
        let any = self.listening && !taken.is_empty();
        for value in taken {
            self.wait(connector, now_ms, value);
        }
        any
    }

    /// Takes a sample at once, of one connector or of each. Gives whether there is one to be told.
    pub fn trigger(&mut self, now: &Timestamp, connector: Option<u8>) -> bool {
        let (Some(at), true) = (time_of(now), self.listening) else {
            return false;
        };
        let asked = self
            .connectors
            .iter()
            .filter(|(number, _)| connector.is_none_or(|wanted| wanted == **number));
        let taken = asked.filter_map(|(number, known)| {
            let (words, context) = (&self.wants.sampled, ReadingContext::Trigger);
            let value = known.meter.sample(words, context, at, now.monotonic.0)?;
            Some((*number, value))
        });
        let taken: Vec<_> = taken.collect();
        let any = !taken.is_empty();
        for (number, value) in taken {
            self.wait(number, now.monotonic.0, value);
        }
        any
    }

    fn wait(&mut self, connector: u8, at_ms: u64, value: MeterValue) {
        if !self.listening {
            return;
        }
        if self.waiting.len() == WAITING_MAX {
            self.waiting.pop_front();
        }
        let running = self.running(connector);
        self.waiting.push_back(Sample {
            connector,
            session: running.map(|running| running.session.clone()),
            at_ms,
            value,
        });
    }

    /// The central system listens from now on, or no longer. What it did not hear it is not told later:
    /// the journal's readings are for the time it was away.
    pub fn listen(&mut self, listening: bool) {
        self.listening = listening;
        if !listening {
            self.waiting.clear();
            self.in_flight = None;
            for running in self.running_mut() {
                running.gap();
            }
        }
    }

    /// A running transaction whose id nobody asked for yet; it is asked for once.
    pub fn to_look_up(&mut self) -> Option<SessionId> {
        let mut unasked = self.running_mut().filter(|running| !running.asked);
        let running = unasked.next()?;
        running.asked = true;
        running.id.is_none().then(|| running.session.clone())
    }

    /// The central system knows the transaction by this id, since an earlier run of the program.
    pub fn known(&mut self, session: &SessionId, transaction_id: i64) {
        let mut all = self.running_mut();
        if let Some(running) = all.find(|running| running.session == *session) {
            running.id = Some(transaction_id);
        }
    }

    /// The central system answered the start of a transaction with this id.
    pub fn begun(&mut self, now: &Timestamp, session: &SessionId, transaction_id: i64) {
        self.known(session, transaction_id);
        self.arrived(now.monotonic.0, session);
    }

    /// The oldest sample that can be told; it is on its way then. Those of a transaction wait for its id,
    /// and are not told when it has ended: its stop tells more.
    pub fn next_to_tell(&mut self) -> Option<MeterValuesRequest> {
        let mut place = None;
        for (number, sample) in self.waiting.iter().enumerate() {
            let Some(session) = &sample.session else {
                place = Some((number, None));
                break;
            };
            let running = self.running(sample.connector);
            let id = running.filter(|running| running.session == *session);
            if let Some(id) = id.and_then(|running| running.id) {
                place = Some((number, Some(id)));
                break;
            }
        }
        let (number, transaction_id) = place?;
        let sample = self.waiting.remove(number)?;
        let values = SomeOf::new(vec![sample.value.clone()]).ok()?;
        let mut request = MeterValuesRequest::new(i64::from(sample.connector), values);
        request.transaction_id = transaction_id;
        self.in_flight = Some(sample);
        Some(request)
    }

    /// What became of the sample on its way. It is told once, or not at all.
    pub fn settled(&mut self, answered: bool) {
        let Some(sample) = self.in_flight.take() else {
            return;
        };
        if let (true, true, Some(session)) = (answered, has_register(&sample.value), sample.session)
        {
            self.arrived(sample.at_ms, &session);
        }
    }

    fn arrived(&mut self, at_ms: u64, session: &SessionId) {
        let mut all = self.running_mut();
        if let Some(running) = all.find(|running| running.session == *session) {
            running.arrived(at_ms);
        }
    }

    /// Whether a register reading that the journal has of a transaction is not to be told: its samples
    /// arrive, or the central system wants no register between start and stop.
    #[must_use]
    pub fn leaves_out(&self, session: &SessionId, at: &Timestamp) -> bool {
        let Some(every_ms) = self.wants.register_every_ms() else {
            return true;
        };
        let mut all = self
            .connectors
            .values()
            .filter_map(|known| known.running.as_ref());
        all.find(|running| running.session == *session)
            .is_some_and(|running| running.covers(at, every_ms))
    }

    /// The transaction data of a stop, as far as it is wanted: the register at its ends, and the samples
    /// between them.
    #[must_use]
    pub fn transaction_data(
        &self,
        session: &SessionId,
        begin: Option<Ends>,
        end: Ends,
    ) -> Option<TransactionData> {
        let running = self
            .connectors
            .values()
            .filter_map(|known| known.running.as_ref());
        let mut all = running.chain(&self.ended);
        let collected = all.find(|running| running.session == *session);
        let collected = collected.map(|running| running.collected(begin, end));
        let wants_ends = self.wants.stop_has_register();
        let ends = |ends: Option<Ends>, context| {
            ends.filter(|_| wants_ends)
                .and_then(|ends| ends.value(context))
        };
        let mut told: Vec<MeterValue> = ends(begin, ReadingContext::TransactionBegin)
            .into_iter()
            .collect();
        told.extend(collected.into_iter().flatten());
        told.extend(ends(Some(end), ReadingContext::TransactionEnd));
        let data = TransactionData::new(told);
        (!data.as_slice().is_empty()).then_some(data)
    }

    /// Whether a stop is told with any.
    #[must_use]
    pub fn wants_transaction_data(&self) -> bool {
        !(self.wants.stop_sampled.is_empty() && self.wants.stop_aligned.is_empty())
    }

    /// The stop of a transaction is kept, as it is told.
    pub fn forget(&mut self, session: &SessionId) {
        self.ended.retain(|ended| ended.session != *session);
    }

    fn running(&self, connector: u8) -> Option<&Running> {
        self.connectors.get(&connector)?.running.as_ref()
    }

    fn running_mut(&mut self) -> impl Iterator<Item = &mut Running> {
        let connectors = self.connectors.values_mut();
        connectors.filter_map(|known| known.running.as_mut())
    }
}

fn has_register(value: &MeterValue) -> bool {
    let mut samples = value.sampled_value.iter();
    samples.any(|sample| sample.measurand == Some(Measurand::EnergyActiveImportRegister))
}

fn time_of(now: &Timestamp) -> Option<Time> {
    now.wall_known.then(|| Time::from_unix_ms(now.wall.0))?
}
