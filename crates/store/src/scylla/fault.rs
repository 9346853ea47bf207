//! What the driver says, as a store's error. Nothing of a statement's values is in any text.

use scylla::errors::{
    DbError, ExecutionError, NewSessionError, PrepareError, RequestAttemptError, UseKeyspaceError,
    WriteType,
};

use crate::Error;

/// A failed read: nothing happened.
pub(super) fn read(error: &ExecutionError) -> Error {
    match error {
        ExecutionError::BadQuery(_) => Error::Row("a value that cannot be sent".to_owned()),
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::Overloaded, _)) => {
            Error::Overloaded
        }
        error => Error::Unavailable(said(error)),
    }
}

/// A failed write. What surely did not happen is unavailable; of everything else it is not known.
pub(super) fn write(error: &ExecutionError) -> Error {
    match error {
        ExecutionError::BadQuery(_) => Error::Row("a value that cannot be sent".to_owned()),
        ExecutionError::EmptyPlan | ExecutionError::ConnectionPoolError(_) => {
            Error::Unavailable(said(error))
        }
        ExecutionError::LastAttemptError(attempt) => attempted(attempt, error),
        error => Error::Unknown(said(error)),
    }
}

fn attempted(attempt: &RequestAttemptError, error: &ExecutionError) -> Error {
    match attempt {
        RequestAttemptError::UnableToAllocStreamId => Error::Overloaded,
        RequestAttemptError::DbError(db, _) => match db {
            // Before anything was written.
            DbError::Unavailable { .. } | DbError::IsBootstrapping | DbError::Unauthorized => {
                Error::Unavailable(said(error))
            }
            DbError::Overloaded => Error::Overloaded,
            // It is the batch log that was not written.
            DbError::WriteTimeout {
                write_type: WriteType::BatchLog,
                ..
            } => Error::Unavailable(said(error)),
            _ => Error::Unknown(said(error)),
        },
        RequestAttemptError::SerializationError(_)
        | RequestAttemptError::CqlRequestSerialization(_) => {
            Error::Row("a value that cannot be sent".to_owned())
        }
        _ => Error::Unknown(said(error)),
    }
}

pub(super) fn connect(error: &NewSessionError) -> Error {
    // There is no such keyspace.
    if let NewSessionError::UseKeyspaceError(UseKeyspaceError::RequestError(
        RequestAttemptError::DbError(DbError::Invalid, _),
    )) = error
    {
        return super::schema::older(0);
    }
    Error::Unavailable(format!("no session with the cluster: {error}"))
}

/// A statement that the server does not know: the tables are missing, or others.
pub(super) fn prepare(error: &PrepareError) -> Error {
    Error::Unavailable(format!("a statement was not prepared: {error}"))
}

/// What is kept cannot be read.
pub(super) fn damaged(what: &str) -> Error {
    Error::Row(format!("{what} cannot be read"))
}

/// The kind of the fault. The server's own words may hold values, and are left out.
fn said(error: &ExecutionError) -> String {
    match error {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(db, _)) => db.to_string(),
        ExecutionError::LastAttemptError(RequestAttemptError::BrokenConnectionError(_)) => {
            "the connection broke".to_owned()
        }
        ExecutionError::LastAttemptError(_) => "the attempt failed".to_owned(),
        ExecutionError::RequestTimeout(_) => "no answer in time".to_owned(),
        ExecutionError::EmptyPlan => "no node to ask".to_owned(),
        ExecutionError::ConnectionPoolError(_) => "no connection to a node".to_owned(),
        _ => "the request failed".to_owned(),
    }
}
