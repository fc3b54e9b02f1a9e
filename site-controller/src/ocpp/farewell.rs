//! What a charge point owes to a central system that it has left: told there, in order, over a socket of
//! its own, until nothing is owed or the wait is over. Orders are not taken there any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use site_model::{Announcement, ChargePointId, Monotonic, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::endpoint::Endpoint;
use super::face::Face;
use super::meters::Meters;
use super::queue::{Queue, Settled, Told};
use super::security::kept::Vault;
use super::security::{Attempt, Security};
use super::settings::Settings;
use super::socket::{self, Socket};
use super::station::{Heard, Station};
use super::task::{BACK_OFF_FIRST, BACK_OFF_MAX, GOODBYE_TIMEOUT, OPEN_TIMEOUT, text_in, write};
use super::{Owed, Shared, StationRequest, Wishes};
use crate::back_off::BackOff;
use crate::clock::Clock;
use crate::ids;
use crate::store::lines::{self, Line, Stored};
use crate::store::{Store, Unreadable, stations};

/// So long a central system is waited for that was left and does not take what is owed to it. The facts
/// are kept that long anyway, once the cloud has them.
const WAITED_FOR_DAYS: i64 = 30;
const DAY_MS: i64 = 86_400_000;
/// So many are waited for at once; of more, the one that was left first is given up.
const LEFT_MAX: usize = 4;
/// A socket that took not everything within this time is opened anew.
const SOCKET_MAX: Duration = Duration::from_secs(3_600);

/// What is owed to whom, by the name of the line.
#[derive(Debug, Clone, Default)]
pub(super) struct AllOwed(Arc<Mutex<BTreeMap<String, Owed>>>);

impl AllOwed {
    pub(super) fn all(&self) -> MutexGuard<'_, BTreeMap<String, Owed>> {
        // No code under this lock can leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What every farewell needs.
#[derive(Debug, Clone)]
pub(super) struct Around {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) requests: mpsc::Sender<StationRequest>,
    pub(super) owed: AllOwed,
    /// The journal's end.
    pub(super) ends: watch::Receiver<u64>,
    pub(super) stop: CancellationToken,
}

/// The farewells of one charge point.
#[derive(Debug)]
pub(super) struct Farewells {
    pub(super) around: Around,
    /// Its link, if it has an endpoint.
    link: Option<Arc<Shared>>,
    running: BTreeMap<String, AbortOnDropHandle<()>>,
}

impl Farewells {
    pub(super) fn new(around: Around, link: Option<Arc<Shared>>) -> Self {
        Self {
            around,
            link,
            running: BTreeMap::new(),
        }
    }

    /// Tells what is owed on these lines, and forgets those where nothing is.
    pub(super) async fn begin(&mut self, left: Vec<Stored>) {
        let owing = left.iter().filter(|stored| stored.waiting > 0).count();
        let mut too_many = owing.saturating_sub(LEFT_MAX);
        for stored in left {
            let given_up = too_many > 0 && stored.waiting > 0;
            too_many -= usize::from(given_up);
            let reason = given_up.then(|| {
                let address = format!("{}/{}", stored.url, stored.line.charge_point);
                format!("{address} was left, and so were {LEFT_MAX} others that are still owed something")
            });
            if given_up {
                self.end(&stored.line).await;
            }
            if given_up || stored.waiting == 0 {
                let link = self.link.as_deref();
                close(&self.around, link, &stored.line, reason.as_deref()).await;
            } else {
                self.tell(stored, true);
            }
        }
    }

    /// Tells what is owed on a line; the charge point may still be there.
    pub(super) fn tell(&mut self, stored: Stored, gone: bool) {
        let name = stored.line.name.clone();
        let runs = self.running.get(&name);
        if runs.is_some_and(|farewell| !farewell.is_finished()) {
            return;
        }
        let farewell = Farewell {
            wishes: Wishes {
                charge_point: stored.line.charge_point.clone(),
                requests: self.around.requests.clone(),
            },
            address: format!("{}/{}", stored.url, stored.line.charge_point),
            around: self.around.clone(),
            link: self.link.clone(),
            line: stored.line,
            gone,
        };
        let task = tokio::spawn(farewell.run(stored.url));
        self.running.insert(name, AbortOnDropHandle::new(task));
    }

