//! What SQLite's result codes mean to a caller of the store.

use rusqlite::{ErrorCode, ffi};

use crate::Error;

/// SQLite's texts name tables and columns, never values; so they may be logged.
impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as Sql;
        match error {
            Sql::SqliteFailure(code, text) => {
                let text = text.unwrap_or_else(|| code.to_string());
                match code.code {
                    ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Error::Corrupt(text),
                    ErrorCode::ConstraintViolation
                    | ErrorCode::TooBig
                    | ErrorCode::TypeMismatch
                    | ErrorCode::ParameterOutOfRange => Error::Row(text),
                    _ => Error::Unavailable(text),
                }
            }
            Sql::InvalidColumnType(_, name, kind) => {
                Error::Row(format!("column {name} holds {kind}"))
            }
            Sql::FromSqlConversionFailure(column, kind, _) => {
                Error::Row(format!("column {column} holds {kind} out of range"))
            }
            Sql::IntegralValueOutOfRange(column, _) => {
                Error::Row(format!("column {column} is out of range"))
            }
            other => Error::Unavailable(other.to_string()),
        }
    }
}

/// A stored value that no version of ours writes.
pub(super) fn corrupt(what: &str) -> Error {
    Error::Row(format!("{what} cannot be read"))
}

/// What a failed COMMIT means. After a failed fsync the log may or may not hold the group when the machine dies
/// now; every other failure, a refused write among them, left nothing behind.
pub(super) fn commit_failed(error: rusqlite::Error) -> Error {
    let code = error.sqlite_error().map(|code| code.extended_code);
    match code {
        Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC) => {
            Error::Unknown(error.to_string())
        }
        _ => error.into(),
    }
}

/// Whether a failure is the call's own, so that others of its group may still succeed.
pub(super) fn is_the_calls_own(error: &Error) -> bool {
    matches!(error, Error::Row(_))
}
