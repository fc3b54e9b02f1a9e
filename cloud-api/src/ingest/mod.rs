//! Takes in what gateways report: facts once each and in order, snapshots into the live fleet.
//! A few workers share the gateways, each gateway one worker, so its facts are applied in order by one
//! hand while the workers' transactions share commits. A gateway's mark moves in the transaction that applies its facts, and
//! the acknowledgement goes out after the commit. Bad input is noted once and dropped.

mod announce;
pub(crate) mod apply;
mod gateways;
mod known;
mod link;
mod message;
pub(crate) mod rows;

use std::{collections::BTreeMap, time::Duration};

use site_model::{GatewayId, JournalId};
use site_wire::{
    topics::{self, Incoming, Topics},
    v1::Acknowledgement,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    db::{Db, DbError},
    fleet::{Fleet, Observation},
};
use gateways::Gateways;
use link::Link;
pub use link::{Source, SourceError, Transport};
pub use message::{MESSAGE_MAX, PACKET_MAX};

/// Workers; a gateway belongs to one of them by its partition.
const WORKERS: usize = 8;
/// Messages between the connection and one worker; beyond it the broker keeps them.
const INBOX: usize = 64;
/// How often the fleet is looked through for silent charge points, and owed acknowledgements go out.
const TICK: Duration = Duration::from_secs(1);
/// Pause after the database failed; the message waits, the broker queues the rest.
const RETRY: Duration = Duration::from_secs(1);
/// How often a batch is tried again when another process changed the same rows.
const CONFLICTS_MAX: u32 = 5;

/// One message as it came from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// Its body.
    pub payload: Vec<u8>,
    /// Whether the broker had kept it from before we subscribed.
    pub retained: bool,
}

/// What is to be answered to a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// To whom.
    pub gateway: GatewayId,
    /// What.
    pub acknowledgement: Acknowledgement,
}

/// Takes in messages, one after the other.
#[derive(Debug)]
pub struct Ingest {
    db: Db,
    fleet: Fleet,
    clock: Clock,
    gateways: Gateways,
    noted: message::Noted,
}

impl Ingest {
    /// Ingest into `db` and `fleet`; the fleet was loaded from the same database.
    #[must_use]
    pub fn new(db: Db, fleet: Fleet, clock: Clock) -> Self {
        Self {
            gateways: Gateways::new(db.clone()),
            db,
            fleet,
            clock,
            noted: message::Noted::default(),
        }
    }

    /// Another one on the same database and fleet, for other gateways.
    fn sibling(&self) -> Self {
        Self::new(self.db.clone(), self.fleet.clone(), self.clock.clone())
    }

    /// Takes in one message. What is wrong with it is noted and answered with `None`.
    ///
    /// # Errors
    /// [`DbError`] when the database failed: nothing was changed, the same message can be given again.
    pub async fn receive(&mut self, message: &Message) -> Result<Option<Reply>, DbError> {
        let (gateway, taken) = match topics::parse(&message.topic) {
            Some(Incoming::Facts(gateway)) => {
                let taken = self.facts(&gateway, &message.payload).await?;
                (gateway, taken)
            }
            Some(Incoming::State(gateway)) => {
                let taken = self.state(&gateway, &message.payload).await?;
                (gateway, taken)
            }
            Some(Incoming::Snapshot(gateway, charge_point)) => {
                let observation = message::snapshot(&message.payload, &charge_point);
                match observation {
                    Ok(observation) => self.view(&gateway, &observation, message.retained).await?,
                    Err(bad) => self.noted.note(&gateway, bad),
                }
                (gateway, None)
            }
            None => {
                tracing::warn!(
                    topic = message.topic,
                    "Message on a topic of nobody was dropped"
                );
                return Ok(None);
            }
        };
        Ok(taken.map(|acknowledgement| Reply {
            gateway,
            acknowledgement,
        }))
    }