    /// Whoever told what is owed on this line does so no more.
    pub(super) async fn end(&mut self, line: &Line) {
        if let Some(farewell) = self.running.remove(&line.name) {
            farewell.abort();
            let _aborted = farewell.await;
            self.around.owed.all().remove(&line.name);
        }
    }

    /// Waits until all have ended.
    pub(super) async fn ended(self) {
        for (_, farewell) in self.running {
            farewell.await.expect("a farewell ends by itself");
        }
    }
}

/// Forgets a line that is told everything, or is given up for this reason.
async fn close(around: &Around, link: Option<&Shared>, line: &Line, reason: Option<&str>) -> bool {
    let (closing, why) = (line.clone(), reason.map(str::to_owned));
    let closed = around
        .store
        .work(move |db| lines::close(db, &closing, why.as_deref()));
    let charge_point = &line.charge_point;
    let aside = match closed.await {
        Ok(Some(aside)) => aside,
        Ok(None) => return false,
        Err(problem) => {
            tracing::warn!(charge_point.id = %charge_point, "A central system that was left stays noted: {problem}");
            return false;
        }
    };
    let vault = Vault::of(around.store.dir(), line);
    // Whatever takes the line's name next does not take what is in a file for another address.
    let _best_effort = tokio::task::spawn_blocking(move || vault.remove()).await;
    around.owed.all().remove(&line.name);
    if let Some(reason) = reason {
        if let Some(link) = link {
            let mut state = link.state();
            state.status.set_aside += aside;
            state.status.set_aside_why = Some(reason.to_owned());
        }
        tracing::error!(
            charge_point.id = %charge_point,
            "{aside} starts and ends of sessions of {charge_point} are told to no central system: {reason}. The \
             journal's file keeps them"
        );
    }
    true
}

/// One charge point towards one central system that it has left, or is leaving for good.
struct Farewell {
    around: Around,
    link: Option<Arc<Shared>>,
    line: Line,
    address: String,
    wishes: Wishes,
    /// It is elsewhere: nothing will be added.
    gone: bool,
}

/// What is to be done about it now.
enum Next {
    /// Nothing any more.
    End,
    /// Nothing, until facts come.
    Wait,
    /// It is told.
    Tell,
}

/// Why a socket is over.
enum Over {
    Stopped,
    /// Everything is told.
    Told,
    Broken(String),
}

/// What goes over the socket.
struct Talk {
    endpoint: Endpoint,
    security: Security,
    station: Station,
    queue: Queue,
}

impl Farewell {
    async fn run(mut self, url: String) {
        let mut back_off = BackOff::new(BACK_OFF_FIRST, BACK_OFF_MAX);
        let mut talk = None;
        let stop = self.around.stop.clone();
        loop {
            self.around.ends.mark_unchanged();
            match self.next().await {
                Next::End => return,
                Next::Wait => {
                    tokio::select! {
                        () = stop.cancelled() => return,
                        changed = self.around.ends.changed() => if changed.is_err() { return },
                    }
                    continue;
                }
                Next::Tell => {}
            }
            let began = Instant::now();
            let over = match self.talk(&mut talk, &url).await {
                Ok(talk) => self.one_socket(talk).await,
                Err(problem) => Over::Broken(problem),
            };
            match over {
                Over::Stopped => return,
                Over::Told => continue,
                Over::Broken(problem) => self.failed(problem),
            }
            if !back_off.rest(began.elapsed(), &stop).await {
                return;
            }
        }
    }

    /// As the journal's file has it; what is over is forgotten.
    async fn next(&mut self) -> Next {
        let now = self.around.clock.now();
        let now_ms = now.wall_known.then_some(now.wall.0);
        let (line, gone) = (self.line.clone(), self.gone);
        let found = self.around.store.work(move |db| {
            let lines = if gone {
                lines::all(db, &line.charge_point)?
            } else {
                lines::follow(db, &line.charge_point, false, now_ms)?
            };
            if let Some(now_ms) =
                now_ms.filter(|_| lines.here.as_ref().is_none_or(|here| here.line != line))
            {
                lines::left_at(db, &line, now_ms)?;
            }
            Ok::<_, rusqlite::Error>(lines)
        });
        let lines = match found.await {
            Ok(lines) => lines,
            Err(problem) => {
                self.failed(problem);
                return Next::Wait;
            }
        };
        let here = lines.here.filter(|here| here.line == self.line);
        if here.is_some() && self.gone {
            // It is back, and its link tells the rest.
            return Next::End;
        }
        self.gone = here.is_none();
        let mut all = here.into_iter().chain(lines.left);
        let Some(stored) = all.find(|stored| stored.line == self.line) else {
            return Next::End;
        };
        self.note(stored.waiting);
        let left_at = stored.left_at_ms.filter(|_| self.gone).zip(now_ms);
        let waited = left_at.is_some_and(|(left, now)| now - left > WAITED_FOR_DAYS * DAY_MS);
        let told = self.gone && stored.waiting == 0;
        if told || waited {
            let reason = format!(
                "{} was left, and did not take what was owed to it for {WAITED_FOR_DAYS} days",
                self.address
            );
            let reason = (!told).then_some(reason.as_str());
            let closed = close(&self.around, self.link.as_deref(), &self.line, reason).await;
            return if closed { Next::End } else { Next::Wait };
        }
        if stored.waiting == 0 {
            Next::Wait
        } else {
            Next::Tell
        }
    }

