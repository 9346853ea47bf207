//! What people type. Each command is a module of `commands`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::gateway::NoKey;
use crate::commands::serve::Unfinished;
use crate::commands::{
    campaign, check, demo, dev, devices, health, jwt, keys, nodes, schema, send, serve, simulate,
    store,
};
use crate::config::Unusable;

/// A push gateway: one HTTP API in front of APNs and FCM, with a device registry, and nothing accepted is lost.
#[derive(Debug, Parser)]
#[command(name = "fanfare", version, max_term_width = 100)]
#[command(
    after_help = "Try `fanfare demo` to see it work, and `fanfare dev` to play with it.\n\nExit status: 0 done, 1 failed, 2 wrong usage or configuration, 3 `serve` ended before every answer was there (nothing is lost)."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Check(check::Args),
    Dev(dev::Args),
    Demo(demo::Args),
    Simulate(simulate::Args),
    Store(store::Args),
    Schema(schema::Args),
    Nodes(nodes::Args),
    Health(health::Args),
    Send(send::Args),
    Campaign(campaign::Args),
    Devices(devices::Args),
    Keys(keys::Args),
    Jwt(jwt::Args),
}

/// Runs what the command line asks for.
pub fn run() -> ExitCode {
    // One crypto provider for the whole process; an error would mean that it is installed already.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let done = match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Dev(args) => dev::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Store(args) => store::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Nodes(args) => nodes::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Campaign(args) => campaign::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Keys(args) => keys::run(&args),
        Command::Jwt(args) => jwt::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::commands::complain(&format!("fanfare: {error:#}"));
            if error.is::<Unusable>() || error.is::<NoKey>() {
                ExitCode::from(2)
            } else if error.is::<Unfinished>() {
                ExitCode::from(3)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}
