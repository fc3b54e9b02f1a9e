//! The uplink's task: connects, says hello, keeps the link busy, and tries again when it breaks.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::mqttbytes::QoS;
use rumqttc::{
    AsyncClient, Event, Packet, PubAck, PubAckReason, PublishOptions, SubAck, SubscribeReasonCode,
};
use site_wire::topics::Topics;
use site_wire::v1::{Acknowledgement, Envelope, FactBatch, GatewayState, VERSION};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::link::{self, Link};
use super::outbox::{Heard, Outbox};
use super::{IN_FLIGHT_MAX, Shared, UplinkConfig};
use crate::back_off::BackOff;
use crate::clock::Clock;
use crate::store::Store;

const BACK_OFF_FIRST: Duration = Duration::from_millis(500);
const BACK_OFF_MAX: Duration = Duration::from_secs(30);
/// How long CONNACK and SUBACK may take together.
const HELLO_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the goodbye may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);
/// When the journal gave nothing (its disk fails), it is asked again after this time.
const READ_AGAIN: Duration = Duration::from_secs(1);
/// When nothing asks for a look at the clock.
const IDLE: Duration = Duration::from_secs(3_600);

/// Facts read from the journal, and after which sequence they were asked for.
type Read = (u64, Vec<Envelope>);
type Reading = Pin<Box<dyn Future<Output = Read> + Send>>;

pub(super) struct Task {
    config: UplinkConfig,
    topics: Topics,
    store: Store,
    clock: Clock,
    shared: Arc<Shared>,
    outbox: Outbox,
    in_flight: usize,
    /// Facts on their way from the journal; snapshots do not wait for them.
    reading: Option<Reading>,
    read_not_before: Instant,
    /// When the cloud has stored up to here, it is shown the live view again.
    show_again_at: Option<u64>,
}

/// Why a link is over.
enum Over {
    /// We were told to stop.
    Stopped,
    /// It broke.
    Broken(String),
}

impl Task {
    pub(super) fn new(
        config: UplinkConfig,
        store: Store,
        clock: Clock,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            topics: Topics::of(&config.gateway),
            outbox: Outbox::new(config.mark, config.last_sequence),
            config,
            store,
            clock,
            shared,
            in_flight: 0,
            reading: None,
            read_not_before: Instant::now(),
            show_again_at: None,
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut back_off = BackOff::new(BACK_OFF_FIRST, BACK_OFF_MAX);
        loop {
            let began = Instant::now();
            match self.one_connection(&stop).await {
                Over::Stopped => return,
                Over::Broken(problem) => self.tell(problem),
            }
            if !back_off.rest(began.elapsed(), &stop).await {
                return;
            }
        }
    }

    /// Logs a problem when it is a new one; the status page shows the latest.
    fn tell(&self, problem: String) {
        let mut state = self.shared.state();
        state.status.connected_since = None;
        let known = state.status.last_error.as_ref() == Some(&problem);
        state.status.last_error = Some(problem.clone());
        drop(state);
        if known {
            tracing::debug!("The cloud is still not reachable: {problem}");
        } else {
            tracing::warn!("The cloud is not reachable, charging goes on: {problem}");
        }
    }

    async fn one_connection(&mut self, stop: &CancellationToken) -> Over {
        let will = link::will(self.topics.state(), self.state_message(false));
        let mut link = match Link::open(&self.config.gateway, &self.config.broker, will) {
            Ok(link) => link,
            Err(problem) => return Over::Broken(problem),
        };
        tokio::select! {
            () = stop.cancelled() => return Over::Stopped,
            hello = timeout(HELLO_TIMEOUT, self.hello(&mut link)) => match hello {
                Ok(Ok(())) => {}
                Ok(Err(problem)) => return Over::Broken(problem),
                Err(_elapsed) => return Over::Broken(format!(
                    "{}:{} accepted the connection and then said nothing: is it an MQTT 5 broker?",
                    self.config.broker.host, self.config.broker.port
                )),
            },
        }
        self.connected();
        let over = self.keep_busy(&mut link, stop).await;
        self.reading = None;
        if matches!(over, Over::Stopped) {
            self.goodbye(&mut link).await;
        }
        over
    }

    /// Connects and subscribes: the cloud's word can arrive before we ask for it by saying that we are online.
    async fn hello(&mut self, link: &mut Link) -> Result<(), String> {
        loop {
            let event = self.next_event(link).await?;
            if let Event::Incoming(Packet::ConnAck(_)) = &event {
                link.client
                    .try_subscribe(self.topics.acknowledgement(), QoS::AtLeastOnce)
                    .map_err(|error| format!("cannot subscribe: {error}"))?;
            }
            if let Event::Incoming(Packet::SubAck(answer)) = event {
                return self.subscribed(&answer);
            }
        }
    }

