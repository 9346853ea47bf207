//! `fanfare campaign list` and `show`.

use anyhow::Context;
use serde_json::Value;

use super::View;
use super::view::grouped;
use crate::commands::gateway::Access;

/// List campaigns, the newest first.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    access: Access,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    limit: u64,
    /// Print one JSON object a campaign, each in a line.
    #[arg(long)]
    json: bool,
}

/// Say how a campaign stands.
#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    access: Access,
    /// The campaign.
    campaign: String,
    /// Print the gateway's answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Campaigns of one request.
const PAGE: u64 = 100;

pub(super) async fn list(args: &ListArgs) -> anyhow::Result<()> {
    let gateway = args.access.gateway()?;
    let (mut left, mut cursor) = (args.limit, String::new());
    while left > 0 {
        let path = format!("/v1/campaigns?limit={}{cursor}", left.min(PAGE));
        let page = gateway.get(&path).await?;
        let rows = page["campaigns"].as_array();
        let rows = rows.context("the gateway's answer has no campaigns")?;
        rows.iter().for_each(|row| print_row(row, args.json));
        left = left.saturating_sub(rows.len() as u64);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    Ok(())
}

fn print_row(row: &Value, as_json: bool) {
    if as_json {
        println!("{row}");
        return;
    }
    let view = View::of(row);
    let counts = &view.counts;
    let about = if counts.estimated { "about " } else { "" };
    println!(
        "{}  {:<9}  {} of {about}{}  {}",
        view.id,
        view.state,
        grouped(counts.ended()),
        grouped(counts.total),
        view.name
    );
}

pub(super) async fn show(args: &ShowArgs) -> anyhow::Result<()> {
    let gateway = args.access.gateway()?;
    let campaign = super::get(&gateway, &args.campaign).await?;
    super::print(&campaign, args.json);
    if !args.json {
        super::upload::print_bad_rows(&campaign["upload"]);
    }
    Ok(())
}
