//! What changed among an organisation's tokens: each change has a version, and what came after one
//! can be asked for. What differential local lists are made from.

use super::{IdTokens, Token, read};
use crate::db::{DbError, Statement};
use crate::id::{OrganisationId, TokenId};

/// Deleted tags that are remembered of one organisation; who holds an older list gets a whole one.
const DELETED_MAX: i64 = 10_000;

/// What changed after a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Tokens as they are now.
    pub changed: Vec<Token>,
    /// Tags that are no token any more.
    pub deleted: Vec<String>,
}

impl IdTokens {
    /// The version of an organisation's tokens; 0 while it never had one.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn version(&self, organisation: &OrganisationId) -> Result<i64, DbError> {
        let sql = "SELECT version FROM token_versions WHERE organisation_id = $1";
        let values = vec![organisation.as_str().into()];
        let rows = self.db.query(sql, values).await?;
        rows.first().map_or(Ok(0), |row| row.int("version"))
    }

    /// What changed after a version; `None` if that is too long ago, or more than `limit`.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn changes_after(
        &self,
        organisation: &OrganisationId,
        version: i64,
        limit: u32,
    ) -> Result<Option<Changes>, DbError> {
        let floor = "SELECT floor FROM token_versions WHERE organisation_id = $1";
        let values = vec![organisation.as_str().into()];
        let rows = self.db.query(floor, values).await?;
        let floor = rows.first().map_or(Ok(0), |row| row.int("floor"))?;
        if version < floor {
            return Ok(None);
        }
        let after = || {
            vec![
                organisation.as_str().into(),
                version.into(),
                i64::from(limit).saturating_add(1).into(),
            ]
        };
        let changed = "SELECT * FROM id_tokens WHERE organisation_id = $1 AND version > $2
                       ORDER BY version, id LIMIT $3";
        let changed = self.db.query(changed, after()).await?;
        let deleted = "SELECT id_tag FROM deleted_tags WHERE organisation_id = $1 AND version > $2
                       ORDER BY version LIMIT $3";
        let deleted = self.db.query(deleted, after()).await?;
        if changed.len() + deleted.len() > usize::try_from(limit).unwrap_or(usize::MAX) {
            return Ok(None);
        }
        let deleted = deleted
            .iter()
            .map(|row| row.text("id_tag").map(str::to_owned));
        Ok(Some(Changes {
            changed: changed.iter().map(read).collect::<Result<_, _>>()?,
            deleted: deleted.collect::<Result<_, _>>()?,
        }))
    }
}

/// The next version, for the statements behind it in the same transaction.
pub(super) fn next_version(organisation: &OrganisationId) -> Statement {
    Statement::new(
        "INSERT INTO token_versions (organisation_id, version, floor) VALUES ($1, 1, 0)
         ON CONFLICT (organisation_id) DO UPDATE SET version = token_versions.version + 1",
        vec![organisation.as_str().into()],
    )
}

/// A tag is a token again.
pub(super) fn undelete(organisation: &OrganisationId, folded: &str) -> Statement {
    Statement::new(
        "DELETE FROM deleted_tags WHERE organisation_id = $1 AND folded = $2",
        vec![organisation.as_str().into(), folded.into()],
    )
}

/// Remembers that the tag of a token is one no more: the token is deleted (`unless` is empty), or
/// gets another tag than it has.
pub(super) fn forget_tag(organisation: &OrganisationId, id: &TokenId, unless: &str) -> Statement {
    Statement::new(
        "INSERT INTO deleted_tags (organisation_id, folded, id_tag, version)
         SELECT t.organisation_id, t.folded, t.id_tag, v.version
         FROM id_tokens t JOIN token_versions v ON v.organisation_id = t.organisation_id
         WHERE t.id = $1 AND t.organisation_id = $2 AND t.folded <> $3
         ON CONFLICT (organisation_id, folded) DO UPDATE SET
           id_tag = excluded.id_tag, version = excluded.version",
        vec![
            id.as_str().into(),
            organisation.as_str().into(),
            unless.into(),
        ],
    )
}

/// Holds the bound of deleted tags.
pub(super) fn prune(organisation: &OrganisationId) -> [Statement; 2] {
    let values = || vec![organisation.as_str().into(), DELETED_MAX.into()];
    [
        Statement::new(
            "UPDATE token_versions SET floor = COALESCE(
               (SELECT version FROM deleted_tags WHERE organisation_id = $1
                ORDER BY version DESC LIMIT 1 OFFSET $2), floor)
             WHERE organisation_id = $1",
            values(),
        ),
        Statement::new(
            "DELETE FROM deleted_tags WHERE organisation_id = $1 AND version <=
             (SELECT version FROM deleted_tags WHERE organisation_id = $1
              ORDER BY version DESC LIMIT 1 OFFSET $2)",
            values(),
        ),
    ]
}
