//! `fanfare-loadtest seed`: a registry of any size, to be measured by the other commands.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use fanfare_types::AppId;

use crate::crowd;
use crate::fleet::Share;
use crate::report::{Figure, Report, Row};
use crate::setup::Bench;
use crate::world::APP;

/// Fills a data directory with made-up devices, one a user (`user-0`, `user-1`, …), straight into the store. The
/// other commands take it by `--dir`. A directory that has just these is left as it is.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The data directory.
    #[arg(long)]
    dir: PathBuf,
    #[arg(long, default_value_t = 1_000_000)]
    devices: usize,
    /// Percent of each: `ios=70,android=30`. Default: as `--provider` says.
    #[arg(long)]
    platforms: Option<String>,
    /// Percent of the devices whose address is dead: the provider answers 410 or 404.
    #[arg(long, default_value_t = 0.0)]
    dead: f64,
    /// Percent with each locale; the rest has none.
    #[arg(long, default_value = "de-AT=34,en-GB=33,pt-BR=33")]
    locales: String,
    /// Percent with each tag; a device may have any of them. Everybody has the tag `crowd`, too.
    #[arg(long)]
    tags: Option<String>,
}

pub(crate) async fn run(bench: &Bench, args: &Args) -> anyhow::Result<Report> {
    let mut spec = bench.setup.spec(args.devices);
    let list = |text: &str| Share::list(text).map_err(anyhow::Error::msg);
    if let Some(platforms) = &args.platforms {
        spec.ios_percent = ios(&list(platforms)?)?;
    }
    spec.dead_percent = args.dead;
    spec.locales = list(&args.locales)?;
    spec.tags = args.tags.as_deref().map_or(Ok(Vec::new()), list)?;
    let app = AppId::new(APP).context("an app's name")?;
    let data = std::path::absolute(&args.dir)?;
    let start = Instant::now();
    let before = crate::usage::Usage::of(std::process::id())?.cpu;
    crowd::fill(&bench.progress, &data, &app, &spec).await?;
    let seconds = start.elapsed().as_secs_f64();
    let cpu = crate::usage::Usage::of(std::process::id())?.cpu - before;
    let store = std::fs::metadata(data.join(fanfare_gateway::storage::STORE_FILE))?.len() as f64;
    let devices = spec.devices as f64;
    let mut report = Report::new(format!(
        "{} devices in {}",
        args.devices,
        args.dir.display()
    ));
    report.rows.push(Row::new(
        "seeded",
        vec![
            Figure::new("devices", devices),
            Figure::new("s", seconds),
            Figure::new("devices/s", devices / seconds),
            Figure::new("CPU us each", cpu.as_secs_f64() * 1e6 / devices),
            Figure::new("store MiB", store / 1024.0 / 1024.0),
            Figure::new("bytes each", store / devices),
        ],
    ));
    Ok(report)
}

fn ios(platforms: &[Share]) -> anyhow::Result<f64> {
    let mut found = [0.0, 0.0];
    for share in platforms {
        match share.word.as_str() {
            "ios" => found[0] += share.percent,
            "android" => found[1] += share.percent,
            other => anyhow::bail!("{other} is no platform here: ios, android"),
        }
    }
    let [ios, android] = found;
    anyhow::ensure!(
        (ios + android - 100.0).abs() < 1e-6,
        "the platforms' shares add up to {} %",
        ios + android
    );
    Ok(ios)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_make_up_the_whole() {
        let of = |text: &str| ios(&Share::list(text).unwrap());
        assert_eq!(of("ios=70,android=30").unwrap(), 70.0);
        assert_eq!(of("android=100").unwrap(), 0.0);
        assert!(of("ios=70").is_err() && of("ios=50,windows=50").is_err());
    }
}
