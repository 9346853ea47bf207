//! `fanfare keys`: API keys for services and agents.

use fanfare_types::AppId;

use crate::material;

/// Make API keys.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    New(NewArgs),
}

/// Make a new API key: prints the key (this once) and the configuration block that admits it.
///
/// Only the key's SHA-256 goes into the configuration; the key itself is kept nowhere, so hand it to the
/// service that will use it now.
#[derive(Debug, clap::Args)]
struct NewArgs {
    /// The app the key is for.
    #[arg(long, value_parser = app)]
    app: AppId,
    /// A name for people, shown in logs and metrics.
    #[arg(long)]
    name: String,
    /// `service` sends and manages devices; `agent` may do nothing on /v1/devices.
    #[arg(long, default_value = "service", value_parser = ["service", "agent"])]
    kind: String,
    /// Print one JSON object: {"key", "name", "sha256", "kind"}.
    #[arg(long)]
    json: bool,
}

pub(crate) fn app(text: &str) -> Result<AppId, String> {
    AppId::new(text).map_err(|_| "an app id is 1 to 32 of a-z, 0-9 and -".to_owned())
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let Command::New(args) = &args.command;
    let key = material::api_key(&args.app)?;
    let sha256 = material::sha256_hex(key.expose().as_bytes());
    let (name, kind) = (&args.name, &args.kind);
    if args.json {
        let json = serde_json::json!({ "key": key.expose(), "name": name, "sha256": sha256, "kind": kind });
        println!("{json}");
        return Ok(());
    }
    println!("{}", key.expose());
    eprintln!(
        "\nThis key is shown once. Admit it with this block under the app \"{}\":\n",
        args.app
    );
    let name = toml::Value::String(name.clone());
    println!("[[apps.api_keys]]\nname = {name}\nsha256 = \"{sha256}\"\nkind = \"{kind}\"");
    Ok(())
}