    fn note(&self, waiting: u64) {
        let mut all = self.around.owed.all();
        let owed = all.entry(self.line.name.clone()).or_insert_with(|| {
            tracing::info!(
                charge_point.id = %self.line.charge_point,
                "{waiting} starts and ends of sessions are still told to {}, where the charge point is no more",
                self.address
            );
            Owed {
                charge_point: self.line.charge_point.clone(),
                address: self.address.clone(),
                waiting,
                last_error: None,
            }
        });
        owed.waiting = waiting;
    }

    fn failed(&self, problem: String) {
        let mut all = self.around.owed.all();
        let Some(owed) = all.get_mut(&self.line.name) else {
            return;
        };
        if owed.last_error.as_ref() != Some(&problem) {
            tracing::warn!(charge_point.id = %self.line.charge_point, "What is owed to a central system that was left waits: {problem}");
            owed.last_error = Some(problem);
        }
    }

    /// The parts of the talk, made when they are needed first.
    async fn talk<'a>(
        &self,
        talk: &'a mut Option<Talk>,
        url: &str,
    ) -> Result<&'a mut Talk, String> {
        if let Some(talk) = talk {
            return Ok(talk);
        }
        let (store, line) = (&self.around.store, self.line.clone());
        let known = store.work(move |db| -> Result<_, Unreadable> {
            let cursor = stations::cursor(db, &line.name)?;
            Ok((cursor, stations::last_announcement(db, &line.charge_point)?))
        });
        let (cursor, announced) = known.await?;
        let announced = announced.unwrap_or_else(|| nameless(&self.line.charge_point));
        let kept = Security::kept(store.dir(), &self.line, url).await;
        let (security, endpoint) = kept.map_err(|error| error.to_string())?;
        // What it set up ended with the charge point's stay.
        let (settings, _nothing_stored) = Settings::new(&endpoint, &[]);
        // Nothing is measured there any more.
        let meters = Arc::new(Meters::new(&[], &settings));
        let face = Face::of_one_that_left(&announced);
        Ok(talk.insert(Talk {
            endpoint,
            security,
            station: Station::that_has_left(settings, face),
            queue: Queue::new(store.clone(), self.line.clone(), cursor, meters),
        }))
    }

    async fn one_socket(&self, talk: &mut Talk) -> Over {
        let opened = tokio::select! {
            () = self.around.stop.cancelled() => return Over::Stopped,
            opened = talk.open() => opened,
        };
        let mut socket = match opened {
            Ok(socket) => socket,
            Err(problem) => return Over::Broken(problem),
        };
        talk.station.connected();
        if let Some(owed) = self.around.owed.all().get_mut(&self.line.name) {
            owed.last_error = None;
        }
        let over = self.over_socket(talk, &mut socket).await;
        // The peer may be gone already.
        let _unheard = timeout(GOODBYE_TIMEOUT, socket.close(None)).await;
        over
    }

    async fn over_socket(&self, talk: &mut Talk, socket: &mut Socket) -> Over {
        let latest = Instant::now() + SOCKET_MAX;
        let mut ends = self.around.ends.clone();
        loop {
            let now = self.around.clock.now();
            if self.transactions(talk, &now).await {
                return Over::Told;
            }
            while let Some(frame) = talk.station.next_to_send(&now, ids::message, || None) {
                if let Err(problem) = write(socket, Message::text(frame)).await {
                    return Over::Broken(problem);
                }
            }
            let wake_at = talk.wake_at(&self.around.clock, latest);
            let heard = tokio::select! {
                () = self.around.stop.cancelled() => return Over::Stopped,
                message = socket.next() => self.hear(talk, socket, message).await,
                Ok(()) = ends.changed(), if !self.gone => Ok(()),
                () = sleep_until(wake_at) => talk.woken(&self.around.clock.now(), latest),
            };
            if let Err(problem) = heard {
                return Over::Broken(problem);
            }
        }
    }

    /// Settles the oldest message and gives the next; whether nothing is owed any more.
    async fn transactions(&self, talk: &mut Talk, now: &Timestamp) -> bool {
        if let Some(fate) = talk.station.take_fate() {
            let noted = match talk.queue.started(&fate) {
                Some((session, id)) => self.wishes.note(session, id).await,
                None => Ok(()),
            };
            let tries = talk.station.settings().tries();
            let settled = match noted {
                Ok(()) => talk.queue.settled(&fate, tries),
                Err(again) => again,
            };
            match settled {
                // Its session has ended: what is said of its tag changes nothing.
                Settled::Over { .. } => talk.station.over(),
                Settled::Again(after) => talk.station.again(now, after),
            }
        }
        if !talk.station.wants_message() {
            return false;
        }
        let last = *self.around.ends.borrow();
        let mut told = Told::default();
        if let Some(ready) = talk.queue.next(now, last, &mut told).await {
            talk.station.give(ready);
        }
        let mut all = self.around.owed.all();
        let Some(owed) = all.get_mut(&self.line.name) else {
            return true;
        };
        owed.waiting = owed.waiting.saturating_sub(told.done);
        let all_told = owed.waiting == 0 && talk.station.wants_message();
        drop(all);
        if let Some(link) = &self.link {
            link.state().status.has_set_aside(&told);
        }
        all_told
    }

    async fn hear(
        &self,
        talk: &mut Talk,
        socket: &mut Socket,
        message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
    ) -> Result<(), String> {
        let Some(text) = text_in(message)? else {
            return Ok(());
        };
        match talk.station.receive(&self.around.clock.now(), &text) {
            Heard::Answer(answer) => write(socket, Message::text(answer)).await,
            Heard::Invalid(Some(answer), _) => write(socket, Message::text(answer)).await,
            Heard::Close(why) => Err(why.to_owned()),
            // One that has left takes no orders.
            Heard::Done
            | Heard::Invalid(None, _)
            | Heard::Order(..)
            | Heard::Extension(..)
            | Heard::Configure(_)
            | Heard::Profiles(..)
            | Heard::Access(..) => Ok(()),
        }
    }
}