    async fn facts(
        &mut self,
        gateway: &GatewayId,
        payload: &[u8],
    ) -> Result<Option<Acknowledgement>, DbError> {
        let batch = match message::batch(payload) {
            Ok(batch) => batch,
            Err(bad) => {
                self.noted.note(gateway, bad);
                return Ok(None);
            }
        };
        for _ in 0..CONFLICTS_MAX {
            if !self.is_admitted(gateway).await?
                || !self.takes_journal(gateway, &batch.journal).await?
            {
                return Ok(None);
            }
            match self.apply(gateway, &batch).await {
                Ok(()) => return self.acknowledge(gateway, &batch.journal).await.map(Some),
                // Another process was faster: what is known of the gateway is stale.
                Err(DbError::Conflict { .. } | DbError::Unique { .. } | DbError::Reference) => {
                    self.gateways.forget(gateway);
                    self.reload(&batch).await?;
                }
                Err(error) => return Err(error),
            }
        }
        let bad = message::Bad::new("conflict", "another process keeps changing the same rows");
        self.noted.note(gateway, bad);
        Ok(None)
    }

    async fn state(
        &mut self,
        gateway: &GatewayId,
        payload: &[u8],
    ) -> Result<Option<Acknowledgement>, DbError> {
        let state = match message::state(payload) {
            Ok(state) => state,
            Err(bad) => {
                self.noted.note(gateway, bad);
                return Ok(None);
            }
        };
        self.gateways.forget(gateway);
        let connected = state.online
            && self.is_admitted(gateway).await?
            && self.takes_journal(gateway, &state.journal).await?;
        if connected {
            self.register_refused(gateway).await?;
        }
        self.fleet
            .set_connected(gateway, connected, self.clock.now());
        if !connected {
            return Ok(None);
        }
        let mut word = self.acknowledge(gateway, &state.journal).await?;
        if state.asks_for_sessions {
            tracing::error!(%gateway, "A gateway's journal is an old copy: it begins a new one with what is known here");
            word.sessions = Some(known::sessions(&self.db, gateway).await?);
        }
        Ok(Some(word))
    }

    async fn view(
        &mut self,
        gateway: &GatewayId,
        observation: &Observation,
        retained: bool,
    ) -> Result<(), DbError> {
        if !self.is_admitted(gateway).await? {
            return Ok(());
        }
        let now = self.clock.now();
        if !retained {
            // Whoever speaks is there: the last will of a connection that the gateway has replaced
            // may arrive after its new connection announced itself.
            self.fleet.set_connected(gateway, true, now);
        }
        self.fleet.observe(gateway, observation, now);
        Ok(())
    }

    /// Whether the gateway exists and is not revoked.
    async fn is_admitted(&mut self, gateway: &GatewayId) -> Result<bool, DbError> {
        let refusal = self.gateways.refusal(gateway, self.clock.now()).await?;
        Ok(self.noted.is_none(gateway, refusal))
    }

    /// Whether the gateway may begin, or goes on with, this journal.
    async fn takes_journal(
        &mut self,
        gateway: &GatewayId,
        journal: &JournalId,
    ) -> Result<bool, DbError> {
        let refusal = self.gateways.refusal_of_journal(gateway, journal).await?;
        Ok(self.noted.is_none(gateway, refusal))
    }

    async fn acknowledge(
        &mut self,
        gateway: &GatewayId,
        journal: &JournalId,
    ) -> Result<Acknowledgement, DbError> {
        let mark = self.gateways.mark(gateway, journal).await?;
        Ok(Acknowledgement {
            v: site_wire::v1::VERSION,
            journal_id: journal.to_string(),
            sequence: mark.sequence,
            boot: mark.boot,
            sessions: None,
            refused: self.gateways.refused(gateway),
        })
    }
}

/// Ingest at work on a broker.
#[derive(Debug)]
pub struct RunningIngest {
    stop_work: CancellationToken,
    stop_link: CancellationToken,
    work: Vec<JoinHandle<()>>,
    link: JoinHandle<()>,
    /// Cancelled when one of the tasks ends, also by a panic.
    ended: CancellationToken,
    subscribed: watch::Receiver<bool>,
}

