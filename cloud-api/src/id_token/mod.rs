//! Tokens: who may charge. What authorization and local lists are made from.

mod changes;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::db::{Db, DbError, Param, Row, Statement};
use crate::fleet::damaged;
use crate::id::{OrganisationId, TokenId};
use crate::words::words;

pub use changes::Changes;

/// Most tokens of one organisation.
const TOKENS_MAX: i64 = 100_000;

words!(
    /// What shows the tag.
    TokenType {
        /// A card or fob.
        Rfid = "RFID",
        /// A program of the driver's.
        App = "app",
    }
);

words!(
    /// Whether a token may charge; OCPP 1.6 calls it AuthorizationStatus.
    TokenStatus {
        /// It may.
        Accepted = "accepted",
        /// It is blocked.
        Blocked = "blocked",
        /// Its time is over.
        Expired = "expired",
        /// It is not valid here.
        Invalid = "invalid",
    }
);

/// A token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// What identifies it at a charge point; the case of letters does not count.
    pub id_tag: String,
    /// What shows it.
    pub kind: TokenType,
    /// Whether it may charge.
    pub status: TokenStatus,
    /// When it stops being accepted.
    pub expires_at: Option<Timestamp>,
    /// The tag whose holder may stop what this one started.
    pub parent: Option<String>,
    /// Whose it is, in the words of the organisation.
    pub user: Option<String>,
    /// What it is grouped by, in the words of the organisation.
    pub group: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl Token {
    /// Its status at a moment: an accepted one expires.
    #[must_use]
    pub fn status_at(&self, now: Timestamp) -> TokenStatus {
        let over = self.expires_at.is_some_and(|at| at <= now);
        if self.status == TokenStatus::Accepted && over {
            return TokenStatus::Expired;
        }
        self.status
    }
}

/// What can be said of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenDetails {
    /// See [`Token::id_tag`].
    pub id_tag: String,
    /// See [`Token::kind`].
    pub kind: TokenType,
    /// See [`Token::status`].
    pub status: TokenStatus,
    /// See [`Token::expires_at`].
    pub expires_at: Option<Timestamp>,
    /// See [`Token::parent`].
    pub parent: Option<String>,
    /// See [`Token::user`].
    pub user: Option<String>,
    /// See [`Token::group`].
    pub group: Option<String>,
}

/// Why a token was not created or changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Another token of the organisation has this tag.
    #[error("another token of the organisation has this tag")]
    Taken,
    /// The organisation has as many as it may.
    #[error("an organisation has at most {TOKENS_MAX} tokens")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Which tokens are asked for.
#[derive(Debug, Clone, Default)]
pub struct TokenFilter {
    /// With this tag.
    pub id_tag: Option<String>,
    /// With this status as it is kept.
    pub status: Option<TokenStatus>,
    /// Of this group.
    pub group: Option<String>,
    /// After this id.
    pub after: Option<String>,
}

/// The tag as it is compared.
#[must_use]
pub fn folded(id_tag: &str) -> String {
    id_tag.to_ascii_lowercase()
}

/// The tokens in the database.
#[derive(Debug, Clone)]
pub struct IdTokens {
    db: Db,
    clock: Clock,
    changed: Arc<Notify>,
}

impl IdTokens {
    /// The tokens kept in `db`.
    #[must_use]
    pub fn new(db: Db, clock: Clock) -> Self {
        Self {
            db,
            clock,
            changed: Arc::default(),
        }
    }

    /// Tells of changes; those that nobody waited for are told as one.
    pub(crate) fn changed(&self) -> &Arc<Notify> {
        &self.changed
    }

