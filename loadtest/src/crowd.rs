//! A crowd: the registry of a data directory, filled before a gateway serves it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use fanfare_store::{Change, Expect, Put, Store, embedded};
use fanfare_types::{AppId, Device};
use tokio::task::JoinSet;

use crate::fleet::Spec;
use crate::progress::Progress;
use crate::setup::Bench;

/// Devices of one task; its writes wait for their commit together.
const PART: usize = 8_000;

/// Tasks that wait for a commit while the next ones make devices.
const PARTS: usize = 3;

/// What a directory was filled with, once it is.
const DONE: &str = "crowd.json";

/// Devices when no number is given.
const DEVICES: usize = 500_000;

/// The first app's devices.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Crowd {
    /// Devices of the audience. Default: those that `--dir` has, else 500,000.
    #[arg(long)]
    pub(crate) devices: Option<usize>,
    /// The data directory that `seed` filled; an empty one is filled now and kept. Default: one that goes away.
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
}

impl Crowd {
    /// So many devices, in a directory that goes away, unless this names others.
    pub(crate) fn or(&self, devices: usize) -> Crowd {
        let devices = match &self.dir {
            Some(_) => self.devices,
            None => Some(self.devices.unwrap_or(devices)),
        };
        Crowd {
            devices,
            dir: self.dir.clone(),
        }
    }

    /// What the directory has, filled if it has nothing.
    pub(crate) async fn ready(
        &self,
        bench: &Bench,
        data: &Path,
        app: &AppId,
    ) -> anyhow::Result<Spec> {
        if let Some(found) = found(data)? {
            let wanted = self.devices.unwrap_or(found.devices);
            ensure!(
                wanted == found.devices,
                "{} has {} devices, not {wanted}",
                data.display(),
                found.devices
            );
            return Ok(found);
        }
        let spec = bench.setup.spec(self.devices.unwrap_or(DEVICES));
        fill(&bench.progress, data, app, &spec).await?;
        Ok(spec)
    }
}

/// What a directory was filled with, if it was.
fn found(data: &Path) -> anyhow::Result<Option<Spec>> {
    let done = data.join(DONE);
    match std::fs::read(&done) {
        Ok(json) => {
            let fault = || format!("{} is damaged", done.display());
            Ok(Some(serde_json::from_slice(&json).with_context(fault)?))
        }
        Err(_) => Ok(None),
    }
}

/// Gives the users of `app` a device each, unless the directory has just these. One that was broken off goes on.
pub(crate) async fn fill(
    progress: &Progress,
    data: &Path,
    app: &AppId,
    spec: &Spec,
) -> anyhow::Result<()> {
    spec.check()?;
    if let Some(found) = found(data)? {
        ensure!(
            found == *spec,
            "{} has other devices: {found:?}",
            data.display()
        );
        return Ok(());
    }
    std::fs::create_dir_all(data).context("making the data directory")?;
    progress.phase(format!("seeding {} devices", spec.devices));
    let path = data.join(fanfare_gateway::storage::STORE_FILE);
    let config = embedded::Config {
        group_max: PART,
        cache_bytes: 256 * 1024 * 1024,
        ..embedded::Config::at(&path)
    };
    let store = embedded::open(&config).context("opening the store")?;
    let mut writing = JoinSet::new();
    for from in (0..spec.devices).step_by(PART) {
        if writing.len() >= PARTS {
            writing.join_next().await.context("nobody writes")???;
            let percent = from * 100 / spec.devices;
            progress.now(&format!("{percent} %"));
        }
        let to = (from + PART).min(spec.devices);
        let devices: anyhow::Result<Vec<Device>> =
            (from..to).map(|n| spec.device(app, n)).collect();
        writing.spawn(write(Arc::clone(&store), devices?));
    }
    while let Some(part) = writing.join_next().await {
        part??;
    }
    store.close().await?;
    std::fs::write(data.join(DONE), serde_json::to_string(spec)?).context("noting the crowd")
}

async fn write(store: Arc<dyn Store>, devices: Vec<Device>) -> anyhow::Result<()> {
    let change = |device: Device| Change {
        app: device.app.clone(),
        put: Some(Put {
            key: device.address.key(None),
            device,
            expect: Expect::Absent,
        }),
        remove: Vec::new(),
        claim: None,
    };
    let applying = devices
        .into_iter()
        .map(|device| store.apply(change(device)));
    // A conflict: a run before that was broken off has it.
    for applied in futures_util::future::join_all(applying).await {
        let _applied = applied?;
    }
    Ok(())
}
