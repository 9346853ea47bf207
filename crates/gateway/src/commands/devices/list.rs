//! `fanfare devices list`.

use anyhow::Context;

use crate::commands::gateway::Access;

/// List the devices of a user. Tokens are never shown.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    access: Access,
    /// The user.
    #[arg(long)]
    user: String,
    /// Print one JSON object a device, each in a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<()> {
    let path = super::path_of(&args.user).context("no path names this user")?;
    let list = args.access.gateway()?.get(&path).await?;
    let devices = list["devices"].as_array();
    for device in devices.context("the gateway's answer has no devices")? {
        if args.json {
            println!("{device}");
            continue;
        }
        let text = |name: &str| device[name].as_str().unwrap_or("-").to_owned();
        println!(
            "{}  {:<9}  {:<8}  seen {}  {}",
            text("id"),
            text("channel"),
            text("status"),
            text("last_seen_at"),
            text("device_model"),
        );
    }
    Ok(())
}
