//! Who may charge at one charge point: the local list and the cache with the keys that bear on them.
//! `station::authorize` decides; the journal's file keeps what is known.

mod gate;
mod link;
mod rows;

use ocpp::v16::{ChargingProfile, IdTagInfo, SendLocalListRequest, UpdateStatus};
use ocpp::{Text, Time};
use site_model::{ChargePointId, CommandId, ConnectorId, IdTag, SessionId, Timestamp};
use station::authorize::{self, Learned, Verdict};
use station::cache::Cache;
use station::local_list::LocalList;
use tokio::sync::oneshot;

use super::settings::Settings;
use crate::store::{Store, access};

pub(super) use gate::Gate;
pub(super) use link::Asking;

/// Tags that a charge point's cache keeps; the one whose last word is oldest is forgotten for another.
const CACHE_TAGS_MAX: usize = 1_000;
/// Tags that may wait to be judged; beyond it whoever presents one is told so.
pub(super) const PRESENTED_MAX: usize = 4;

/// A tag that somebody presents at a charge point.
#[derive(Debug)]
pub struct Presentation {
    /// The id of the order that it may become; made later if absent.
    pub id: Option<CommandId>,
    /// At which connector; absent: wherever a vehicle waits.
    pub connector: Option<ConnectorId>,
    /// Which.
    pub id_tag: IdTag,
    /// What it would do.
    pub about: About,
    /// What whoever presents it is shown.
    pub reply: Option<oneshot::Sender<Shown>>,
}

/// What a presented tag would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// Begin a session.
    Start,
    /// The same, under a charging profile that came with the start.
    StartWith(Box<ChargingProfile>),
    /// End the session that another, or the same, tag began.
    Stop {
        /// Which.
        session: SessionId,
        /// The tag that began it.
        began: IdTag,
        /// Its group, as far as the site knows it; list and cache may know more.
        parent: Option<IdTag>,
    },
}

/// What whoever presents a tag is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The vehicle may charge, or is waited for.
    Accepted,
    /// The session ends.
    Stops,
    /// Neither, for this reason (a code).
    Refused(&'static str),
}

/// What is known of tags.
#[derive(Debug)]
pub(super) struct Access {
    settings: Settings,
    list: LocalList,
    cache: Cache,
}

impl Access {
    /// What the file has; what cannot be read is told and left out.
    pub(super) async fn restored(
        charge_point: &ChargePointId,
        store: &Store,
        settings: Settings,
    ) -> Self {
        let id = charge_point.clone();
        let known = store.work(move |db| {
            Ok::<_, rusqlite::Error>((access::list(db, &id)?, access::cache(db, &id)?))
        });
        let ((version, listed), cached) = known.await.unwrap_or_else(|problem| {
            tracing::warn!(charge_point.id = %charge_point, "Nobody is known while the central system is away: {problem}");
            Default::default()
        });
        let list = LocalList::restore(version, listed.iter().filter_map(rows::read));
        let mut cache = Cache::new(CACHE_TAGS_MAX);
        for (said_ms, row) in &cached {
            if let (Some(at), Some((id_tag, info))) =
                (Time::from_unix_ms(*said_ms), rows::read(row))
            {
                cache.remember(at, &id_tag, info);
            }
        }
        Self {
            settings,
            list,
            cache,
        }
    }

    /// The keys that hold from now on.
    pub(super) fn configured(&mut self, settings: &Settings) {
        self.settings = settings.clone();
    }

    fn judge(&self, online: bool, now: &Timestamp, id_tag: &Text<20>) -> Verdict {
        let keys = self.settings.keys();
        authorize::judge(keys, &self.list, &self.cache, online, time_of(now), id_tag)
    }

    /// The group of a tag, as far as list or cache know it.
    pub(super) fn parent_of(&self, id_tag: &Text<20>) -> Option<Text<20>> {
        let known = self.list.find(id_tag).or_else(|| self.cache.find(id_tag));
        known.and_then(|info| info.parent_id_tag.clone())
    }

    fn learn(&mut self, now: &Timestamp, id_tag: &Text<20>, info: &IdTagInfo) -> Learned {
        let Some(at) = Time::from_unix_ms(now.wall.0) else {
            return Learned::NotKept;
        };
        let keys = self.settings.keys();
        authorize::learn(keys, &self.list, &mut self.cache, at, id_tag, info)
    }

    /// The list after an update, or what the central system is told.
    fn updated(&self, request: &SendLocalListRequest) -> Result<LocalList, UpdateStatus> {
        let (enabled, bounds) = self.settings.local_list();
        self.list
            .updated(enabled, request, bounds)
            .map_err(|refused| {
                tracing::warn!("A local list of the central system is not taken: {refused}");
                refused.status()
            })
    }
}

/// Absent while the right time is not known.
fn time_of(now: &Timestamp) -> Option<Time> {
    now.wall_known.then(|| Time::from_unix_ms(now.wall.0))?
}

/// A tag of the site in a message.
fn text_of(id_tag: &IdTag) -> Text<20> {
    Text::cut(id_tag.as_str())
}

/// A tag of a message at the site; none for what no reader can show.
fn tag_of(text: &Text<20>) -> Option<IdTag> {
    IdTag::new(text.as_str()).ok()
}
