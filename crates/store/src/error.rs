//! Why a store call failed. Callers branch on the kind; the text is for the log.

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed store call. Nothing of a failed write is kept, except for [`Error::Unknown`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached or written now (disk full, read-only, node down). Try again later.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// The store's queue is at its limit (`store.queue_max`). Try again later.
    #[error("store overloaded")]
    Overloaded,
    /// The write may or may not have happened: read back before saying either.
    #[error("outcome of the write unknown: {0}")]
    Unknown(String),
    /// The file is damaged or not a database of ours; it was left as it is. Found while serving, it also ends
    /// all writing until the store is opened anew.
    #[error("store damaged: {0}")]
    Corrupt(String),
    /// One row cannot be read, or cannot be written as it is; other calls go on. A defect, or damage that only
    /// `fanfare store check` finds whole.
    #[error("row unusable: {0}")]
    Row(String),
    /// The file was written by a newer Fanfare; it was left as it is.
    #[error(
        "store has schema {found}, this version knows up to {known}: use the newer fanfare, or restore a backup"
    )]
    NewerSchema { found: u32, known: u32 },
    /// The tables are older than this program; they were left as they are.
    #[error("store has schema {found}, this version needs {known}: run `fanfare schema apply`")]
    OlderSchema { found: u32, known: u32 },
    /// The store was closed.
    #[error("store closed")]
    Closed,
}

impl Error {
    /// Stable word for metrics and problem documents.
    pub fn label(&self) -> &'static str {
        match self {
            Error::Unavailable(_) => "store_unavailable",
            Error::Overloaded => "store_overloaded",
            Error::Unknown(_) => "store_outcome_unknown",
            Error::Corrupt(_) => "store_corrupt",
            Error::Row(_) => "store_row_unusable",
            Error::NewerSchema { .. } => "store_newer_schema",
            Error::OlderSchema { .. } => "store_older_schema",
            Error::Closed => "store_closed",
        }
    }
}
