//! Where tags are presented: one after the other is judged, by list and cache or by the central
//! system, and becomes an order for the site. It works on while the socket is broken.

use std::sync::Arc;
use std::time::Duration;

use ocpp::Text;
use ocpp::v16::{AuthorizationStatus, IdTagInfo};
use site_model::{ChargePointId, IdTag, RefusalReason};
use station::authorize::{Learned, Verdict as Judged, Why, may_stop};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::link::{Answer, Ask, Asking};
use super::{About, Presentation, Shown, rows, tag_of, text_of};
use crate::clock::Clock;
use crate::ocpp::charging::{Asks, Start};
use crate::ocpp::{Registration, Shared, Verdict, Wish, Wishes};
use crate::store::{Store, access};

/// How long the central system may take to say whether a tag may charge: somebody waits at the
/// charger. After that it counts as away.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// One charge point's gate.
#[derive(Debug)]
pub(in crate::ocpp) struct Gate {
    shared: Arc<Shared>,
    store: Store,
    clock: Clock,
    presented: mpsc::Receiver<Presentation>,
    /// To the link.
    asks: mpsc::Sender<Ask>,
    /// To the core.
    wishes: Wishes,
    /// For starts that come with a profile.
    profiles: Asks,
}

impl Gate {
    /// The gate where these are presented, and the link's end.
    pub(in crate::ocpp) fn new(
        shared: &Arc<Shared>,
        store: &Store,
        clock: &Clock,
        presented: mpsc::Receiver<Presentation>,
        wishes: &Wishes,
        profiles: &Asks,
    ) -> (Self, Asking) {
        let (asks, asked) = mpsc::channel(1);
        let gate = Self {
            shared: Arc::clone(shared),
            store: store.clone(),
            clock: clock.clone(),
            presented,
            asks,
            wishes: wishes.clone(),
            profiles: profiles.clone(),
        };
        (gate, Asking::new(asked))
    }

    pub(in crate::ocpp) async fn run(mut self, stop: CancellationToken) {
        while let Some(Some(presented)) = stop.run_until_cancelled(self.presented.recv()).await {
            let Some(shown) = stop.run_until_cancelled(self.serve(&presented)).await else {
                return;
            };
            tracing::debug!(charge_point.id = %self.wishes.charge_point, "{} was presented: {shown:?}", presented.id_tag);
            if let Some(reply) = presented.reply {
                // Whoever presented it may have gone.
                let _unheard = reply.send(shown);
            }
        }
    }

    async fn serve(&self, presented: &Presentation) -> Shown {
        let id_tag = text_of(&presented.id_tag);
        match &presented.about {
            About::Start | About::StartWith(_) if self.shared.state().reset.is_some() => {
                Shown::Refused(RefusalReason::NotOperative.as_str())
            }
            About::Start | About::StartWith(_) => match self.judge(&id_tag).await {
                Ok(parent) => self.start(presented, parent).await,
                Err(reason) => Shown::Refused(reason),
            },
            About::Stop {
                session,
                began,
                parent,
            } => {
                let parent = parent.as_ref().map(text_of);
                if !self.may_stop(began, parent, &id_tag).await {
                    return Shown::Refused("other_session");
                }
                let wish = Wish::StopByTag {
                    session: session.clone(),
                    id_tag: presented.id_tag.clone(),
                };
                self.wish(presented, wish, Shown::Stops).await
            }
        }
    }

    /// The tag that began the session ends it, whatever became of the tag since; another one of its
    /// group must be allowed to charge.
    async fn may_stop(&self, began: &IdTag, parent: Option<Text<20>>, id_tag: &Text<20>) -> bool {
        let began = text_of(began);
        if may_stop(&began, None, id_tag, None) {
            return true;
        }
        let group = parent.or_else(|| self.shared.access().parent_of(&began));
        group.is_some()
            && self
                .judge(id_tag)
                .await
                .is_ok_and(|parent| may_stop(&began, group.as_ref(), id_tag, parent.as_ref()))
    }

