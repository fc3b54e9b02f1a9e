//! The charge points' links to their central system: the real ones without their sockets, turned by
//! hand, and the way their frames go.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use site_controller::ocpp::{LinkByHand, StationRequest};
use site_controller::runtime::Input;
use site_model::Change;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::agenda::What;
use crate::csms::Csms;
use crate::place::PLACES;
use crate::world::World;

/// A link wakes this rarely when nothing is due.
const FAR: Duration = Duration::from_secs(7 * 86_400);
/// While the disk fails nothing changes by asking it: the tries between are skipped.
const DISK_STILL_BAD_MS: u64 = 60_000;
/// How long a link waits for the core.
const SITE_ANSWERS_WITHIN_MS: u64 = 20_001;

/// All links, and their central system.
#[derive(Default)]
pub(crate) struct Links {
    links: Vec<Link>,
    requests: Option<mpsc::Receiver<StationRequest>>,
    pub(crate) csms: Csms,
    /// Counts sockets.
    sockets: u64,
    /// What was on its way up when a socket broke arrives until then.
    broken: BTreeMap<u64, u64>,
}

/// One charge point's link.
struct Link {
    turn: Turn,
    socket: Option<u64>,
    heard: VecDeque<String>,
    /// There is something new to say.
    called: bool,
    /// When it is looked at again.
    due_ms: u64,
    /// Frames of a socket stay in order.
    last_up_ms: u64,
    last_down_ms: u64,
}

enum Turn {
    Idle(Box<LinkByHand>),
    Busy(Pin<Box<dyn Future<Output = (Box<LinkByHand>, Done)>>>),
    /// Between the two.
    Changing,
}

/// What a turn came to.
enum Done {
    Says(Vec<String>),
    Hangs(&'static str),
}

impl Link {
    /// Goes on with what it is doing.
    fn go_on(&mut self) -> Option<Done> {
        let Turn::Busy(doing) = &mut self.turn else {
            return None;
        };
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready((link, done)) = doing.as_mut().poll(&mut context) else {
            return None;
        };
        self.turn = Turn::Idle(link);
        Some(done)
    }

    /// Begins what there is to do; whether there is anything.
    fn begin(&mut self) -> bool {
        let turn = std::mem::replace(&mut self.turn, Turn::Changing);
        let Turn::Idle(mut link) = turn else {
            self.turn = turn;
            return true;
        };
        self.called |= link.is_called();
        let (turn, begun) = match self.heard.pop_front() {
            _ if self.socket.is_none() => (Turn::Idle(link), false),
            Some(text) => {
                // The link looks at all it has to say after each thing it heard.
                self.called = true;
                (Turn::Busy(Box::pin(hear(link, text))), true)
            }
            None if std::mem::take(&mut self.called) => (Turn::Busy(Box::pin(say(link))), true),
            None => (Turn::Idle(link), false),
        };
        self.turn = turn;
        begun
    }
}

async fn hear(mut link: Box<LinkByHand>, text: String) -> (Box<LinkByHand>, Done) {
    let done = match link.hear(&text).await {
        Ok(answer) => Done::Says(answer.into_iter().collect()),
        Err(why) => Done::Hangs(why),
    };
    (link, done)
}

async fn say(mut link: Box<LinkByHand>) -> (Box<LinkByHand>, Done) {
    let frames = link.say().await;
    (link, Done::Says(frames))
}

impl World {
    /// The daemon is up: its links are these.
    pub(crate) fn link_up(
        &mut self,
        links: Vec<LinkByHand>,
        requests: mpsc::Receiver<StationRequest>,
    ) {
        let link = |link| Link {
            turn: Turn::Idle(Box::new(link)),
            socket: None,
            heard: VecDeque::new(),
            called: false,
            due_ms: u64::MAX,
            last_up_ms: 0,
            last_down_ms: 0,
        };
        self.links.links = links.into_iter().map(link).collect();
        self.links.requests = Some(requests);
        for place in 0..PLACES {
            self.dial_soon(place);
        }
    }

    /// The daemon is gone, and what it was doing with it.
    pub(crate) fn unlink(&mut self) {
        let sockets = self.links.links.iter().filter_map(|link| link.socket);
        let until = self.now_ms + self.rng.u64(0..250);
        self.links
            .broken
            .extend(sockets.map(|socket| (socket, until)));
        self.links.links.clear();
        self.links.requests = None;
    }

