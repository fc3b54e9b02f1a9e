//! The local authorization list: who may charge while the central system is away, as it said
//! (OCPP 1.6 section 3.5.2 and 5.15).

use std::collections::BTreeMap;

use ocpp::Text;
use ocpp::v16::{AuthorizationData, IdTagInfo, SendLocalListRequest, UpdateStatus, UpdateType};

/// Case does not matter in an idTag (`CiString20`).
pub(crate) fn folded(id_tag: &Text<20>) -> String {
    id_tag.as_str().to_ascii_lowercase()
}

/// How much list the charge point keeps; told by configuration keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListBounds {
    /// `LocalAuthListMaxLength`
    pub tags_max: usize,
    /// `SendLocalListMaxLength`
    pub message_max: usize,
}

/// The list and its version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocalList {
    version: i64,
    /// By folded tag, with the tag as it was sent.
    tags: BTreeMap<String, (Text<20>, IdTagInfo)>,
}

/// Why a list is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListRefused {
    /// The list is switched off (`LocalAuthListEnabled`).
    #[error("the local list is switched off")]
    Disabled,
    /// Versions are positive; 0 stands for an empty list.
    #[error("version {0} is not positive")]
    Version(i64),
    /// A differential update must have a later version.
    #[error("version {sent} is not later than {have}")]
    NotLater {
        /// What was sent.
        sent: i64,
        /// What there is.
        have: i64,
    },
    /// More entries than one message may have.
    #[error("{was} entries, one message may have {max}")]
    MessageTooLong {
        /// How many there are.
        was: usize,
        /// `SendLocalListMaxLength`
        max: usize,
    },
    /// The list would become too long.
    #[error("{was} tags, the list may have {max}")]
    ListTooLong {
        /// How many there would be.
        was: usize,
        /// `LocalAuthListMaxLength`
        max: usize,
    },
    /// A full list says of each tag what it may.
    #[error("a tag of a full list has no idTagInfo")]
    WithoutInfo,
    /// A tag stands twice.
    #[error("a tag stands twice")]
    Twice,
}

impl ListRefused {
    /// The answer on the wire.
    #[must_use]
    pub fn status(&self) -> UpdateStatus {
        match self {
            Self::Disabled => UpdateStatus::NotSupported,
            Self::NotLater { .. } => UpdateStatus::VersionMismatch,
            Self::Version(_)
            | Self::MessageTooLong { .. }
            | Self::ListTooLong { .. }
            | Self::WithoutInfo
            | Self::Twice => UpdateStatus::Failed,
        }
    }
}

impl LocalList {
    /// Puts back what was stored before a restart.
    #[must_use]
    pub fn restore(version: i64, tags: impl IntoIterator<Item = (Text<20>, IdTagInfo)>) -> Self {
        let tags = tags
            .into_iter()
            .map(|(tag, info)| (folded(&tag), (tag, info)))
            .collect();
        Self { version, tags }
    }

    /// The version of the list; 0 while it is empty, as `GetLocalListVersion` wants it.
    #[must_use]
    pub fn version(&self) -> i64 {
        if self.tags.is_empty() {
            0
        } else {
            self.version
        }
    }

    /// How many tags there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tags.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// What the list says of a tag.
    #[must_use]
    pub fn find(&self, id_tag: &Text<20>) -> Option<&IdTagInfo> {
        self.tags.get(&folded(id_tag)).map(|(_, info)| info)
    }

    /// Every tag, to store the list.
    pub fn tags(&self) -> impl Iterator<Item = (&Text<20>, &IdTagInfo)> {
        self.tags.values().map(|(tag, info)| (tag, info))
    }

    /// The list after an update. This one is unchanged, so that the new one can be stored first.
    ///
    /// # Errors
    /// [`ListRefused`] with the reason.
    pub fn updated(
        &self,
        enabled: bool,
        request: &SendLocalListRequest,
        bounds: ListBounds,
    ) -> Result<Self, ListRefused> {
        let entries = request
            .local_authorization_list
            .as_deref()
            .unwrap_or_default();
        let sent = request.list_version;
        if !enabled {
            return Err(ListRefused::Disabled);
        }
        if sent <= 0 {
            return Err(ListRefused::Version(sent));
        }
        if entries.len() > bounds.message_max {
            return Err(ListRefused::MessageTooLong {
                was: entries.len(),
                max: bounds.message_max,
            });
        }
        check_once(entries)?;
        let tags = match request.update_type {
            UpdateType::Full => full(entries)?,
            UpdateType::Differential if sent <= self.version() => {
                return Err(ListRefused::NotLater {
                    sent,
                    have: self.version(),
                });
            }
            UpdateType::Differential => differential(self.tags.clone(), entries),
        };
        if tags.len() > bounds.tags_max {
            return Err(ListRefused::ListTooLong {
                was: tags.len(),
                max: bounds.tags_max,
            });
        }
        Ok(Self {
            version: sent,
            tags,
        })
    }
}

type Tags = BTreeMap<String, (Text<20>, IdTagInfo)>;

fn check_once(entries: &[AuthorizationData]) -> Result<(), ListRefused> {
    let mut seen: Vec<String> = entries.iter().map(|entry| folded(&entry.id_tag)).collect();
    seen.sort_unstable();
    let twice = seen.windows(2).any(|pair| pair[0] == pair[1]);
    if twice {
        Err(ListRefused::Twice)
    } else {
        Ok(())
    }
}

fn full(entries: &[AuthorizationData]) -> Result<Tags, ListRefused> {
    entries
        .iter()
        .map(|entry| {
            let info = entry.id_tag_info.clone().ok_or(ListRefused::WithoutInfo)?;
            Ok((folded(&entry.id_tag), (entry.id_tag.clone(), info)))
        })
        .collect()
}

/// An entry with what it may is added or changed, one without is removed.
fn differential(mut tags: Tags, entries: &[AuthorizationData]) -> Tags {
    for entry in entries {
        match &entry.id_tag_info {
            Some(info) => tags.insert(folded(&entry.id_tag), (entry.id_tag.clone(), info.clone())),
            None => tags.remove(&folded(&entry.id_tag)),
        };
    }
    tags
}