    /// The tag's group if it may charge, or a code for why not.
    async fn judge(&self, id_tag: &Text<20>) -> Result<Option<Text<20>>, &'static str> {
        let online = self.is_online();
        let judged = self.judged(online, id_tag);
        let Judged::Ask = judged else {
            return outcome(judged);
        };
        match self.ask(id_tag).await {
            Answer::Said(info) => {
                self.learn(id_tag, &info).await;
                if info.status == AuthorizationStatus::Accepted {
                    Ok(info.parent_id_tag)
                } else {
                    Err(code(info.status))
                }
            }
            // No word on the tag is no permission.
            Answer::NotUnderstood => Err("not_understood"),
            Answer::Away => outcome(self.judged(false, id_tag)),
        }
    }

    fn judged(&self, online: bool, id_tag: &Text<20>) -> Judged {
        let now = self.clock.now();
        self.shared.access().judge(online, &now, id_tag)
    }

    fn is_online(&self) -> bool {
        let status = &self.shared.state().status;
        status.connected_since.is_some() && status.registration == Registration::Accepted
    }

    async fn ask(&self, id_tag: &Text<20>) -> Answer {
        let (reply, answer) = oneshot::channel();
        let ask = Ask {
            id_tag: id_tag.clone(),
            reply,
        };
        if self.asks.try_send(ask).is_err() {
            return Answer::Away;
        }
        match timeout(ANSWER_WITHIN, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Answer::Away,
        }
    }

    async fn start(&self, presented: &Presentation, parent: Option<Text<20>>) -> Shown {
        let within = self.shared.access().settings.connection_timeout();
        let wish = Wish::Start {
            connector: presented.connector,
            id_tag: presented.id_tag.clone(),
            parent: parent.as_ref().and_then(tag_of),
            within,
        };
        let About::StartWith(profile) = &presented.about else {
            return self.wish(presented, wish, Shown::Accepted).await;
        };
        let start = Start {
            id: presented.id.clone(),
            connector: presented.connector,
            wish,
            profile: (**profile).clone(),
        };
        match self.profiles.start(start).await {
            Ok(true) => Shown::Accepted,
            Ok(false) => Shown::Refused("not_possible"),
            Err(_) => Shown::Refused("site_silent"),
        }
    }

    async fn wish(&self, presented: &Presentation, wish: Wish, taken: Shown) -> Shown {
        match self.wishes.ask(presented.id.clone(), wish).await {
            Ok(Verdict::Accepted) => taken,
            Ok(Verdict::Refused(reason)) => {
                Shown::Refused(reason.map_or("not_possible", |reason| reason.as_str()))
            }
            Ok(Verdict::Reservation(_) | Verdict::Scheduled) | Err(_) => {
                Shown::Refused("site_silent")
            }
        }
    }

    async fn learn(&self, id_tag: &Text<20>, info: &IdTagInfo) {
        learn(
            &self.shared,
            &self.store,
            &self.clock,
            (&self.wishes.charge_point, id_tag),
            info,
        )
        .await;
    }
}

/// Keeps the central system's word on a tag.
pub(super) async fn learn(
    shared: &Shared,
    store: &Store,
    clock: &Clock,
    (charge_point, id_tag): (&ChargePointId, &Text<20>),
    info: &IdTagInfo,
) {
    let now = clock.now();
    let learned = shared.access().learn(&now, id_tag, info);
    match learned {
        Learned::Cached { forgotten } => {
            let (id, row) = (charge_point.clone(), rows::write(id_tag, info));
            let said_ms = now.wall.0;
            let kept = store
                .work(move |db| access::remember(db, &id, (said_ms, &row), forgotten.as_deref()));
            if let Err(problem) = kept.await {
                tracing::debug!(
                    "What was said of a tag is forgotten with the next start: {problem}"
                );
            }
        }
        Learned::ListConflict => {
            tracing::warn!(charge_point.id = %charge_point, "The local list allows a tag that the central system does not: the list is to be sent anew");
            shared.state().list_conflict = true;
            shared.changed.notify_one();
        }
        Learned::OnList | Learned::NotKept => {}
    }
}

fn outcome(judged: Judged) -> Result<Option<Text<20>>, &'static str> {
    match judged {
        Judged::Accepted(Why::LocalList(parent) | Why::Cache(parent)) => Ok(parent),
        Judged::Accepted(Why::UnknownAllowed) => Ok(None),
        Judged::Refused(status) => Err(code(status)),
        // Offline nobody is to be asked.
        Judged::Ask => Err(code(AuthorizationStatus::Invalid)),
    }
}

fn code(status: AuthorizationStatus) -> &'static str {
    match status {
        AuthorizationStatus::Accepted => "accepted",
        AuthorizationStatus::Blocked => "blocked",
        AuthorizationStatus::Expired => "expired",
        AuthorizationStatus::Invalid => "invalid",
        AuthorizationStatus::ConcurrentTx => "concurrent_tx",
    }
}