impl Talk {
    /// With what it was to use next, else with what it used last.
    async fn open(&self) -> Result<Socket, String> {
        for attempt in self.security.candidates(&self.endpoint) {
            if let Ok(socket) = open(&attempt).await {
                return Ok(socket);
            }
        }
        open(&self.security.current(&self.endpoint)).await
    }

    fn wake_at(&self, clock: &Clock, latest: Instant) -> Instant {
        let queue = self.queue.deadline();
        let queue = queue.filter(|_| self.station.wants_message());
        let due = self.station.deadline().into_iter().chain(queue).min();
        due.map_or(latest, |due| {
            let due = u64::try_from(due.as_millis()).unwrap_or(u64::MAX);
            clock.instant(Monotonic(due)).min(latest)
        })
    }

    fn woken(&mut self, now: &Timestamp, latest: Instant) -> Result<(), String> {
        if let Some(deaf) = self.station.expire(now) {
            return Err(deaf);
        }
        if Instant::now() < latest {
            return Ok(());
        }
        Err(format!(
            "{} did not take everything within {} s",
            self.endpoint.address(),
            SOCKET_MAX.as_secs()
        ))
    }
}

async fn open(attempt: &Attempt) -> Result<Socket, String> {
    match timeout(OPEN_TIMEOUT, socket::open(attempt)).await {
        Ok(opened) => opened.map_err(|problem| problem.why),
        Err(_elapsed) => Err(format!(
            "{} does not answer in time",
            attempt.endpoint.address()
        )),
    }
}

/// A charge point that the journal does not describe any more.
fn nameless(charge_point: &ChargePointId) -> Announcement {
    Announcement {
        charge_point: charge_point.clone(),
        vendor: "unknown".to_owned(),
        model: "unknown".to_owned(),
        connectors: Vec::new(),
        central_system: None,
    }
}
