//! A gateway with several apps, each with providers of its own, and the people it sends to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use fanfare_gateway::material;
use fanfare_types::AppId;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::books::{self, Outcomes};
use crate::crowd::Crowd;
use crate::fleet::{Spec, user};
use crate::process::Process;
use crate::provider::{Listed, Providers};
use crate::report::Report;
use crate::setup::{Bench, Settings};
use crate::watch::{Watch, Watched};

/// Registrations under way at once while people are made.
const CALLERS: usize = 32;

/// The app of a world with one.
pub(crate) const APP: &str = "shop";

pub(crate) struct World {
    pub(crate) bench: Bench,
    pub(crate) gateway: Process,
    pub(crate) url: String,
    pub(crate) apps: Vec<App>,
    pub(crate) client: reqwest::Client,
    /// Of the first app's devices.
    pub(crate) spec: Spec,
    watch: Watch,
    _directory: TempDir,
}

pub(crate) struct App {
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) providers: Providers,
    /// What the gateway's books said when the providers' were begun anew.
    before: Mutex<BTreeMap<&'static str, Outcomes>>,
}

impl App {
    pub(crate) fn before(&self, channel: &str) -> Outcomes {
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        before.get(channel).cloned().unwrap_or_default()
    }
}

/// What a world is to have.
pub(crate) struct Plan<'p> {
    pub(crate) apps: &'p [&'p str],
    pub(crate) settings: Settings,
    /// What the simulators list.
    pub(crate) listed: Listed,
    /// The first app's devices before the gateway serves.
    pub(crate) crowd: Option<&'p Crowd>,
}

impl<'p> Plan<'p> {
    pub(crate) fn new(bench: &Bench, crowd: Option<&'p Crowd>) -> Self {
        Plan {
            apps: &[APP],
            settings: bench.setup.settings(),
            listed: Listed(1),
            crowd,
        }
    }
}

impl World {
    pub(crate) async fn start(bench: &Bench, plan: Plan<'_>) -> anyhow::Result<World> {
        let directory = tempfile::tempdir().context("making a directory")?;
        let (data, spec) = data(bench, &plan, &directory).await?;
        let mut text = format!(
            "listen = \"127.0.0.1:0\"\ndata_dir = \"{}\"\n{}[log]\nlevel = \"error\"\n",
            data.display(),
            plan.settings.text()
        );
        let mut apps = Vec::new();
        bench.progress.phase("starting gateway and simulators");
        for name in plan.apps {
            let id = AppId::new(name).context("an app's name")?;
            let key = material::api_key(&id)?.expose().clone();
            let sha256 = material::sha256_hex(key.as_bytes());
            let providers =
                Providers::start(bench, directory.path(), name, plan.listed, &spec).await?;
            text.push_str(&format!(
                "[[apps]]\nid = \"{name}\"\n[[apps.api_keys]]\nname = \"load\"\nsha256 = \"{sha256}\"\nkind = \"service\"\n{}",
                providers.tables
            ));
            apps.push(App {
                name: (*name).to_owned(),
                key,
                providers,
                before: Mutex::default(),
            });
        }
        let config = directory.path().join("fanfare.toml");
        std::fs::write(&config, text).context("writing the configuration")?;
        let config = config.to_str().context("a path in UTF-8")?;
        let cores = bench.setup.gateway_cores.as_deref();
        let gateway = Process::start(&bench.program, cores, &["serve", "--config", config]).await?;
        let url = gateway
            .line
            .rsplit(' ')
            .next()
            .context("no address")?
            .to_owned();
        bench.progress.phase("running");
        Ok(World {
            watch: watch(bench, &gateway, &apps)?,
            bench: bench.clone(),
            gateway,
            url,
            apps,
            client: reqwest::Client::new(),
            spec,
            _directory: directory,
        })
    }

    /// Gives these users of an app `each` devices; the n-th device's address is that of the spec's n-th.
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
            let request = self.registration(app, n, &user(n / each));
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

