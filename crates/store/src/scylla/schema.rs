//! The tables, their version, and making them.
//!
//! Each room writes its own tables; a version of the schema is all of them. `fanfare schema apply` makes what is missing,
//! may be run twice and from two nodes at once, and writes the version last; `serve` looks only.

use crate::{Error, Result};

use super::session::Db;
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

const VERSIONS: &str =
    "CREATE TABLE IF NOT EXISTS schema_version (part int PRIMARY KEY, version int)";

/// Makes the keyspace and the tables, as far as they are missing. Returns the version there was before: 0 for none.
pub async fn apply(config: &Config) -> Result<u32> {
    let db = Db::connect(config, None).await?;
    let keyspace = format!(
        "CREATE KEYSPACE IF NOT EXISTS \"{}\" WITH replication = {}",
        config.keyspace, config.replication
    );
    ddl(&db, &keyspace).await?;
    drop(db);
    let db = Db::connect(config, Some(&config.keyspace)).await?;
    ddl(&db, VERSIONS).await?;
    let before = version(&db).await?;
    if before > VERSION {
        return Err(newer(before));
    }
    for table in TABLES.iter().flat_map(|tables| tables.iter()) {
        ddl(&db, table).await?;
    }
    let set = format!("UPDATE schema_version SET version = {VERSION} WHERE part = 0");
    ddl(&db, &set).await?;
    Ok(before)
}

/// The version that the tables have: 0 when there are none.
pub async fn check(config: &Config) -> Result<u32> {
    let db = Db::connect(config, Some(&config.keyspace)).await?;
    version(&db).await
}

/// That the tables are of [`VERSION`].
pub(super) async fn verify(db: &Db) -> Result<()> {
    match version(db).await? {
        VERSION => Ok(()),
        found if found > VERSION => Err(newer(found)),
        found => Err(Error::OlderSchema {
            found,
            known: VERSION,
        }),
    }
}

fn newer(found: u32) -> Error {
    Error::NewerSchema {
        found,
        known: VERSION,
    }
}

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
    let Ok(found) = found else { return Ok(0) };
    let row = found
        .into_rows_result()
        .ok()
        .and_then(|rows| rows.maybe_first_row::<(i32,)>().ok().flatten());
    Ok(row.map_or(0, |(version,)| u32::try_from(version).unwrap_or(0)))
}
