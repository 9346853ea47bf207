//! `fanfare campaign`: make, steer and watch campaigns of a running gateway.

mod create;
mod events;
mod show;
mod steer;
mod upload;
mod view;
mod watch;

use clap::Subcommand;

pub(super) use view::View;

use super::gateway::Gateway;

/// Make, steer and watch campaigns of a running gateway.
///
/// A campaign is one message to an audience of any size. CAMPAIGN is its id, as `create` and `list` print it.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(Box<create::Args>),
    List(show::ListArgs),
    Show(show::ShowArgs),
    Watch(watch::Args),
    /// Start a draft, or a scheduled campaign before its time.
    Start(steer::Args),
    /// Hand nothing more over until it is resumed; what a provider has already ends as it ends.
    Pause(steer::Args),
    /// Go on where it was paused; nothing is sent twice.
    Resume(steer::Args),
    /// End it for good; what waits ends as cancelled.
    Cancel(steer::Args),
    Rate(steer::RateArgs),
    Upload(upload::Args),
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let running = async {
        match &args.command {
            Command::Create(args) => create::run(args).await,
            Command::List(args) => show::list(args).await,
            Command::Show(args) => show::show(args).await,
            Command::Watch(args) => watch::run(args).await,
            Command::Start(args) => steer::run(args, "start").await,
            Command::Pause(args) => steer::run(args, "pause").await,
            Command::Resume(args) => steer::run(args, "resume").await,
            Command::Cancel(args) => steer::run(args, "cancel").await,
            Command::Rate(args) => steer::rate(args).await,
            Command::Upload(args) => upload::run(args).await,
        }
    };
    super::runtime()?.block_on(running)
}

/// The path of a campaign, whatever was typed as its id.
fn path(id: &str, rest: &str) -> anyhow::Result<String> {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    anyhow::ensure!(
        !id.is_empty() && id.bytes().all(harmless),
        "\"{}\" is no campaign's id",
        id.escape_debug()
    );
    Ok(format!("/v1/campaigns/{id}{rest}"))
}

/// The gateway's answer about a campaign: as JSON in one line, or in words.
fn print(campaign: &serde_json::Value, as_json: bool) {
    if as_json {
        println!("{campaign}");
    } else {
        println!("{}", View::of(campaign));
    }
}

async fn get(gateway: &Gateway, id: &str) -> anyhow::Result<serde_json::Value> {
    gateway.get(&path(id, "")?).await
}
