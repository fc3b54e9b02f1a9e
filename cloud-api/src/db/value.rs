//! Values that go into statements and come out of rows.

use std::sync::Arc;

use super::DbError;

/// A value of a statement.
#[derive(Clone, PartialEq, Eq)]
pub enum Param {
    /// NULL.
    Null,
    /// BIGINT: integers, times in milliseconds, flags (0, 1).
    Int(i64),
    /// TEXT.
    Text(String),
    /// BLOB.
    Blob(Vec<u8>),
}

/// Prints the kind only: values may be secret hashes or personal data.
impl std::fmt::Debug for Param {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Int(_) => "Int(…)",
            Self::Text(_) => "Text(…)",
            Self::Blob(_) => "Blob(…)",
        })
    }
}

impl From<i64> for Param {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Param {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<i32> for Param {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u8> for Param {
    fn from(value: u8) -> Self {
        Self::Int(value.into())
    }
}

impl From<bool> for Param {
    fn from(value: bool) -> Self {
        Self::Int(value.into())
    }
}

impl From<&str> for Param {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Param {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<u8>> for Param {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(value)
    }
}

impl From<[u8; 32]> for Param {
    fn from(value: [u8; 32]) -> Self {
        Self::Blob(value.to_vec())
    }
}

impl<T: Into<Param>> From<Option<T>> for Param {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row of an answer; columns are asked for by the name they have in the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub(super) columns: Arc<[Box<str>]>,
    pub(super) values: Vec<Param>,
}

impl Row {
    fn value(&self, column: &str) -> Result<&Param, DbError> {
        self.columns
            .iter()
            .position(|name| &**name == column)
            .and_then(|index| self.values.get(index))
            .ok_or_else(|| wrong(column, "is not in the answer"))
    }

    /// BIGINT.
    ///
    /// # Errors
    /// [`DbError::Column`] when it is missing, NULL or of another type.
    pub fn int(&self, column: &str) -> Result<i64, DbError> {
        self.opt_int(column)?
            .ok_or_else(|| wrong(column, "is NULL"))
    }

    /// BIGINT or NULL.
    ///
    /// # Errors
    /// [`DbError::Column`] when it is missing or of another type.
    pub fn opt_int(&self, column: &str) -> Result<Option<i64>, DbError> {
        match self.value(column)? {
            Param::Null => Ok(None),
            Param::Int(value) => Ok(Some(*value)),
            Param::Text(_) | Param::Blob(_) => Err(wrong(column, "holds no integer")),
        }
    }

    /// BIGINT that is never negative.
    ///
    /// # Errors
    /// [`DbError::Column`] when it is missing, NULL, negative or of another type.
    pub fn unsigned(&self, column: &str) -> Result<u64, DbError> {
        u64::try_from(self.int(column)?).map_err(|_| wrong(column, "is negative"))
    }

    /// Flag: BIGINT 0 or 1.
    ///
    /// # Errors
    /// [`DbError::Column`] when it is missing, NULL or of another type.
    pub fn flag(&self, column: &str) -> Result<bool, DbError> {
        Ok(self.int(column)? != 0)
    }

    /// TEXT.
    ///
    /// # Errors
    /// [`DbError::Column`] when it is missing, NULL or of another type.
    pub fn text(&self, column: &str) -> Result<&str, DbError> {
        self.opt_text(column)?
            .ok_or_else(|| wrong(column, "is NULL"))
    }

    /// TEXT or NULL.
    ///
    /// # Errors
    /// [`DbError::Column`] when it is missing or of another type.
    pub fn opt_text(&self, column: &str) -> Result<Option<&str>, DbError> {
        match self.value(column)? {
            Param::Null => Ok(None),
            Param::Text(value) => Ok(Some(value)),
            Param::Int(_) | Param::Blob(_) => Err(wrong(column, "holds no text")),
        }
    }

    /// BLOB.
    ///
    /// # Errors
    /// [`DbError::Column`] when it is missing, NULL or of another type.
    pub fn blob(&self, column: &str) -> Result<&[u8], DbError> {
        self.opt_blob(column)?
            .ok_or_else(|| wrong(column, "is NULL"))
    }

    /// BLOB or NULL.
    ///
    /// # Errors
    /// [`DbError::Column`] when it is missing or of another type.
    pub fn opt_blob(&self, column: &str) -> Result<Option<&[u8]>, DbError> {
        match self.value(column)? {
            Param::Blob(value) => Ok(Some(value)),
            Param::Null => Ok(None),
            Param::Int(_) | Param::Text(_) => Err(wrong(column, "holds no bytes")),
        }
    }
}

fn wrong(column: &str, problem: &'static str) -> DbError {
    DbError::Column {
        column: column.to_owned(),
        problem,
    }
}
