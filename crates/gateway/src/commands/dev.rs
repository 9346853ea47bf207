//! `fanfare dev`: a gateway to play with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use fanfare_simulator::Simulator;
use fanfare_telemetry::logs;
use fanfare_types::{Clock, UserId};

use crate::app::App;
use crate::config;
use crate::material;
use crate::sandbox::{self, Sandbox};

/// Run a gateway with provider simulators, a sample app and keys; nothing to configure.
///
/// Everything lives in DIR: keys, certificates, the configuration file and the store, so that the next run goes
/// on where this one ended. Prints curl lines to paste.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where everything is kept.
    #[arg(long, default_value = "fanfare-dev")]
    dir: PathBuf,
    /// The API's address.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

/// The user of the printed lines.
const USER: &str = "ada";

pub fn run(args: &Args) -> anyhow::Result<()> {
    super::runtime()?.block_on(dev(args))
}

async fn dev(args: &Args) -> anyhow::Result<()> {
    let material = sandbox::material(&args.dir)?;
    let mut simulated = material.config();
    simulated.dead_prefix = Some("dead".to_owned());
    let simulator = Simulator::start(simulated).await?;
    let sandbox = sandbox::write(&args.dir, &material, simulator.addresses(), args.listen)?;
    let config = config::load(&sandbox.config)?;
    logs::init(&config.settings.log.level, config.settings.log.format)?;
    let app = App::start(config).await?;
    explain(&sandbox, &app, &simulator)?;
    tokio::select! {
        asked = super::asked_to_end() => asked?,
        reason = app.failed() => anyhow::bail!("cannot go on: {reason}"),
    }
    app.drain().await?;
    simulator.shutdown().await;
    Ok(())
}

fn explain(sandbox: &Sandbox, app: &App, simulator: &Simulator) -> anyhow::Result<()> {
    let url = format!("http://{}", app.api);
    let key = sandbox.api_key.expose();
    let user = UserId::new(USER).context("the sample user")?;
    let secret = sandbox.jwt_secret.expose().as_bytes();
    let jwt = material::user_jwt(
        secret,
        &user,
        Clock::system().now(),
        Duration::from_secs(86_400),
        &[],
    )?;
    let control = simulator.addresses().control_url().unwrap_or_default();
    let token = "0123456789abcdef".repeat(4);
    println!(
        r#"Fanfare serves {url} (configuration: {config})
APNs and FCM are simulated; their books are at {control}/books

Register a device, as the user "{USER}" (a JWT of a day):

  curl -s {url}/v1/devices -H 'Authorization: Bearer {jwt}' \
    --json '{{"channel": "ios_push", "token": "{token}", "device_model": "iPhone15,3"}}'

Send, as a service:

  curl -s {url}/v1/notifications -H 'Authorization: Bearer {key}' \
    --json '{{"to": {{"users": ["{USER}"]}}, "message": {{"title": "Hello", "body": "It works"}}}}'

Look up what became of it (put the id of the answer before in place of ID):

  curl -s {url}/v1/notifications/ID -H 'Authorization: Bearer {key}'
  curl -s {url}/v1/notifications/ID/deliveries -H 'Authorization: Bearer {key}'

Send everybody a campaign, and watch it (the key may also be in FANFARE_KEY, the URL in FANFARE_URL):

  fanfare campaign create --url {url} --key {key} \
    --name hello --title 'Hello, everybody' --all --start --watch

What the provider saw:

  curl -s {control}/books/requests

Addresses that begin with "dead" are dead. Ctrl-C ends."#,
        config = sandbox.config.display(),
    );
    Ok(())
}