    /// The registration of the spec's n-th device for this user, not sent yet.
    pub(crate) fn registration(&self, app: &App, n: usize, user: &str) -> reqwest::RequestBuilder {
        let path = format!("{}/v1/users/{user}/devices", self.url);
        let body = json!({ "channel": self.spec.channel(n), "token": self.spec.address(n) });
        self.client.post(path).bearer_auth(&app.key).json(&body)
    }

    /// A notification to these users, not sent yet.
    pub(crate) fn notification(
        &self,
        app: &App,
        users: impl Iterator<Item = usize>,
    ) -> reqwest::RequestBuilder {
        let users: Vec<String> = users.map(user).collect();
        let message = self.bench.setup.message();
        let body = json!({ "to": { "users": users }, "message": message });
        let post = self.client.post(format!("{}/v1/notifications", self.url));
        post.bearer_auth(&app.key).json(&body)
    }

    /// Waits until the gateway holds nothing any more.
    pub(crate) async fn is_idle(&self) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        for _ in 0..1800 {
            tick.tick().await;
            let stats = self.client.get(format!("{}/v1/stats", self.url));
            let stats = stats.bearer_auth(&self.apps[0].key).send().await?;
            let stats: Value = stats.json().await?;
            if stats["permits_taken"] == 0 {
                return Ok(());
            }
        }
        bail!("the gateway still holds deliveries after three minutes")
    }

    pub(crate) async fn metrics(&self) -> anyhow::Result<String> {
        let get = self.client.get(format!("{}/metrics", self.url));
        Ok(get.send().await?.error_for_status()?.text().await?)
    }

    /// Checks the books of an app and begins new ones.
    pub(crate) async fn new_books(&self, app: &App, report: &mut Report) -> anyhow::Result<()> {
        report
            .faults
            .extend(books::check(self, &[app]).await?.faults);
        app.providers.control.forget().await?;
        let now = Outcomes::now(&self.metrics().await?, &app.name);
        *app.before.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(())
    }

    /// Ends everything. The report has the curves, a row a process and the books of these apps, which must agree.
    pub(crate) async fn finish(self, apps: usize, report: &mut Report) -> anyhow::Result<()> {
        let checked: Vec<&App> = self.apps.iter().take(apps).collect();
        let checked = books::check(&self, &checked).await?;
        report.faults.extend(checked.faults);
        report.rows.extend(checked.rows);
        let (series, rows) = self.watch.stop();
        report.series.extend(series);
        report.rows.extend(rows);
        self.gateway.stop().await?;
        for app in self.apps {
            app.providers.stop().await?;
        }
        Ok(())
    }
}

/// The data directory, and what its first app's devices are.
async fn data(
    bench: &Bench,
    plan: &Plan<'_>,
    directory: &TempDir,
) -> anyhow::Result<(PathBuf, Spec)> {
    let own = directory.path().join("data");
    let Some(crowd) = plan.crowd else {
        return Ok((own, bench.setup.spec(0)));
    };
    let data = match &crowd.dir {
        Some(kept) => std::path::absolute(kept)?,
        None => own,
    };
    let first = plan.apps.first().context("an app for the crowd")?;
    let first = AppId::new(first).context("an app's name")?;
    let spec = crowd.ready(bench, &data, &first).await?;
    Ok((data, spec))
}

fn watch(bench: &Bench, gateway: &Process, apps: &[App]) -> anyhow::Result<Watch> {
    let mut watched = vec![Watched {
        name: "gateway".to_owned(),
        process: gateway.id()?,
    }];
    for app in apps {
        let name = match apps.len() {
            1 => "simulators".to_owned(),
            _ => format!("simulators of {}", app.name),
        };
        let process = app.providers.process.id()?;
        watched.push(Watched { name, process });
    }
    watched.push(Watched {
        name: "load generator".to_owned(),
        process: std::process::id(),
    });
    let controls = apps.iter().map(|app| app.providers.control.clone());
    Ok(Watch::start(
        watched,
        controls.collect(),
        bench.progress.clone(),
    ))
}
