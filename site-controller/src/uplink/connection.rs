//! The uplink's task: connects, says hello, keeps the link busy, and tries again when it breaks.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::mqttbytes::QoS;
use rumqttc::{
    AsyncClient, Event, Packet, PubAck, PubAckReason, PublishOptions, SubAck, SubscribeReasonCode,
};
use site_wire::v1::Envelope;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::dialogue::{Dialogue, Wire};
use super::link::{self, Link};
use super::{Shared, UplinkConfig};
use crate::back_off::BackOff;
use crate::clock::Clock;
use crate::store::Store;

const BACK_OFF_FIRST: Duration = Duration::from_millis(500);
const BACK_OFF_MAX: Duration = Duration::from_secs(30);
/// How long CONNACK and SUBACK may take together.
const HELLO_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the goodbye may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// Facts read from the journal, and after which sequence they were asked for.
type Read = (u64, Vec<Envelope>);
type Reading = Pin<Box<dyn Future<Output = Read> + Send>>;

pub(super) struct Task {
    config: UplinkConfig,
    store: Store,
    clock: Clock,
    shared: Arc<Shared>,
    dialogue: Dialogue,
    /// Facts on their way from the journal; snapshots do not wait for them.
    reading: Option<Reading>,
}

impl Wire for AsyncClient {
    fn publish(&self, topic: String, payload: Vec<u8>, retain: bool) -> Result<(), String> {
        let options = PublishOptions::at_least_once().retain(retain);
        self.try_publish(topic, payload, options)
            .map_err(|error| format!("the connection takes no more messages: {error}"))
    }
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
            dialogue: Dialogue::new(&config, store.clone(), clock.clone(), Arc::clone(&shared)),
            config,
            store,
            clock,
            shared,
            reading: None,
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
        let will = link::will(
            self.dialogue.topics().state(),
            self.dialogue.state_message(false),
        );
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
        self.dialogue.disconnected();
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
                    .try_subscribe(self.dialogue.topics().acknowledgement(), QoS::AtLeastOnce)
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
            self.dialogue.topics().acknowledgement(),
            answer.return_codes
        ))
    }

    async fn keep_busy(&mut self, link: &mut Link, stop: &CancellationToken) -> Over {
        if let Err(problem) = self.dialogue.say_online(&link.client, true) {
            return Over::Broken(problem);
        }
        loop {
            match self.dialogue.fill(&link.client) {
                Ok(None) => {}
                Ok(Some(after)) => self.read_after(after),
                Err(problem) => return Over::Broken(problem),
            }
            let shared = Arc::clone(&self.shared);
            let wake_at = self.dialogue.wake_at();
            let turn = tokio::select! {
                () = stop.cancelled() => return Over::Stopped,
                event = link.events.recv() => self.event(event),
                (after, facts) = read(&mut self.reading) => {
                    self.reading = None;
                    self.dialogue.send_facts(&link.client, after, facts)
                }
                () = shared.changed.notified() => Ok(()),
                () = sleep_until(wake_at) => Ok(()),
            };
            if let Err(problem) = turn {
                return Over::Broken(problem);
            }
        }
    }

    fn connected(&mut self) {
        self.dialogue.connected();
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

    fn read_after(&mut self, after: u64) {
        let store = self.store.clone();
        self.reading = Some(Box::pin(
            async move { (after, store.read_after(after).await) },
        ));
    }

    fn event(
        &mut self,
        event: Option<Result<Event, rumqttc::ConnectionError>>,
    ) -> Result<(), String> {
        let event = self.understood(event)?;
        if let Event::Incoming(Packet::PubAck(answer)) = &event {
            self.dialogue.taken();
            self.accepted(answer)?;
        }
        if let Event::Incoming(Packet::Publish(message)) = &event
            && message.topic == self.dialogue.topics().acknowledgement().as_bytes()
        {
            self.dialogue.heard(&message.payload);
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

    /// Says that we leave on purpose; without it the will speaks, later.
    async fn goodbye(&mut self, link: &mut Link) {
        if self.dialogue.say_online(&link.client, false).is_err() {
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
}

async fn read(reading: &mut Option<Reading>) -> Read {
    match reading {
        Some(reading) => reading.await,
        None => std::future::pending().await,
    }
}
