//! A wish for a new journal, kept beside the old one until the next start: the cloud knows facts that
//! the file does not have, because an old copy of it was put back.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use site_model::JournalId;
use site_wire::v1::KnownSession;

/// Why a new journal is wanted, and what is known from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Renewal {
    /// The journal that is to be left.
    journal: String,
    /// For people.
    pub(super) problem: String,
    /// Sessions as the cloud knows them.
    pub(super) sessions: Vec<KnownSession>,
}

impl Renewal {
    pub(super) fn new(journal: &JournalId, problem: String, sessions: Vec<KnownSession>) -> Self {
        Self {
            journal: journal.to_string(),
            problem,
            sessions,
        }
    }
}

fn wish(journal: &Path) -> PathBuf {
    journal.with_file_name("journal.renew")
}

/// Keeps the wish. False where there is one already: the last start could not fulfil it.
pub(super) fn keep(journal: &Path, renewal: &Renewal) -> io::Result<bool> {
    let wish = wish(journal);
    if wish.exists() {
        return Ok(false);
    }
    let draft = wish.with_extension("renew-draft");
    let mut file = File::create(&draft)?;
    file.write_all(&serde_json::to_vec(renewal)?)?;
    file.sync_all()?;
    fs::rename(&draft, &wish)?;
    Ok(true)
}

/// The wish about this journal, if there is one.
pub(super) fn wanted(journal: &Path, id: &JournalId) -> Option<Renewal> {
    let text = fs::read(wish(journal)).ok()?;
    let renewal = serde_json::from_slice::<Renewal>(&text).ok();
    let renewal = renewal.filter(|renewal| renewal.journal == id.as_str());
    if renewal.is_none() {
        // Of a journal that was left already; or half written, and the cloud says it again.
        forget(journal);
    }
    renewal
}

/// It is fulfilled.
pub(super) fn forget(journal: &Path) {
    let _absent = fs::remove_file(wish(journal));
}
