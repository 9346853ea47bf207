//! `fanfare-loadtest`: a gateway and its provider simulators as processes of their own, load from outside, and a
//! report with what it is compared to.
//!
//! Latencies count from the intended start of each request (open loop), so that a gateway that falls behind is not
//! excused by a generator that waits for it.

#![allow(clippy::print_stdout, reason = "reports are printed")]

mod arrivals;
mod campaign;
mod crowd;
mod floor;
mod isolation;
mod mix;
mod overload;
mod process;
mod provider;
mod report;
mod world;

use clap::Parser;

/// Measure a gateway under load.
#[derive(Debug, Parser)]
#[command(version, about, long_about = None)]
struct Cli {
    /// The gateway's program. Default: `fanfare` beside this one.
    #[arg(long, global = true)]
    fanfare: Option<std::path::PathBuf>,
    /// The report as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Campaign(campaign::Args),
    Isolation(isolation::Args),
    Mix(mix::Args),
    Overload(overload::Args),
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let ours = rustls::crypto::aws_lc_rs::default_provider();
    // Somebody else may have installed one; it is the same.
    drop(ours.install_default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let program = process::program(cli.fanfare)?;
    let report = runtime.block_on(async {
        match &cli.command {
            Command::Campaign(args) => campaign::run(&program, args).await,
            Command::Mix(args) => mix::run(&program, args).await,
            Command::Isolation(args) => isolation::run(&program, args).await,
            Command::Overload(args) => overload::run(&program, args).await,
        }
    })?;
    if cli.json {
        println!("{:#}", report.json());
    } else {
        println!("{report}");
    }
    report.verdict()
}