    fn dial_soon(&mut self, place: usize) {
        let boot = self.boot;
        let ms = self.rng.u64(500..30_000);
        self.after(ms, What::Dial { place, boot });
    }

    pub(crate) fn dial(&mut self, place: usize, boot: u64) {
        if boot != self.boot || self.gateway.is_none() {
            return;
        }
        if self.now_ms < self.links.csms.down_until_ms {
            let at = self.links.csms.down_until_ms + self.rng.u64(500..60_000);
            self.at(at, What::Dial { place, boot });
            return;
        }
        let link = &mut self.links.links[place];
        if link.socket.is_some() {
            return;
        }
        if let Turn::Idle(idle) = &mut link.turn {
            let inside = self.rt.enter();
            idle.connected();
            drop(inside);
            self.links.sockets += 1;
            link.socket = Some(self.links.sockets);
            link.called = true;
            self.report.count("sockets to the central system");
        } else {
            // It waits for the journal, and dials when that has answered.
            self.dial_soon(place);
        }
    }

    /// Every socket breaks.
    pub(crate) fn hang_up_all(&mut self) {
        for place in 0..self.links.links.len() {
            self.hang_up(place, "the central system went away");
        }
    }

    fn hang_up(&mut self, place: usize, why: &str) {
        let until = self.now_ms + self.rng.u64(0..250);
        let link = &mut self.links.links[place];
        let Some(socket) = link.socket.take() else {
            return;
        };
        self.links.broken.insert(socket, until);
        link.heard.clear();
        if let Turn::Idle(idle) = &mut link.turn {
            let inside = self.rt.enter();
            idle.broken(why);
            drop(inside);
        }
        self.dial_soon(place);
    }

    /// Lets every link do what it can do now.
    pub(crate) fn turn_links(&mut self) {
        for place in 0..self.links.links.len() {
            self.turn_link(place);
        }
    }

    fn turn_link(&mut self, place: usize) {
        while let Some(link) = self.links.links.get_mut(place) {
            let inside = self.rt.enter();
            let done = link.go_on();
            drop(inside);
            self.hear_wishes();
            match done {
                Some(Done::Says(frames)) => self.send(place, frames),
                Some(Done::Hangs(why)) => self.hang_up(place, why),
                None => {}
            }
            self.expire(place);
            let Some(link) = self.links.links.get_mut(place) else {
                return;
            };
            let was_busy = matches!(link.turn, Turn::Busy(_));
            if !link.begin() || was_busy {
                break;
            }
        }
        self.look_again(place);
    }

    /// Orders of the central system, and what it numbers transactions, go into the core.
    fn hear_wishes(&mut self) {
        while let Some(Ok(request)) = self.links.requests.as_mut().map(mpsc::Receiver::try_recv) {
            self.input(Input::Station(request));
        }
    }

    fn expire(&mut self, place: usize) {
        let now = self.now_ms;
        let Some(link) = self.links.links.get_mut(place) else {
            return;
        };
        let Turn::Idle(idle) = &mut link.turn else {
            return;
        };
        if link.due_ms > now {
            return;
        }
        link.due_ms = u64::MAX;
        link.called = true;
        if link.socket.is_none() {
            return;
        }
        let inside = self.rt.enter();
        let expired = idle.expire();
        drop(inside);
        if let Err(why) = expired {
            self.report.count("seen: central system deaf");
            self.hang_up(place, &why);
        }
    }

    fn look_again(&mut self, place: usize) {
        let now = self.now_ms;
        let Some(link) = self.links.links.get_mut(place) else {
            return;
        };
        let (at, waits) = match &link.turn {
            Turn::Idle(_) if link.socket.is_none() => return,
            Turn::Idle(idle) => {
                let _inside = self.rt.enter();
                let wait = idle.wake_at(FAR).saturating_duration_since(Instant::now());
                let wait = u64::try_from(wait.as_millis()).unwrap() + 1;
                let still_bad = self.disk_fails.then_some(DISK_STILL_BAD_MS);
                (now + wait.max(still_bad.unwrap_or(0)), false)
            }
            Turn::Busy(_) => (now + SITE_ANSWERS_WITHIN_MS, true),
            Turn::Changing => unreachable!("a turn that began is there"),
        };
        if at < link.due_ms || link.due_ms < now {
            link.due_ms = at;
            self.at(at, What::Wake);
        }
        if waits {
            self.disk_wanted();
        }
    }

