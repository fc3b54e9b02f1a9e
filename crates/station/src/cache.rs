//! The authorization cache: what the central system said of a tag last (OCPP 1.6 section 3.5.1).

use std::collections::HashMap;

use ocpp::v16::IdTagInfo;
use ocpp::{Text, Time};

use crate::local_list::folded;

/// A bounded cache. At the bound the tag whose last answer is oldest is forgotten.
#[derive(Debug, Clone)]
pub struct Cache {
    tags_max: usize,
    tags: HashMap<String, (Time, IdTagInfo)>,
}

impl Cache {
    /// An empty cache for so many tags.
    #[must_use]
    pub fn new(tags_max: usize) -> Self {
        Self {
            tags_max,
            tags: HashMap::new(),
        }
    }

    /// Keeps what the central system said at a moment; a later word on the same tag stays. Gives
    /// back the tag that was forgotten to make room, in lower case.
    pub fn remember(&mut self, at: Time, id_tag: &Text<20>, info: IdTagInfo) -> Option<String> {
        let tag = folded(id_tag);
        if self.tags.get(&tag).is_some_and(|(said, _)| *said > at) {
            return None;
        }
        self.tags.insert(tag, (at, info));
        if self.tags.len() <= self.tags_max {
            return None;
        }
        let age = |(tag, (said, _)): &(&String, &(Time, IdTagInfo))| (*said, (*tag).clone());
        let oldest = self.tags.iter().min_by_key(age)?.0.clone();
        self.tags.remove(&oldest);
        Some(oldest)
    }

    /// What was said of a tag last.
    #[must_use]
    pub fn find(&self, id_tag: &Text<20>) -> Option<&IdTagInfo> {
        self.tags.get(&folded(id_tag)).map(|(_, info)| info)
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

    /// Forgets every tag (`ClearCache`).
    pub fn clear(&mut self) {
        self.tags.clear();
    }
}