    /// Creates one.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn create(
        &self,
        organisation: &OrganisationId,
        details: TokenDetails,
    ) -> Result<Token, TokenError> {
        let now = self.clock.now();
        let id = TokenId::mint(now);
        let bound = Statement::new(
            "UPDATE organisations SET name = name WHERE id = $1 AND
             (SELECT COUNT(*) FROM id_tokens WHERE organisation_id = $1) < $2",
            vec![organisation.as_str().into(), TOKENS_MAX.into()],
        );
        let mut values: Vec<Param> = vec![id.as_str().into(), organisation.as_str().into()];
        values.extend(columns(&details));
        values.push(now.as_millisecond().into());
        let insert = Statement::new(
            "INSERT INTO id_tokens
               (id, organisation_id, id_tag, folded, type, status, expires_at_ms, parent, user_id,
                group_name, created_at_ms, updated_at_ms, version)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11,
                     (SELECT version FROM token_versions WHERE organisation_id = $2))",
            values,
        );
        let statements = vec![
            bound.expecting(1),
            changes::next_version(organisation),
            insert,
            changes::undelete(organisation, &folded(&details.id_tag)),
        ];
        match self.db.transaction(statements).await {
            Ok(_) => {
                self.changed.notify_one();
                Ok(token(id, details, now))
            }
            Err(DbError::Conflict { statement: 0, .. }) => Err(TokenError::TooMany),
            Err(DbError::Unique { .. }) => Err(TokenError::Taken),
            Err(error) => Err(error.into()),
        }
    }

    /// Up to `limit` tokens of an organisation after `offset`, by id; and how many there are.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn list(
        &self,
        organisation: &OrganisationId,
        filter: &TokenFilter,
        limit: u32,
        offset: u32,
    ) -> Result<(Vec<Token>, u64), DbError> {
        let wanted = || -> Vec<Param> {
            vec![
                organisation.as_str().into(),
                filter.id_tag.as_deref().map(folded).into(),
                filter.status.map(TokenStatus::as_str).into(),
                filter.group.as_deref().into(),
            ]
        };
        let mut page = wanted();
        page.extend([filter.after.as_deref().into(), limit.into(), offset.into()]);
        let rows = self
            .db
            .query(
                "SELECT * FROM id_tokens
                 WHERE organisation_id = $1
                   AND (CAST($2 AS TEXT) IS NULL OR folded = $2)
                   AND (CAST($3 AS TEXT) IS NULL OR status = $3)
                   AND (CAST($4 AS TEXT) IS NULL OR group_name = $4)
                   AND (CAST($5 AS TEXT) IS NULL OR id > $5)
                 ORDER BY id LIMIT $6 OFFSET $7",
                page,
            )
            .await?;
        let count = self
            .db
            .query(
                "SELECT COUNT(*) AS total FROM id_tokens
                 WHERE organisation_id = $1
                   AND (CAST($2 AS TEXT) IS NULL OR folded = $2)
                   AND (CAST($3 AS TEXT) IS NULL OR status = $3)
                   AND (CAST($4 AS TEXT) IS NULL OR group_name = $4)",
                wanted(),
            )
            .await?;
        let total = count.first().map_or(Ok(0), |row| row.unsigned("total"))?;
        let tokens = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok((tokens, total))
    }

    /// Every token of an organisation, by id, at most `limit`: what a local list is made from.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn all(
        &self,
        organisation: &OrganisationId,
        limit: u32,
    ) -> Result<Vec<Token>, DbError> {
        let filter = TokenFilter::default();
        Ok(self.list(organisation, &filter, limit, 0).await?.0)
    }

    /// The token with this id, and whose it is.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn find(&self, id: &TokenId) -> Result<Option<(OrganisationId, Token)>, DbError> {
        let sql = "SELECT * FROM id_tokens WHERE id = $1";
        let rows = self.db.query(sql, vec![id.as_str().into()]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let owner = OrganisationId::parse(row.text("organisation_id")?);
        let owner = owner.ok_or_else(|| damaged("organisation_id"))?;
        Ok(Some((owner, read(row)?)))
    }

    /// The organisation's token with this tag.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn with_tag(
        &self,
        organisation: &OrganisationId,
        id_tag: &str,
    ) -> Result<Option<Token>, DbError> {
        let sql = "SELECT * FROM id_tokens WHERE organisation_id = $1 AND folded = $2";
        let values = vec![organisation.as_str().into(), folded(id_tag).into()];
        let rows = self.db.query(sql, values).await?;
        rows.first().map(read).transpose()
    }

    /// Changes one; `None` if the organisation has no such token.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn update(
        &self,
        organisation: &OrganisationId,
        id: &TokenId,
        details: TokenDetails,
    ) -> Result<Option<Token>, TokenError> {
        let mut values: Vec<Param> = vec![id.as_str().into(), organisation.as_str().into()];
        values.extend(columns(&details));
        values.push(self.clock.now().as_millisecond().into());
        let update = Statement::new(
            "UPDATE id_tokens SET id_tag = $3, folded = $4, type = $5, status = $6,
               expires_at_ms = $7, parent = $8, user_id = $9, group_name = $10,
               updated_at_ms = $11,
               version = (SELECT version FROM token_versions WHERE organisation_id = $2)
             WHERE id = $1 AND organisation_id = $2 RETURNING *",
            values,
        );
        let tag = folded(&details.id_tag);
        let mut statements = vec![
            changes::next_version(organisation),
            changes::forget_tag(organisation, id, &tag),
            changes::undelete(organisation, &tag),
        ];
        let place = statements.len();
        statements.push(update.expecting(1));
        statements.extend(changes::prune(organisation));
        match self.db.transaction(statements).await {
            Ok(done) => {
                self.changed.notify_one();
                let rows = done.get(place).map(|done| done.rows.as_slice());
                Ok(rows.and_then(<[Row]>::first).map(read).transpose()?)
            }
            Err(DbError::Conflict { .. }) => Ok(None),
            Err(DbError::Unique { .. }) => Err(TokenError::Taken),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes one; `false` if the organisation has no such token.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete(
        &self,
        organisation: &OrganisationId,
        id: &TokenId,
    ) -> Result<bool, DbError> {
        let delete = Statement::new(
            "DELETE FROM id_tokens WHERE id = $1 AND organisation_id = $2",
            vec![id.as_str().into(), organisation.as_str().into()],
        );
        let mut statements = vec![
            changes::next_version(organisation),
            changes::forget_tag(organisation, id, ""),
            delete.expecting(1),
        ];
        statements.extend(changes::prune(organisation));
        match self.db.transaction(statements).await {
            Ok(_) => {
                self.changed.notify_one();
                Ok(true)
            }
            Err(DbError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn token(id: TokenId, details: TokenDetails, now: Timestamp) -> Token {
    let TokenDetails {
        id_tag,
        kind,
        status,
        expires_at,
        parent,
        user,
        group,
    } = details;
    Token {
        id,
        id_tag,
        kind,
        status,
        expires_at,
        parent,
        user,
        group,
        created_at: now,
        updated_at: now,
    }
}

fn columns(details: &TokenDetails) -> [Param; 8] {
    [
        details.id_tag.as_str().into(),
        folded(&details.id_tag).into(),
        details.kind.as_str().into(),
        details.status.as_str().into(),
        details.expires_at.map(Timestamp::as_millisecond).into(),
        details.parent.as_deref().into(),
        details.user.as_deref().into(),
        details.group.as_deref().into(),
    ]
}

fn read(row: &Row) -> Result<Token, DbError> {
    let text = |column| Ok::<_, DbError>(row.opt_text(column)?.map(str::to_owned));
    let time = |ms| Timestamp::from_millisecond(ms).map_err(|_| damaged("time"));
    Ok(Token {
        id: TokenId::parse(row.text("id")?).ok_or_else(|| damaged("id"))?,
        id_tag: row.text("id_tag")?.to_owned(),
        kind: TokenType::parse(row.text("type")?).ok_or_else(|| damaged("type"))?,
        status: TokenStatus::parse(row.text("status")?).ok_or_else(|| damaged("status"))?,
        expires_at: row.opt_int("expires_at_ms")?.map(time).transpose()?,
        parent: text("parent")?,
        user: text("user_id")?,
        group: text("group_name")?,
        created_at: time(row.int("created_at_ms")?)?,
        updated_at: time(row.int("updated_at_ms")?)?,
    })
}
