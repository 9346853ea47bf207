//! `fanfare schema`: the tables of a store on ScyllaDB.

use anyhow::{Context, bail};
use clap::Subcommand;
use fanfare_store::scylla::schema::{self, VERSION};
use serde_json::json;

use super::cluster::Place;

/// Make, upgrade and check the tables of a store on ScyllaDB or Cassandra.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the keyspace and the tables, as far as they are missing, or upgrade them.
    ///
    /// May be run twice, and from two machines at once. Run it before the first `serve`, and before the gateways of a
    /// newer version are started; those of the version before go on serving meanwhile. The user needs the right to
    /// create keyspace and tables; the gateways themselves need not have it. Ends with status 0 when the tables are
    /// there, 1 when not.
    Apply(Which),
    /// Say whether the tables fit this program; change nothing.
    ///
    /// Ends with status 0 when they do, 1 when not, or when the cluster cannot be reached.
    Check(Which),
}

#[derive(Debug, clap::Args)]
struct Which {
    #[command(flatten)]
    place: Place,
    /// Print one JSON object: {"ok", "keyspace", "found", "needed"}; found is 0 where there are no tables.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    super::runtime()?.block_on(async {
        match &args.command {
            Command::Apply(which) => apply(which).await,
            Command::Check(which) => check(which).await,
        }
    })
}

async fn apply(which: &Which) -> anyhow::Result<()> {
    let config = which.place.cluster()?;
    let before = schema::apply(&config).await;
    let before = before.context("the schema was not applied; run it again when this is mended")?;
    if which.json {
        let ok =
            json!({"ok": true, "keyspace": config.keyspace, "found": before, "needed": VERSION});
        println!("{ok}");
        return Ok(());
    }
    let keyspace = &config.keyspace;
    match before {
        0 => println!("keyspace {keyspace} has its tables: schema {VERSION}"),
        VERSION => println!("keyspace {keyspace} has schema {VERSION} already"),
        before => println!("keyspace {keyspace} was upgraded from schema {before} to {VERSION}"),
    }
    Ok(())
}

async fn check(which: &Which) -> anyhow::Result<()> {
    let config = which.place.cluster()?;
    let found = schema::check(&config).await;
    let found = found.context("the schema cannot be looked at")?;
    let (ok, keyspace) = (found == VERSION, &config.keyspace);
    if which.json {
        println!(
            "{}",
            json!({"ok": ok, "keyspace": keyspace, "found": found, "needed": VERSION})
        );
    }
    match found {
        VERSION if which.json => {}
        VERSION => println!("keyspace {keyspace} has schema {VERSION}, as this program needs"),
        0 => bail!("keyspace {keyspace} has no tables: run `fanfare schema apply`"),
        found if found > VERSION => bail!(
            "keyspace {keyspace} has schema {found}, and this program knows up to {VERSION}: use the newer fanfare"
        ),
        found => bail!(
            "keyspace {keyspace} has schema {found}, and this program needs {VERSION}: run `fanfare schema apply`"
        ),
    }
    Ok(())
}
