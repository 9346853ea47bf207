//! A gateway with several apps, each with providers of its own, and the people it sends to.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use fanfare_gateway::material;
use fanfare_types::AppId;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::crowd;
use crate::process::Process;
use crate::provider::Providers;

/// Registrations under way at once while people are made.
const CALLERS: usize = 32;

pub(crate) struct World {
    pub(crate) gateway: Process,
    pub(crate) url: String,
    pub(crate) apps: Vec<App>,
    pub(crate) client: reqwest::Client,
    _directory: TempDir,
}

/// Devices that the first app has before its gateway serves.
#[derive(Debug, clap::Args)]
pub(crate) struct Crowd {
    /// Devices of the campaign's audience.
    #[arg(long, default_value_t = 500_000)]
    pub(crate) devices: usize,
    /// Where they are kept between runs, so that a large crowd is registered once. Default: a directory that goes
    /// away.
    #[arg(long)]
    dir: Option<PathBuf>,
}

pub(crate) struct App {
    pub(crate) key: String,
    pub(crate) providers: Providers,
}

impl World {
    /// One app a name; `settings` are lines of the configuration before the apps.
    pub(crate) async fn start(
        program: &Path,
        names: &[&str],
        settings: &str,
        entries: usize,
    ) -> anyhow::Result<World> {
        World::start_with(program, names, settings, entries, None).await
    }

    /// As [`World::start`], with a crowd.
    pub(crate) async fn start_with(
        program: &Path,
        names: &[&str],
        settings: &str,
        entries: usize,
        crowd: Option<&Crowd>,
    ) -> anyhow::Result<World> {
        let directory = tempfile::tempdir().context("making a directory")?;
        let mut data = directory.path().join("data");
        if let Some(crowd) = crowd {
            if let Some(kept) = &crowd.dir {
                data = std::path::absolute(kept)?;
            }
            let first = names.first().context("an app for the crowd")?;
            let first = AppId::new(first).context("an app's name")?;
            crowd::register(&data, &first, crowd.devices).await?;
        }
        let data = data.display();
        let mut text = format!(
            "listen = \"127.0.0.1:0\"\ndata_dir = \"{data}\"\n{settings}\n[log]\nlevel = \"error\"\n"
        );
        let mut apps = Vec::new();
        for name in names {
            let id = AppId::new(name).context("an app's name")?;
            let key = material::api_key(&id)?.expose().clone();
            let sha256 = material::sha256_hex(key.as_bytes());
            let providers = Providers::start(program, directory.path(), name, entries).await?;
            text.push_str(&format!(
                "[[apps]]\nid = \"{name}\"\n[[apps.api_keys]]\nname = \"load\"\nsha256 = \"{sha256}\"\nkind = \"service\"\n{}",
                providers.tables
            ));
            apps.push(App { key, providers });
        }
        let config = directory.path().join("fanfare.toml");
        std::fs::write(&config, text).context("writing the configuration")?;
        let config = config.to_str().context("a path in UTF-8")?;
        let gateway = Process::start(program, &["serve", "--config", config]).await?;
        let url = gateway
            .line
            .rsplit(' ')
            .next()
            .context("no address")?
            .to_owned();
        Ok(World {
            gateway,
            url,
            apps,
            client: reqwest::Client::new(),
            _directory: directory,
        })
    }

    /// Gives these users of an app `each` devices; the n-th device's address is [`address`] of n.
    pub(crate) async fn people(
        &self,
        app: &App,
        users: std::ops::Range<usize>,
        each: usize,
    ) -> anyhow::Result<()> {
        let mut under_way = tokio::task::JoinSet::new();
        for n in users.start * each..users.end * each {
            if under_way.len() >= CALLERS {
                under_way
                    .join_next()
                    .await
                    .context("nobody registers")???;
            }
            let path = format!("{}/v1/users/{}/devices", self.url, user(n / each));
            let body = json!({ "channel": "ios_push", "token": address(n) });
            let request = self.client.post(path).bearer_auth(&app.key).json(&body);
            under_way.spawn(async move {
                request.send().await?.error_for_status()?;
                anyhow::Ok(())
            });
        }
        while let Some(registered) = under_way.join_next().await {
            registered??;
        }
        Ok(())
    }

    /// A notification to these users, not sent yet.
    pub(crate) fn notification(
        &self,
        app: &App,
        users: std::ops::Range<usize>,
    ) -> reqwest::RequestBuilder {
        let users: Vec<String> = users.map(user).collect();
        let body = json!({
            "to": { "users": users },
            "message": { "title": "Your receipt", "body": "Thank you for your order" },
        });
        let post = self.client.post(format!("{}/v1/notifications", self.url));
        post.bearer_auth(&app.key).json(&body)
    }

    /// Waits until the gateway holds nothing any more.
    pub(crate) async fn is_idle(&self) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(200));
        for _ in 0..900 {
            tick.tick().await;
            let stats = self.client.get(format!("{}/v1/stats", self.url));
            let stats: Value = stats
                .bearer_auth(&self.apps[0].key)
                .send()
                .await?
                .json()
                .await?;
            if stats["permits_taken"] == 0 {
                return Ok(());
            }
        }
        bail!("the gateway still holds deliveries after three minutes")
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.gateway.stop().await?;
        for app in self.apps {
            app.providers.stop().await?;
        }
        Ok(())
    }
}

pub(crate) fn user(n: usize) -> String {
    format!("user-{n}")
}

/// The APNs address of the n-th user.
pub(crate) fn address(n: usize) -> String {
    format!("{n:064x}")
}
