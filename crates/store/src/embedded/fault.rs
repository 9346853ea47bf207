//! What SQLite's result codes mean to a caller of the store.

use rusqlite::ErrorCode;

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
                    _ => Error::Unavailable(text),
                }
            }
            Sql::InvalidColumnType(_, name, kind) => {
                Error::Corrupt(format!("column {name} holds {kind}"))
            }
            Sql::FromSqlConversionFailure(column, kind, _) => {
                Error::Corrupt(format!("column {column} holds {kind} out of range"))
            }
            Sql::IntegralValueOutOfRange(column, _) => {
                Error::Corrupt(format!("column {column} is out of range"))
            }
            other => Error::Unavailable(other.to_string()),
        }
    }
}

/// A stored value that no version of ours writes.
pub(super) fn corrupt(what: &str) -> Error {
    Error::Corrupt(format!("{what} cannot be read"))
}

/// What a failed COMMIT means. After an I/O error (a failed fsync) the log may or may not hold the group
/// when the machine dies now; every other failure left nothing behind.
pub(super) fn commit_failed(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => Error::Unknown(error.to_string()),
        _ => error.into(),
    }
}