    fn subscribed(&self, answer: &SubAck) -> Result<(), String> {
        if let [SubscribeReasonCode::Success(_)] = answer.return_codes[..] {
            return Ok(());
        }
        Err(format!(
            "the broker does not let `{}` subscribe to {} ({:?}): check its access list (`cloud-api admin mosquitto` writes one)",
            self.config.broker.username,
            self.topics.acknowledgement(),
            answer.return_codes
        ))
    }

    fn connected(&mut self) {
        self.in_flight = 0;
        self.outbox.connected(self.clock.now().monotonic);
        self.shared.send_all_again();
        // The cloud takes no live view of a charge point that it learns only from facts still to come.
        let last = self.shared.state().last_sequence;
        self.show_again_at = (self.outbox.mark() < last).then_some(last);
        let mut state = self.shared.state();
        state.status.connected_since = Some(self.clock.now().wall);
        state.status.last_error = None;
        drop(state);
        tracing::info!(
            broker.host = %self.config.broker.host,
            broker.port = self.config.broker.port,
            "Connected to the cloud"
        );
    }

    async fn keep_busy(&mut self, link: &mut Link, stop: &CancellationToken) -> Over {
        let online = self.state_message(true);
        if let Err(problem) = self.publish(&link.client, self.topics.state(), online, true) {
            return Over::Broken(problem);
        }
        loop {
            if let Err(problem) = self.fill(&link.client) {
                return Over::Broken(problem);
            }
            let shared = Arc::clone(&self.shared);
            let wake_at = self.wake_at();
            let turn = tokio::select! {
                () = stop.cancelled() => return Over::Stopped,
                event = link.events.recv() => self.event(event),
                read = read(&mut self.reading) => self.send_facts(&link.client, read),
                () = shared.changed.notified() => Ok(()),
                () = sleep_until(wake_at) => Ok(()),
            };
            if let Err(problem) = turn {
                return Over::Broken(problem);
            }
        }
    }

    /// Uses the room there is: snapshots first, then one batch of facts.
    fn fill(&mut self, client: &AsyncClient) -> Result<(), String> {
        while self.in_flight < IN_FLIGHT_MAX
            && let Some((charge_point, payload)) = self.shared.take_unsent()
        {
            self.publish(client, self.topics.snapshot(&charge_point), payload, true)?;
        }
        let now = self.clock.now().monotonic;
        let last_sequence = self.shared.state().last_sequence;
        self.outbox.committed(last_sequence);
        if self.outbox.resend_if_stalled(now) {
            tracing::warn!(
                mark = self.outbox.mark(),
                "The cloud acknowledged nothing for 10 s: facts are sent again"
            );
        }
        if self.reading.is_none()
            && Instant::now() >= self.read_not_before
            && self.in_flight < IN_FLIGHT_MAX
            && let Some(after) = self.outbox.next(now)
        {
            let store = self.store.clone();
            self.reading = Some(Box::pin(
                async move { (after, store.read_after(after).await) },
            ));
        }
        self.shared.state().mark = self.outbox.mark();
        Ok(())
    }

    fn send_facts(&mut self, client: &AsyncClient, (after, facts): Read) -> Result<(), String> {
        self.reading = None;
        let now = self.clock.now().monotonic;
        let (Some(first), Some(last)) = (facts.first(), facts.last()) else {
            self.read_not_before = Instant::now() + READ_AGAIN;
            return Ok(());
        };
        if first.sequence != after + 1 {
            return Err(format!(
                "the cloud asks for facts after {after} and this journal begins with {}: they were deleted {} days after \
                 their acknowledgement. Stop the daemon, move journal.sqlite aside and start it: a new journal begins",
                first.sequence,
                crate::store::KEEP_ACKNOWLEDGED_DAYS
            ));
        }
        // The mark may have moved while the journal was read: then these are not the next ones.
        if self.outbox.next(now) != Some(after) {
            return Ok(());
        }
        let last = last.sequence;
        let batch = FactBatch {
            v: VERSION,
            journal_id: self.config.journal.to_string(),
            facts,
        };
        self.publish(client, self.topics.facts(), json(&batch), false)?;
        self.outbox.sent(last, now);
        Ok(())
    }

    fn event(
        &mut self,
        event: Option<Result<Event, rumqttc::ConnectionError>>,
    ) -> Result<(), String> {
        let event = self.understood(event)?;
        if let Event::Incoming(Packet::PubAck(answer)) = &event {
            self.in_flight = self.in_flight.saturating_sub(1);
            self.accepted(answer)?;
        }
        if let Event::Incoming(Packet::Publish(message)) = &event
            && message.topic == self.topics.acknowledgement().as_bytes()
        {
            self.heard(&message.payload);
        }
        Ok(())
    }

