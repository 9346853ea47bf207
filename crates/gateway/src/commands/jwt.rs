//! `fanfare jwt`: user tokens for development.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use fanfare_types::{Clock, UserId};

use crate::config::units_duration;
use crate::material;

/// Make user JWTs (for development).
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Mint(MintArgs),
}

/// Make an HS256 JWT for a user, and print it.
///
/// For development and tests: in production your identity service signs these. The secret is the one the app's
/// `jwt.hs256_secret_file` names.
#[derive(Debug, clap::Args)]
struct MintArgs {
    /// File with the HS256 secret.
    #[arg(long)]
    secret_file: PathBuf,
    /// The user (claim `sub`).
    #[arg(long)]
    user: String,
    /// How long it lives.
    #[arg(long, default_value = "1h", value_parser = ttl)]
    ttl: Duration,
    /// Further claims, `name=value`; a value that is JSON is taken as JSON.
    #[arg(long = "claim", value_parser = claim)]
    claims: Vec<(String, serde_json::Value)>,
}

fn ttl(text: &str) -> Result<Duration, String> {
    units_duration(text).ok_or_else(|| "write a duration such as 30s, 15m or 1h".to_owned())
}

fn claim(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text.split_once('=').ok_or("write name=value")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| serde_json::Value::from(value));
    Ok((name.to_owned(), value))
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let Command::Mint(args) = &args.command;
    let user = UserId::new(&args.user)
        .map_err(|_| anyhow::anyhow!("a user id is 1 to 128 bytes, no control characters"))?;
    let path = &args.secret_file;
    let secret = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let secret = secret.trim_ascii_end();
    println!(
        "{}",
        material::user_jwt(secret, &user, Clock::system().now(), args.ttl, &args.claims)?
    );
    Ok(())
}
