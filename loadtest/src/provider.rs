//! One app's providers: simulators in a process of their own, scripted and read over their control API.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use fanfare_gateway::sandbox;
use fanfare_simulator::{Addresses, Material};
use serde_json::{Value, json};

use crate::process::Process;

/// Entries of the books read at once.
const PAGE: usize = 10_000;

pub(crate) struct Providers {
    process: Process,
    control: String,
    client: reqwest::Client,
    pub(crate) material: Material,
    pub(crate) apns_url: String,
    /// The provider tables of an app that sends to them.
    pub(crate) tables: String,
}

impl Providers {
    /// Starts them with keys of their own in `directory/name`.
    pub(crate) async fn start(
        program: &Path,
        directory: &Path,
        name: &str,
        entries: usize,
    ) -> anyhow::Result<Self> {
        let own: PathBuf = directory.join(name);
        let material = sandbox::material(&own)?;
        let (path, entries) = (
            own.to_str().context("a path in UTF-8")?,
            entries.to_string(),
        );
        let any = "127.0.0.1:0";
        let process = Process::start(
            program,
            &[
                "simulate",
                "--json",
                "--dir",
                path,
                "--book-entries",
                &entries,
                "--apns",
                any,
                "--fcm",
                any,
                "--oauth",
                any,
                "--control",
                any,
            ],
        )
        .await?;
        let at: Addresses =
            serde_json::from_str(&process.line).context("the simulators gave no addresses")?;
        Ok(Providers {
            control: at.control_url().context("no control address")?,
            client: reqwest::Client::new(),
            tables: tables(name, &material, &at),
            apns_url: at.apns_url(),
            material,
            process,
        })
    }

    /// Replaces all rules.
    pub(crate) async fn rules(&self, rules: &Value) -> anyhow::Result<()> {
        let put = self.client.put(format!("{}/rules", self.control));
        let answer = put.json(&json!({ "rules": rules })).send().await?;
        answer
            .error_for_status()
            .context("the rules were refused")?;
        Ok(())
    }

    /// Closes the connections to APNs: what hangs on them is heard of.
    pub(crate) async fn hang_up(&self) -> anyhow::Result<()> {
        let path = format!("{}/connections/apns", self.control);
        self.client.delete(path).send().await?.error_for_status()?;
        Ok(())
    }

    pub(crate) async fn forget(&self) -> anyhow::Result<()> {
        let path = format!("{}/books", self.control);
        self.client.delete(path).send().await?.error_for_status()?;
        Ok(())
    }

    /// Totals of the APNs side.
    pub(crate) async fn totals(&self) -> anyhow::Result<Value> {
        let get = self.client.get(format!("{}/books", self.control));
        let totals: Value = get.send().await?.error_for_status()?.json().await?;
        Ok(totals["apns"].clone())
    }

    /// When each address was first answered 200, in milliseconds since 1970.
    pub(crate) async fn answered(&self) -> anyhow::Result<HashMap<String, u64>> {
        let mut answered = HashMap::new();
        let mut after = String::new();
        loop {
            let path = format!(
                "{}/books/requests?provider=apns&status=200&limit={PAGE}{after}",
                self.control
            );
            let page: Value = self
                .client
                .get(path)
                .send()
                .await?
                .error_for_status()?
                .json()
                .await?;
            let entries = page["requests"]
                .as_array()
                .context("no requests in the books")?;
            for entry in entries {
                let address = entry["address"].as_str().context("no address")?;
                let at = entry["at_ms"].as_u64().context("no time")?;
                answered.entry(address.to_owned()).or_insert(at);
            }
            match entries.last() {
                Some(last) if entries.len() == PAGE => {
                    after = format!("&after={}", last["seq"]);
                }
                _ => return Ok(answered),
            }
        }
    }

    /// When this address was first answered 200, in milliseconds since 1970.
    pub(crate) async fn answered_at(&self, address: &str) -> anyhow::Result<Option<u64>> {
        let path = format!(
            "{}/books/requests?provider=apns&status=200&limit=1&address={address}",
            self.control
        );
        let get = self.client.get(path).send().await?.error_for_status()?;
        let page: Value = get.json().await?;
        Ok(page["requests"][0]["at_ms"].as_u64())
    }

    /// CPU time of the simulators so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<std::time::Duration> {
        self.process.cpu()
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.process.stop().await
    }
}

fn tables(name: &str, material: &Material, at: &Addresses) -> String {
    let key = &material.apns_key;
    format!(
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
    )
}
