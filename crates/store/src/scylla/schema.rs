//! The tables, their version, and making them.
//!
//! Each room writes its own tables; a version of the schema is all of them. `fanfare schema apply` makes what is missing,
//! may be run twice and from two nodes at once, and writes the version last; `serve` looks only.
//!
//! ```text
//! keyspace ─▶ schema_version ─▶ the turn (compare-and-set, its row expires) ─▶ tables ─▶ version (compare-and-set)
//! ```

mod server;

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use scylla::errors::{DbError, ExecutionError, RequestAttemptError};

use crate::{Error, Result};

use self::server::Server;
use super::session::{Cas, Db, Kind};
use super::{Config, campaigns, fleet, journal, registry};

/// What this program knows.
pub const VERSION: u32 = 1;

/// Each statement says `IF NOT EXISTS`.
const TABLES: [&[&str]; 4] = [
    registry::TABLES,
    journal::TABLES,
    campaigns::TABLES,
    fleet::TABLES,
];

/// Part 0 holds the version, part 1 whose turn it is to change the tables.
const VERSIONS: &str =
    "CREATE TABLE IF NOT EXISTS schema_version (part int PRIMARY KEY, version int, turn bigint)";

/// Longest time for one statement that changes the schema: on three nodes it takes about a second, and all of them
/// have to agree.
const STATEMENT_MAX: Duration = Duration::from_secs(60);

/// A turn ends by itself this long after its last step, if its owner is gone.
const TURN_SECONDS: i32 = 180;

/// Between two looks at whose turn it is.
const TURN_LOOK: Duration = Duration::from_millis(300);

/// Makes the keyspace and the tables, as far as they are missing. Returns the version there was before: 0 for none.
/// Somebody else who does so at the same time is waited for.
///
/// # Errors
/// When a statement is refused, or the schema is a newer one.
pub async fn apply(config: &Config) -> Result<u32> {
    let patient = Config {
        request_timeout: config.request_timeout.max(STATEMENT_MAX),
        ..config.clone()
    };
    let db = Db::connect(&patient, None).await?;
    let server = Server::of(&db).await;
    let keyspace = format!(
        "CREATE KEYSPACE IF NOT EXISTS \"{}\" WITH replication = {}{}",
        config.keyspace,
        config.replication,
        server.keyspace_options()
    );
    ddl(&db, &keyspace).await?;
    drop(db);
    let db = Db::connect(&patient, Some(&config.keyspace)).await?;
    ddl(&db, &server.versions(VERSIONS, &config.keyspace)).await?;
    let turn = Turn::take(&db).await?;
    let applied = tables(&db, &turn).await;
    turn.end(&db).await;
    applied
}

async fn tables(db: &Db, turn: &Turn) -> Result<u32> {
    let before = version(db).await?;
    if before > VERSION {
        return Err(newer(before));
    }
    for table in TABLES.iter().flat_map(|tables| tables.iter()) {
        turn.keep(db).await?;
        ddl(db, table).await?;
    }
    turn.keep(db).await?;
    let set = match before {
        0 => "INSERT INTO schema_version (part, version) VALUES (0, ?) IF NOT EXISTS",
        _ => "UPDATE schema_version SET version = ? WHERE part = 0 IF version <= ?",
    };
    let set = db.prepare(set, Kind::Cas).await?;
    let known = VERSION.cast_signed();
    match before {
        0 => db.cas(&set, (known,)).await?,
        _ => db.cas(&set, (known, known)).await?,
    };
    // Refused, it is another by now.
    match version(db).await? {
        VERSION => Ok(before),
        found => Err(newer(found)),
    }
}

/// The version that the tables have: 0 when there are none.
///
/// # Errors
/// A cluster that cannot be reached.
pub async fn check(config: &Config) -> Result<u32> {
    match Db::connect(config, Some(&config.keyspace)).await {
        Ok(db) => version(&db).await,
        Err(Error::OlderSchema { found, .. }) => Ok(found),
        Err(error) => Err(error),
    }
}

/// That the tables are of [`VERSION`].
pub(super) async fn verify(db: &Db) -> Result<()> {
    match version(db).await? {
        VERSION => Ok(()),
        found if found > VERSION => Err(newer(found)),
        found => Err(older(found)),
    }
}

fn newer(found: u32) -> Error {
    Error::NewerSchema {
        found,
        known: VERSION,
    }
}

pub(super) fn older(found: u32) -> Error {
    Error::OlderSchema {
        found,
        known: VERSION,
    }
}

/// The right to change the tables: two servers that make one table at the same time may make two of it.
struct Turn(i64);

impl Turn {
    /// Waits until nobody else has it.
    async fn take(db: &Db) -> Result<Self> {
        let take = format!(
            "INSERT INTO schema_version (part, turn) VALUES (1, ?) IF NOT EXISTS USING TTL {TURN_SECONDS}"
        );
        let take = db.prepare(&take, Kind::Cas).await?;
        let turn = Turn(RandomState::new().hash_one(VERSION).cast_signed());
        // A turn that is not kept ends, so one of these comes.
        let looks = u128::from(TURN_SECONDS.cast_unsigned()) * 1_000 / TURN_LOOK.as_millis();
        for _ in 0..=looks * 2 {
            match db.cas(&take, (turn.0,)).await {
                Ok(Cas::Applied) => return Ok(turn),
                // Perhaps taken: then keeping it works.
                Err(Error::Unknown(_)) if turn.keep(db).await.is_ok() => return Ok(turn),
                Ok(Cas::Refused) | Err(Error::Unknown(_)) => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(TURN_LOOK).await;
        }
        Err(Error::Unavailable(
            "the schema is being changed by another process".to_owned(),
        ))
    }

    async fn keep(&self, db: &Db) -> Result<()> {
        let keep = format!(
            "UPDATE schema_version USING TTL {TURN_SECONDS} SET turn = ? WHERE part = 1 IF turn = ?"
        );
        let keep = db.prepare(&keep, Kind::Cas).await?;
        match db.cas(&keep, (self.0, self.0)).await? {
            Cas::Applied => Ok(()),
            Cas::Refused => Err(Error::Unavailable(
                "another process has begun to change the schema meanwhile".to_owned(),
            )),
        }
    }

    /// Left undone, it ends by itself.
    async fn end(self, db: &Db) {
        let end = "DELETE FROM schema_version WHERE part = 1 IF turn = ?";
        if let Ok(end) = db.prepare(end, Kind::Cas).await {
            drop(db.cas(&end, (self.0,)).await);
        }
    }
}

/// The driver waits until all nodes agree.
async fn ddl(db: &Db, cql: &str) -> Result<()> {
    let done = db.session().query_unpaged(cql, ()).await;
    done.map(drop)
        .map_err(|error| Error::Unavailable(format!("the schema was not changed: {error}")))
}

async fn version(db: &Db) -> Result<u32> {
    let found = db
        .session()
        .query_unpaged("SELECT version FROM schema_version WHERE part = 0", ())
        .await;
    // Without the table there is no version.
    let found = match found {
        Ok(found) => found,
        Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(
            DbError::Invalid,
            _,
        ))) => return Ok(0),
        Err(error) => return Err(super::fault::read(&error)),
    };
    let row = found
        .into_rows_result()
        .ok()
        .and_then(|rows| rows.maybe_first_row::<(Option<i32>,)>().ok().flatten());
    let version = row.and_then(|(version,)| version);
    Ok(version.map_or(0, |version| u32::try_from(version).unwrap_or(0)))
}