    fn send(&mut self, place: usize, frames: Vec<String>) {
        for frame in frames {
            let link = &mut self.links.links[place];
            // Written into a socket that broke meanwhile: nobody reads it.
            let Some(socket) = link.socket else { return };
            link.last_up_ms = link.last_up_ms.max(self.now_ms + self.rng.u64(5..300));
            let at = link.last_up_ms;
            self.at(
                at,
                What::AtCsms {
                    place,
                    socket,
                    frame,
                },
            );
        }
    }

    pub(crate) fn at_csms(&mut self, place: usize, socket: u64, frame: &str) {
        let until = self.links.broken.get(&socket);
        if until.is_some_and(|until| *until < self.now_ms)
            || self.now_ms < self.links.csms.down_until_ms
        {
            return;
        }
        self.report.count("messages to the central system");
        // Its own clock is right, but for leap seconds.
        let wall_ms = self.base_wall_ms + i64::try_from(self.now_ms).unwrap();
        let times = (self.now_ms, wall_ms);
        let said = self.links.csms.hear(
            (place, &self.places[place].id),
            frame,
            &self.model,
            times,
            &mut self.rng,
        );
        if said.refused {
            self.report.count("messages refused by the central system");
        }
        let mut frames = said.frames.into_iter();
        if let Some(frame) = frames.next() {
            self.answer(place, socket, frame);
        }
        for frame in frames {
            self.send_down(place, Some(socket), frame, 5);
        }
    }

    fn answer(&mut self, place: usize, socket: u64, frame: String) {
        let (now, csms) = (self.now_ms, &self.links.csms);
        let (slow, flaky) = (now < csms.slow_until_ms, now < csms.flaky_until_ms);
        let late = if slow {
            self.rng.u64(1_000..240_000)
        } else {
            self.rng.u64(5..300)
        };
        let mut socket = Some(socket);
        if flaky {
            match self.rng.u8(0..6) {
                0 => {
                    self.report.count("answers of the central system lost");
                    self.hang_up_if(place, socket);
                    return;
                }
                1 => {
                    self.report.count("answers on another socket");
                    self.hang_up_if(place, socket);
                    socket = None;
                }
                2 => {
                    self.report.count("answers of the central system repeated");
                    let ms = self.rng.u64(5..90_000);
                    let frame = frame.clone();
                    let repeated = What::AtLink {
                        place,
                        socket: None,
                        frame,
                    };
                    self.after(ms, repeated);
                }
                _ => {}
            }
        }
        self.send_down(place, socket, frame, late);
    }

    /// Frames of a socket stay in order.
    fn send_down(&mut self, place: usize, socket: Option<u64>, frame: String, late_ms: u64) {
        let mut at = self.now_ms + late_ms;
        if let Some(link) = self.links.links.get_mut(place) {
            link.last_down_ms = link.last_down_ms.max(at);
            at = link.last_down_ms;
        }
        self.at(
            at,
            What::AtLink {
                place,
                socket,
                frame,
            },
        );
    }

    fn hang_up_if(&mut self, place: usize, socket: Option<u64>) {
        let link = self.links.links.get(place);
        if link.is_some_and(|link| link.socket == socket) {
            self.hang_up(place, "the central system hung up");
        }
    }

    /// On its own socket, or on whichever stands.
    pub(crate) fn at_link(&mut self, place: usize, socket: Option<u64>, frame: String) {
        if let Some(link) = self.links.links.get_mut(place)
            && link.socket.is_some()
            && socket.is_none_or(|socket| link.socket == Some(socket))
        {
            link.heard.push_back(frame);
        }
    }

    /// Everything was told but what was refused for good, which is set aside.
    pub(crate) fn transactions_are_told(&mut self) {
        for place in 0..PLACES {
            let Turn::Idle(link) = &self.links.links[place].turn else {
                panic!("a link waits for the journal")
            };
            let status = link.status();
            assert_eq!(status.waiting, 0, "{place}: {status:?}");
            let wanted = self
                .links
                .csms
                .set_aside(&self.places[place].id, &self.model);
            let aside = status.set_aside;
            assert!(wanted.contains(&aside), "{place}: {wanted:?}, {status:?}");
            let why = "permitted: refused by the central system, set aside";
            self.report.add(why, aside);
        }
        for fact in &self.model.facts {
            if let Change::TransactionAssigned {
                session,
                transaction_id,
            } = &fact.change
            {
                let given = self.links.csms.gave(session, *transaction_id);
                assert!(given, "{session} is not transaction {transaction_id}");
            }
        }
    }
}