impl RunningIngest {
    /// Connects to the broker (for ever, with growing pauses) and takes in what comes.
    ///
    /// # Errors
    /// [`SourceError`] when certificates cannot be used.
    pub fn start(ingest: Ingest, source: &Source) -> Result<Self, SourceError> {
        let (inboxes, messages): (Vec<_>, Vec<_>) =
            (0..WORKERS).map(|_| mpsc::channel(INBOX)).unzip();
        let (link, publisher, subscribed) = Link::new(source, inboxes)?;
        let (stop_work, stop_link) = (CancellationToken::new(), CancellationToken::new());
        let ended = CancellationToken::new();
        let watching = watch_silence(ingest.sibling(), stop_work.clone());
        let mut work = vec![spawn(watching, &ended)];
        for messages in messages {
            let (publisher, stop) = (publisher.clone(), stop_work.clone());
            let worker = work_off(ingest.sibling(), messages, publisher, stop);
            work.push(spawn(worker, &ended));
        }
        let link = spawn(link.run(stop_link.clone()), &ended);
        Ok(Self {
            stop_work,
            stop_link,
            work,
            link,
            ended,
            subscribed,
        })
    }

    /// Waits until it has subscribed for the first time.
    pub async fn until_subscribed(&mut self) {
        let _ended_before = self.subscribed.wait_for(|subscribed| *subscribed).await;
    }

    /// Waits until it ends by itself, which it should not.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Finishes the messages at hand, sends what is owed and disconnects.
    pub async fn stop(self) {
        self.stop_work.cancel();
        for worker in self.work {
            let _ended = worker.await;
        }
        self.stop_link.cancel();
        let _ended = self.link.await;
    }
}

fn spawn(
    task: impl Future<Output = ()> + Send + 'static,
    ended: &CancellationToken,
) -> JoinHandle<()> {
    let ends = ended.clone().drop_guard();
    tokio::spawn(async move {
        let _told_at_the_end = ends;
        task.await;
    })
}

/// Charge points that fall silent go offline, whether or not anything arrives.
async fn watch_silence(ingest: Ingest, stop: CancellationToken) {
    let mut tick = tokio::time::interval(TICK);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        ingest.fleet.sweep(ingest.clock.now());
    }
}

async fn work_off(
    mut ingest: Ingest,
    mut messages: mpsc::Receiver<Message>,
    publisher: link::Publisher,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval(TICK);
    // Latest acknowledgement of each gateway that the connection could not take yet.
    let mut owed: BTreeMap<GatewayId, Acknowledgement> = BTreeMap::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            message = messages.recv() => match message {
                Some(message) => {
                    if let Some(reply) = take_in(&mut ingest, &message, &stop).await {
                        owed.insert(reply.gateway, reply.acknowledgement);
                    }
                }
                None => break,
            },
            _ = tick.tick(), if !owed.is_empty() => {}
        }
        owed.retain(|gateway, acknowledgement| {
            !publisher.publish(&Topics::of(gateway).acknowledgement(), acknowledgement)
        });
    }
}

/// Takes in one message, however long the database needs: nothing is dropped because of it.
async fn take_in(
    ingest: &mut Ingest,
    message: &Message,
    stop: &CancellationToken,
) -> Option<Reply> {
    let mut told = false;
    loop {
        match ingest.receive(message).await {
            Ok(reply) => {
                if told {
                    tracing::info!("Facts can be stored again");
                }
                return reply;
            }
            Err(error @ (DbError::Engine(_) | DbError::Closed)) => {
                if !told {
                    tracing::error!(%error, "Facts cannot be stored; gateways keep them, trying every second");
                    told = true;
                }
            }
            // Waiting would not change it, and would hold up every other gateway.
            Err(error) => {
                tracing::error!(%error, topic = message.topic, "Message was dropped, its gateway keeps it");
                return None;
            }
        }
        stop.run_until_cancelled(tokio::time::sleep(RETRY)).await?;
    }
}