    fn accepted(&self, answer: &PubAck) -> Result<(), String> {
        if [PubAckReason::Success, PubAckReason::NoMatchingSubscribers].contains(&answer.reason) {
            return Ok(());
        }
        Err(format!(
            "the broker does not let `{}` publish ({:?}): check its access list (`cloud-api admin mosquitto` writes one)",
            self.config.broker.username, answer.reason
        ))
    }

    fn heard(&mut self, payload: &[u8]) {
        let word: Acknowledgement = match serde_json::from_slice(payload) {
            Ok(word) => word,
            Err(error) => {
                tracing::warn!(%error, "An acknowledgement of the cloud is not readable and was ignored");
                return;
            }
        };
        if word.journal_id != self.config.journal.as_str() {
            return;
        }
        let before = self.outbox.mark();
        match self
            .outbox
            .acknowledged(word.sequence, self.clock.now().monotonic)
        {
            Heard::Unchanged => {}
            Heard::Moved => {
                self.store.acknowledge(word.sequence);
                if word.sequence < before {
                    self.show_again_at = Some(self.shared.state().last_sequence);
                }
                if self
                    .show_again_at
                    .take_if(|at| *at <= word.sequence)
                    .is_some()
                {
                    self.shared.send_all_again();
                }
            }
            Heard::BeyondJournal => self.warn_of_old_copy(word.sequence),
        }
        self.take_refusals(word);
    }

    fn warn_of_old_copy(&self, sequence: u64) {
        let problem = format!(
            "the cloud already has facts up to {sequence}, more than this journal: the file is an old copy. Stop the \
             daemon, move journal.sqlite aside and start it: a new journal begins"
        );
        let mut state = self.shared.state();
        let known = state.status.last_error.as_ref() == Some(&problem);
        state.status.last_error = Some(problem.clone());
        drop(state);
        if !known {
            tracing::error!("{problem}");
        }
    }

    fn take_refusals(&self, word: Acknowledgement) {
        let mut state = self.shared.state();
        if state.status.refused == word.refused {
            return;
        }
        for refused in &word.refused {
            if !state.status.refused.contains(refused) {
                tracing::error!(
                    charge_point.id = %refused.charge_point_id,
                    "The cloud refuses charge point {}: {}", refused.charge_point_id, refused.reason
                );
            }
        }
        state.status.refused = word.refused;
    }

    /// Says that we leave on purpose; without it the will speaks, later.
    async fn goodbye(&mut self, link: &mut Link) {
        let offline = self.state_message(false);
        if self
            .publish(&link.client, self.topics.state(), offline, true)
            .is_err()
        {
            return;
        }
        if link.client.try_disconnect().is_err() {
            return;
        }
        let drained = async { while let Some(Ok(_)) = link.events.recv().await {} };
        if timeout(GOODBYE_TIMEOUT, drained).await.is_err() {
            tracing::debug!("The broker did not take the goodbye; the will speaks for us");
        }
    }

    fn publish(
        &mut self,
        client: &AsyncClient,
        topic: String,
        payload: Vec<u8>,
        retain: bool,
    ) -> Result<(), String> {
        let options = PublishOptions::at_least_once().retain(retain);
        client
            .try_publish(topic, payload, options)
            .map_err(|error| format!("the connection takes no more messages: {error}"))?;
        self.in_flight += 1;
        Ok(())
    }

    async fn next_event(&mut self, link: &mut Link) -> Result<Event, String> {
        let event = link.events.recv().await;
        self.understood(event)
    }

    fn understood(
        &self,
        event: Option<Result<Event, rumqttc::ConnectionError>>,
    ) -> Result<Event, String> {
        event
            .ok_or_else(|| "the connection ended".to_owned())?
            .map_err(|error| link::explain(&error, &self.config.broker))
    }

    fn wake_at(&self) -> Instant {
        let stalled = self.outbox.deadline().map(|at| self.clock.instant(at));
        let now = Instant::now();
        let read = (self.read_not_before > now).then_some(self.read_not_before);
        stalled.into_iter().chain(read).min().unwrap_or(now + IDLE)
    }

    fn state_message(&self, online: bool) -> Vec<u8> {
        json(&GatewayState {
            v: VERSION,
            online,
            boot: self.config.boot.to_string(),
            journal_id: self.config.journal.to_string(),
            software_version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }
}

async fn read(reading: &mut Option<Reading>) -> Read {
    match reading {
        Some(reading) => reading.await,
        None => std::future::pending().await,
    }
}

fn json<T: serde::Serialize>(message: &T) -> Vec<u8> {
    serde_json::to_vec(message)
        .expect("messages are made of texts and numbers and always write as JSON")
}
