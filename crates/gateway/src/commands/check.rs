//! `fanfare check`: is this configuration usable?

use std::path::PathBuf;

use fanfare_ingress::AppDoor;

use crate::config;

/// Check a configuration and its credentials, and name every fault at once.
///
/// Reads the file, the FANFARE_… variables and every key file, as `serve` would, but starts nothing. Ends with
/// status 0 when `serve` would start with it, 2 when not.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file.
    #[arg(long, default_value = "fanfare.toml")]
    config: PathBuf,
    /// Print one JSON object: {"ok", "faults": [{"place", "key", "message"}]}.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let loaded = config::load(&args.config);
    if args.json {
        print_json(&loaded)?;
    }
    let config = loaded?;
    if !args.json {
        println!("{} is usable", args.config.display());
        for (door, app) in &config.apps {
            println!("  app {}: {}", app.id, summary(door, app));
        }
    }
    Ok(())
}

fn summary(door: &AppDoor, app: &fanfare_actors::App) -> String {
    let apns = match &app.apns {
        Some(apns) if apns.signer.is_some() => format!("APNs with a key ({})", apns.topic),
        Some(apns) => format!("APNs with a certificate ({})", apns.topic),
        None => "no APNs".to_owned(),
    };
    let fcm = app.fcm.as_ref().map_or_else(
        || "no FCM".to_owned(),
        |fcm| format!("FCM (project {})", fcm.account.project_id()),
    );
    let jwt = if door.jwt.is_some() {
        "JWTs"
    } else {
        "no JWTs"
    };
    format!("{apns}, {fcm}, {} API keys, {jwt}", door.api_keys.len())
}

fn print_json(loaded: &Result<config::Config, config::Unusable>) -> anyhow::Result<()> {
    let fault = |place: String, key: &str, message: &str| serde_json::json!({ "place": place, "key": key, "message": message });
    let faults: Vec<_> = match loaded {
        Ok(_) => Vec::new(),
        Err(config::Unusable::File(_, error)) => {
            vec![fault("file".to_owned(), "", &error.to_string())]
        }
        Err(config::Unusable::Faults(faults)) => faults
            .0
            .iter()
            .map(|found| fault(found.origin.to_string(), &found.key, &found.message))
            .collect(),
    };
    println!(
        "{}",
        serde_json::to_string(&serde_json::json!({ "ok": loaded.is_ok(), "faults": faults }))?
    );
    Ok(())
}
