//! The link's part in who may charge: it asks for tags, takes lists, and hands starts to the gate that
//! are to be judged first.

use ocpp::Fate;
use ocpp::v16::{
    ChargingProfile, ClearCacheResponse, ClearCacheStatus, GetLocalListVersionResponse, IdTagInfo,
    Request, Response, SendLocalListRequest, SendLocalListResponse, UpdateStatus, V16,
};
use ocpp::{MessageId, Text};
use site_model::{CommandId, ConnectorId, IdTag};
use tokio::sync::{mpsc, oneshot};

use super::gate::learn;
use super::{About, Presentation, rows};
use crate::ocpp::Verdict;
use crate::ocpp::task::Task;
use crate::store::access;

/// `GetLocalListVersion`: there is no local list here (OCPP 1.6 section 5.10).
const NO_LOCAL_LIST: i64 = -1;

/// A tag that the central system is to be asked for.
#[derive(Debug)]
pub(in crate::ocpp) struct Ask {
    pub(super) id_tag: Text<20>,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// What it said.
#[derive(Debug)]
pub(in crate::ocpp) enum Answer {
    /// This.
    Said(IdTagInfo),
    /// Nothing that says whether the tag may charge.
    NotUnderstood,
    /// Nothing.
    Away,
}

/// What the link is asked, and is asking.
#[derive(Debug)]
pub(in crate::ocpp) struct Asking {
    asks: mpsc::Receiver<Ask>,
    asked: Option<Ask>,
}

impl Asking {
    pub(super) fn new(asks: mpsc::Receiver<Ask>) -> Self {
        Self { asks, asked: None }
    }

    /// The next tag to ask for, once the last is answered or nobody waits for it.
    pub(in crate::ocpp) async fn next(&mut self) -> Text<20> {
        if let Some(asked) = &mut self.asked {
            asked.reply.closed().await;
        }
        match self.asks.recv().await {
            Some(ask) => self.asked.insert(ask).id_tag.clone(),
            // The gate has gone: the daemon stops.
            None => std::future::pending().await,
        }
    }

    /// The socket is another one: whoever waits hears that the central system was away.
    pub(in crate::ocpp) fn forget(&mut self) {
        self.asked = None;
        while self.asks.try_recv().is_ok() {}
    }

    /// Gives the answer to whoever waits for it.
    pub(in crate::ocpp) fn answered(&mut self, (id_tag, fate): (Text<20>, Fate<V16>)) {
        let Some(ask) = self.asked.take_if(|asked| asked.id_tag == id_tag) else {
            return;
        };
        let answer = match fate {
            Fate::Answered(Response::Authorize(answer)) => Answer::Said(answer.id_tag_info),
            Fate::Answered(_) | Fate::Refused { .. } | Fate::NotUnderstood(_) => {
                Answer::NotUnderstood
            }
            Fate::TimedOut | Fate::Lost | Fate::NotSent => Answer::Away,
        };
        // Whoever presented it may have gone.
        let _unheard = ask.reply.send(answer);
    }
}

impl Task {
    /// Hands on what the central system said of a tag, and lets it be told where that was unexpected.
    pub(in crate::ocpp) fn tags_said(&mut self) {
        if std::mem::take(&mut self.shared.state().list_conflict) {
            self.station.list_conflicts();
        }
        if let Some(said) = self.station.take_said() {
            self.asking.answered(said);
        }
    }

    /// Calls of the Local Auth List Management profile, and the cache.
    pub(in crate::ocpp) async fn access_asked(
        &mut self,
        id: &MessageId,
        request: &Request,
    ) -> Option<String> {
        let response: Response = if let Request::SendLocalList(request) = request {
            SendLocalListResponse::new(self.take_list(request).await).into()
        } else if matches!(request, Request::ClearCache(_)) {
            ClearCacheResponse::new(self.clear_cache().await).into()
        } else {
            GetLocalListVersionResponse::new(self.list_version()).into()
        };
        self.station.answer(id, &response)
    }

    fn list_version(&self) -> i64 {
        let access = self.shared.access();
        let (enabled, _) = access.settings.local_list();
        if enabled {
            access.list.version()
        } else {
            NO_LOCAL_LIST
        }
    }

    /// The new list holds once it is stored.
    async fn take_list(&self, request: &SendLocalListRequest) -> UpdateStatus {
        let (list, change) = {
            let access = self.shared.access();
            match access.updated(request) {
                Ok(list) => {
                    let change = rows::difference(&access.list, &list, request.list_version);
                    (list, change)
                }
                Err(status) => return status,
            }
        };
        let charge_point = self.endpoint.charge_point.clone();
        let stored = self
            .store
            .work(move |db| access::change_list(db, &charge_point, &change));
        match stored.await {
            Ok(()) => {
                self.shared.access().list = list;
                UpdateStatus::Accepted
            }
            Err(problem) => {
                tracing::error!("A local list was not stored and is refused: {problem}");
                UpdateStatus::Failed
            }
        }
    }

    async fn clear_cache(&self) -> ClearCacheStatus {
        let charge_point = self.endpoint.charge_point.clone();
        let cleared = self
            .store
            .work(move |db| access::clear_cache(db, &charge_point));
        match cleared.await {
            Ok(()) => {
                self.shared.access().cache.clear();
                ClearCacheStatus::Accepted
            }
            Err(problem) => {
                tracing::error!("The cache was not cleared: {problem}");
                ClearCacheStatus::Rejected
            }
        }
    }

    /// A remote start that is treated as if its tag were presented (`AuthorizeRemoteTxRequests`): taken
    /// if it could begin a session now.
    pub(in crate::ocpp) fn present_first(
        &self,
        id: Option<CommandId>,
        connector: Option<ConnectorId>,
        id_tag: &IdTag,
        profile: Option<&ChargingProfile>,
    ) -> Verdict {
        let about = profile.map_or(About::Start, |profile| {
            About::StartWith(Box::new(profile.clone()))
        });
        let presentation = Presentation {
            id,
            connector,
            id_tag: id_tag.clone(),
            about,
            reply: None,
        };
        let could = self.station.has_place(connector);
        if could && self.shared.gate.try_send(presentation).is_ok() {
            Verdict::Accepted
        } else {
            Verdict::Refused(None)
        }
    }

    /// The group of a tag at the site, as far as it is known.
    pub(in crate::ocpp) fn parent_of(&self, id_tag: &IdTag) -> Option<IdTag> {
        let parent = self.shared.access().parent_of(&super::text_of(id_tag));
        parent.as_ref().and_then(super::tag_of)
    }

    /// The central system's word on the tag that began a session.
    pub(in crate::ocpp) async fn heard_of(&self, id_tag: &IdTag, info: &IdTagInfo) {
        let id_tag = super::text_of(id_tag);
        let about = (&self.endpoint.charge_point, &id_tag);
        learn(&self.shared, &self.store, &self.clock, about, info).await;
    }
}
