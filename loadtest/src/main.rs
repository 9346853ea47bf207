//! `fanfare-loadtest`: a gateway and its provider simulators as processes of their own, load from outside, and a
//! report with what it is compared to.
//!
//! Latencies count from the intended start of each request (open loop), so that a gateway that falls behind is not
//! excused by a generator that waits for it.

#![allow(clippy::print_stdout, reason = "reports are printed")]

mod arrivals;
mod books;
mod campaign;
mod compare;
mod crowd;
mod fleet;
mod floor;
mod isolation;
mod latencies;
mod mix;
mod notify;
mod overload;
mod process;
mod progress;
mod provider;
mod register;
mod report;
mod seed;
mod setup;
mod soak;
mod usage;
mod watch;
mod world;

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;

use crate::progress::Progress;
use crate::report::Report;
use crate::setup::{Bench, Setup};

/// Measure a gateway under load. Every command starts the gateway and the provider simulators it needs as processes of
/// their own, checks the books of both against each other, and fails when they differ.
#[derive(Debug, Parser)]
#[command(version, about, long_about = None, max_term_width = 100)]
struct Cli {
    /// The gateway's program. Default: `fanfare` beside this one.
    #[arg(long, global = true)]
    fanfare: Option<PathBuf>,
    /// The report as JSON.
    #[arg(long, global = true)]
    json: bool,
    /// The report as one page with plots, too.
    #[arg(long, global = true, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Nothing while it runs.
    #[arg(long, global = true)]
    quiet: bool,
    #[command(flatten)]
    setup: Setup,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Seed(seed::Args),
    Notify(notify::Args),
    Campaign(campaign::Args),
    Mix(mix::Args),
    Register(register::Args),
    Soak(soak::Args),
    Floor(floor::Args),
    Compare(compare::Args),
    Isolation(isolation::Args),
    Overload(overload::Args),
    /// The process of `floor --own`.
    #[command(hide = true, name = floor::own::COMMAND)]
    FloorClient,
}

/// Carries a command out.
async fn perform(bench: &Bench, command: &Command) -> anyhow::Result<Report> {
    match command {
        Command::Seed(args) => Box::pin(seed::run(bench, args)).await,
        Command::Notify(args) => Box::pin(notify::run(bench, args)).await,
        Command::Campaign(args) => Box::pin(campaign::run(bench, args)).await,
        Command::Mix(args) => Box::pin(mix::run(bench, args)).await,
        Command::Register(args) => Box::pin(register::run(bench, args)).await,
        Command::Soak(args) => Box::pin(soak::run(bench, args)).await,
        Command::Floor(args) => Box::pin(floor::run(bench, args)).await,
        Command::Compare(args) => Box::pin(compare::run(bench, args)).await,
        Command::Isolation(args) => Box::pin(isolation::run(bench, args)).await,
        Command::Overload(args) => Box::pin(overload::run(bench, args)).await,
        Command::FloorClient => anyhow::bail!("this has no report"),
    }
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let ours = rustls::crypto::aws_lc_rs::default_provider();
    // Somebody else may have installed one; it is the same.
    drop(ours.install_default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    if matches!(cli.command, Command::FloorClient) {
        println!("{}", runtime.block_on(floor::own::serve())?);
        return Ok(());
    }
    let bench = Bench {
        program: process::program(cli.fanfare.clone())?,
        setup: cli.setup.clone(),
        progress: Progress::new(cli.quiet),
    };
    let performed = runtime.block_on(perform(&bench, &cli.command));
    bench.progress.done();
    let mut report = performed?;
    report.command = std::env::args().collect::<Vec<_>>().join(" ");
    report.settings = cli.setup.list();
    if let Some(file) = &cli.html {
        let page = report::page(&report);
        std::fs::write(file, page).with_context(|| format!("writing {}", file.display()))?;
    }
    if cli.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    report.verdict()
}
