//! One app's providers: simulators in a process of their own, scripted and read over their control API.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use fanfare_gateway::sandbox;
use fanfare_simulator::books::{Entry, ProviderTotals, Totals};
use fanfare_simulator::{Addresses, Material};
use serde_json::{Value, json};

use crate::fleet::{DEAD, Spec};
use crate::process::Process;
use crate::setup::Bench;

/// Entries of the books read at once.
const PAGE: usize = 10_000;

pub(crate) struct Providers {
    pub(crate) process: Process,
    pub(crate) control: Control,
    pub(crate) at: Addresses,
    pub(crate) material: Material,
    /// The directory with keys and certificates.
    pub(crate) directory: PathBuf,
    /// The provider tables of an app that sends to them.
    pub(crate) tables: String,
}

/// What the simulators of an app keep one by one.
#[derive(Clone, Copy)]
pub(crate) struct Listed(pub(crate) usize);

impl Providers {
    /// Starts them with keys of their own in `directory/name`.
    pub(crate) async fn start(
        bench: &Bench,
        directory: &Path,
        name: &str,
        listed: Listed,
        spec: &Spec,
    ) -> anyhow::Result<Self> {
        let own: PathBuf = directory.join(name);
        let material = sandbox::material(&own)?;
        let path = own.to_str().context("a path in UTF-8")?;
        let entries = listed.0.to_string();
        let any = "127.0.0.1:0";
        let mut arguments = vec!["simulate", "--json", "--dir", path];
        for listener in ["--apns", "--fcm", "--oauth", "--control"] {
            arguments.extend([listener, any]);
        }
        match bench.setup.fast {
            true => arguments.push("--fast"),
            false => arguments.extend(["--dead-prefix", DEAD, "--book-entries", &entries]),
        }
        if let Some(latency) = &bench.setup.latency {
            arguments.extend(["--latency", latency]);
        }
        let cores = bench.setup.simulator_cores.as_deref();
        let process = Process::start(&bench.program, cores, &arguments).await?;
        let at: Addresses =
            serde_json::from_str(&process.line).context("the simulators gave no addresses")?;
        Ok(Providers {
            control: Control {
                url: at.control_url().context("no control address")?,
                client: reqwest::Client::new(),
                forgotten: Arc::default(),
            },
            tables: tables(name, &material, &at, spec),
            material,
            process,
            directory: own,
            at,
        })
    }

    /// CPU time of the simulators so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<std::time::Duration> {
        self.process.cpu()
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.process.stop().await
    }
}

/// The control API of an app's simulators.
#[derive(Clone)]
pub(crate) struct Control {
    url: String,
    client: reqwest::Client,
    /// Accepted pushes of books that were thrown away.
    forgotten: Arc<AtomicU64>,
}

impl Control {
    /// Replaces all rules.
    pub(crate) async fn rules(&self, rules: &Value) -> anyhow::Result<()> {
        let put = self.client.put(format!("{}/rules", self.url));
        let answer = put.json(&json!({ "rules": rules })).send().await?;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        anyhow::ensure!(
            status.is_success(),
            "the rules were refused: {}",
            body["error"]
        );
        Ok(())
    }

    /// Closes the connections to APNs: what hangs on them is heard of.
    pub(crate) async fn hang_up(&self) -> anyhow::Result<()> {
        let path = format!("{}/connections/apns", self.url);
        self.client.delete(path).send().await?.error_for_status()?;
        Ok(())
    }

    /// Begins new books.
    pub(crate) async fn forget(&self) -> anyhow::Result<()> {
        let totals = self.totals().await?;
        let path = format!("{}/books", self.url);
        self.client.delete(path).send().await?.error_for_status()?;
        let accepted = totals.apns.accepted + totals.fcm.accepted;
        self.forgotten.fetch_add(accepted, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) async fn totals(&self) -> anyhow::Result<Totals> {
        let get = self.client.get(format!("{}/books", self.url));
        Ok(get.send().await?.error_for_status()?.json().await?)
    }

    /// Pushes accepted since the start.
    pub(crate) async fn accepted(&self) -> anyhow::Result<u64> {
        let totals = self.totals().await?;
        let now = totals.apns.accepted + totals.fcm.accepted;
        Ok(now + self.forgotten.load(Ordering::Relaxed))
    }

    /// Pushes that were answered 200, oldest first, a page at a time.
    pub(crate) async fn delivered(&self, mut each: impl FnMut(Entry)) -> anyhow::Result<()> {
        let mut after = String::new();
        loop {
            let path = format!("{}/books/requests?status=200&limit={PAGE}{after}", self.url);
            let answer = self.client.get(path).send().await?.error_for_status()?;
            let mut page: Value = answer.json().await?;
            let entries: Vec<Entry> = serde_json::from_value(page["requests"].take())
                .context("no requests in the books")?;
            match entries.last() {
                Some(last) if entries.len() == PAGE => after = format!("&after={}", last.seq),
                _ => after.clear(),
            }
            entries.into_iter().for_each(&mut each);
            if after.is_empty() {
                return Ok(());
            }
        }
    }

    /// When this address was first answered 200 after this place of the books, in milliseconds since 1970.
    pub(crate) async fn answered_at(
        &self,
        address: &str,
        after: u64,
    ) -> anyhow::Result<Option<u64>> {
        let after = match after.checked_sub(1) {
            Some(after) => format!("&after={after}"),
            None => String::new(),
        };
        let path = format!(
            "{}/books/requests?status=200&limit=1&address={address}{after}",
            self.url
        );
        let get = self.client.get(path).send().await?.error_for_status()?;
        let page: Value = get.json().await?;
        Ok(page["requests"][0]["at_ms"].as_u64())
    }
}

/// Of both providers.
pub(crate) fn both(totals: &Totals, of: impl Fn(&ProviderTotals) -> u64) -> u64 {
    of(&totals.apns) + of(&totals.fcm)
}

fn tables(name: &str, material: &Material, at: &Addresses, spec: &Spec) -> String {
    let key = &material.apns_key;
    let apns = format!(
        r#"[apps.apns]
key_file = "{name}/AuthKey_{id}.p8"
key_id = "{id}"
team_id = "{team}"
topic = "{topic}"
endpoint_production = "{url}"
ca_file = "{name}/ca.pem"
"#,
        id = key.key_id,
        team = key.team_id,
        topic = material.topic,
        url = at.apns_url(),
    );
    let fcm = format!(
        r#"[apps.fcm]
service_account_file = "{name}/service-account.json"
endpoint = "{url}"
ca_file = "{name}/ca.pem"
rate_max = 1000000
"#,
        url = at.fcm_url(),
    );
    match (spec.has_ios(), spec.has_android()) {
        (true, false) => apns,
        (false, true) => fcm,
        _ => apns + &fcm,
    }
}
