//! `fanfare campaign start`, `pause`, `resume`, `cancel` and `rate`. Each answers when it is durable; asking twice does
//! no harm.

use reqwest::Method;
use serde_json::{Value, json};

use crate::commands::gateway::{Access, Gateway, answer};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    access: Access,
    /// The campaign.
    campaign: String,
    /// Print the gateway's answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Change a campaign's rate, while it runs or before.
#[derive(Debug, clap::Args)]
pub(super) struct RateArgs {
    #[command(flatten)]
    access: Access,
    /// The campaign.
    campaign: String,
    /// Pushes a second, or `max` for as fast as may be.
    #[arg(value_parser = rate_of)]
    rate: Rate,
    /// Print the gateway's answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Pushes a second; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate(Option<u32>);

fn rate_of(text: &str) -> Result<Rate, String> {
    if text == "max" {
        return Ok(Rate(None));
    }
    let rate = text
        .parse()
        .ok()
        .filter(|rate| (1..=1_000_000).contains(rate));
    let rate = rate.ok_or("write a whole number from 1 to 1000000, or max")?;
    Ok(Rate(Some(rate)))
}

pub(super) async fn run(args: &Args, verb: &str) -> anyhow::Result<()> {
    let campaign = steer(&args.access.gateway()?, &args.campaign, verb).await?;
    super::print(&campaign, args.json);
    Ok(())
}

pub(super) async fn steer(gateway: &Gateway, id: &str, verb: &str) -> anyhow::Result<Value> {
    let path = super::path(id, &format!("/{verb}"))?;
    answer(gateway.request(Method::POST, &path)).await
}

pub(super) async fn rate(args: &RateArgs) -> anyhow::Result<()> {
    let gateway = args.access.gateway()?;
    let request = gateway.request(Method::PATCH, &super::path(&args.campaign, "")?);
    let campaign = answer(request.json(&json!({ "rate": args.rate.0 }))).await?;
    super::print(&campaign, args.json);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        assert_eq!(rate_of("max"), Ok(Rate(None)));
        assert_eq!(rate_of("500"), Ok(Rate(Some(500))));
        for wrong in ["0", "1000001", "-1", "fast", ""] {
            assert!(rate_of(wrong).is_err(), "{wrong}");
        }
    }
}
