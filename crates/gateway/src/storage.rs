//! Opening the store that the configuration names.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use fanfare_store::scylla::{self, Scylla};
use fanfare_store::{Error, Store, embedded};
use fanfare_telemetry::Telemetry;

use crate::config::{Settings, store};

/// The name of the embedded store's file in `data_dir`.
pub const STORE_FILE: &str = "fanfare.db";

/// Waits between tries to reach a cluster: the first, and the longest they grow to.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Opens the embedded store, or the session with the cluster.
///
/// # Errors
/// What no waiting mends: a damaged or newer file, a schema of another version. [`Error::Unavailable`] of a cluster that
/// does not answer.
pub(crate) async fn open(
    settings: &Settings,
    telemetry: &Telemetry,
) -> Result<Arc<dyn Store>, Unopened> {
    match settings.store.kind {
        store::Kind::Embedded => Ok(open_embedded(settings, telemetry)?),
        store::Kind::Scylla => {
            let config = scylla_config(settings);
            // Boxed: all its statements are in it.
            match Box::pin(Scylla::open(&config)).await {
                Ok(store) => Ok(store),
                Err(Error::Unavailable(why)) => Err(Unopened::Away(why)),
                Err(error) => Err(Unopened::Refused(anyhow::anyhow!(
                    "cannot open the store in keyspace {}: {error}",
                    config.keyspace
                ))),
            }
        }
    }
}

/// Why there is no store.
pub(crate) enum Unopened {
    /// It may be there later.
    Away(String),
    Refused(anyhow::Error),
}

impl From<anyhow::Error> for Unopened {
    fn from(error: anyhow::Error) -> Self {
        Unopened::Refused(error)
    }
}

/// Opens the store, and waits for a cluster that does not answer: the machine that starts first is not to fail for it,
/// and one that was started a hundred times in vain is not to be held back when the database is there again. The log
/// says what is waited for, once, and again when it is something else.
pub(crate) async fn wait(
    settings: &Settings,
    telemetry: &Telemetry,
) -> anyhow::Result<Arc<dyn Store>> {
    let (mut pause, mut said) = (RETRY_MIN, String::new());
    loop {
        let why = match open(settings, telemetry).await {
            Ok(store) => return Ok(store),
            Err(Unopened::Refused(error)) => return Err(error),
            Err(Unopened::Away(why)) => why,
        };
        if why != said {
            tracing::error!(why, "the database cannot be used yet, trying again");
            said = why;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

fn open_embedded(settings: &Settings, telemetry: &Telemetry) -> anyhow::Result<Arc<dyn Store>> {
    let directory = &settings.data_dir;
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot make the data directory {}", directory.display()))?;
    let path = directory.join(STORE_FILE);
    let telemetry = telemetry.clone();
    let keys = &settings.store.embedded;
    let config = embedded::Config {
        on_commit: embedded::OnCommit::new(move |writes, time| {
            telemetry.store_committed(writes, time);
        }),
        readers: keys.readers,
        queue_max: keys.queue_max,
        group_max: keys.group_max,
        cache_bytes: keys.cache_bytes,
        ..embedded::Config::at(&path)
    };
    embedded::open(&config).map_err(|error| refused(error, directory))
}

/// For commands on the embedded store's file.
///
/// # Errors
/// On a cluster, with what there is instead.
pub(crate) fn embedded_only(settings: &Settings) -> anyhow::Result<()> {
    ensure!(
        settings.store.kind == store::Kind::Embedded,
        "store.kind is \"scylla\", and this works on the embedded store's file (--data-dir names one). \
         On a cluster: `fanfare schema check` for the tables, `fanfare devices import` through a gateway, and the \
         database's own tools for its data (nodetool repair, nodetool snapshot, ScyllaDB Manager)"
    );
    Ok(())
}

/// How the cluster is reached.
pub(crate) fn scylla_config(settings: &Settings) -> scylla::Config {
    let keys = &settings.store.scylla;
    let credentials = keys.username.clone().zip(keys.password.clone());
    scylla::Config {
        datacenter: keys.datacenter.clone(),
        credentials: credentials.map(|(user, password)| scylla::Credentials {
            user,
            password: password.0.expose().clone(),
        }),
        tls: keys.tls.as_ref().map(|tls| tls.config.clone()),
        consistency: keys.consistency,
        replication: keys.replication_cql(),
        request_timeout: keys.request_timeout,
        queue_max: keys.queue_max,
        retention: settings.journal.retention,
        ..scylla::Config::new(keys.nodes.clone(), &keys.keyspace)
    }
}

/// Why the embedded store cannot be opened, and what to do about it.
pub(crate) fn refused(error: Error, data_dir: &Path) -> anyhow::Error {
    let advice = match &error {
        Error::Corrupt(_) => format!(
            "; it was left as it is. `fanfare store check --data-dir {directory}` lists every fault, `fanfare store restore --from BACKUP --data-dir {directory}` puts a backup in its place",
            directory = data_dir.display()
        ),
        Error::NewerSchema { .. } => {
            format!(
                "; {} was left as it is",
                data_dir.join(STORE_FILE).display()
            )
        }
        _ => String::new(),
    };
    anyhow::anyhow!("cannot open the store: {error}{advice}")
}
