//! `fanfare simulate`: the provider simulators alone.

use std::net::SocketAddr;
use std::path::PathBuf;

use fanfare_simulator::rules::Span;
use fanfare_simulator::{Addresses, Simulator};

use crate::sandbox;

/// Requests in the books, and ids of the fast mode, when no number is given.
const BOOK_ENTRIES: usize = 200_000;
const FAST_IDS: usize = 10_000_000;

/// Run APNs and FCM (with Google's token endpoint) on this machine, for tests and load.
///
/// Real TLS and HTTP/2, strict about what the vendors document. The keys and certificates a gateway needs are
/// made in DIR and kept there; the configuration to paste is printed. The control API (plain HTTP) takes fault
/// rules at /rules and shows every push at /books.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where keys and certificates are kept.
    #[arg(long, default_value = "fanfare-simulator")]
    dir: PathBuf,
    /// Where APNs listens; port 0 chooses a free one.
    #[arg(long, default_value = "127.0.0.1:2197")]
    apns: SocketAddr,
    /// Where FCM listens.
    #[arg(long, default_value = "127.0.0.1:2443")]
    fcm: SocketAddr,
    /// Where the token endpoint listens.
    #[arg(long, default_value = "127.0.0.1:2444")]
    oauth: SocketAddr,
    /// Where the control API listens.
    #[arg(long, default_value = "127.0.0.1:2100")]
    control: SocketAddr,
    /// Time before every answer: 40ms, 50ms-200ms (evenly spread), or lognormal:40ms,p99=300ms (median and tail of a
    /// real service).
    #[arg(long)]
    latency: Option<Span>,
    /// Draws other latencies; the same seed draws the same in the same order.
    #[arg(long, default_value_t = 0)]
    latency_seed: u64,
    /// Addresses that begin so are dead: 410 Unregistered, or 404 UNREGISTERED.
    #[arg(long)]
    dead_prefix: Option<String>,
    /// Accept every push at once and cost next to nothing, so that it is not the simulator that a load test measures:
    /// no rules, no single pushes in the books, only totals and duplicates.
    #[arg(long, conflicts_with_all = ["latency", "dead_prefix"])]
    fast: bool,
    /// Requests kept one by one in the books (with --fast: ids of accepted pushes); beyond them only totals are counted.
    /// Default: 200000; with --fast: 10000000.
    #[arg(long)]
    book_entries: Option<usize>,
    /// Threads that answer.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Print the addresses as one JSON object instead.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(args.threads.max(1))
        .enable_all()
        .build()?
        .block_on(simulate(args))
}

async fn simulate(args: &Args) -> anyhow::Result<()> {
    let material = sandbox::material(&args.dir)?;
    let mut config = material.config();
    config.listen.apns = args.apns;
    config.listen.fcm = args.fcm;
    config.listen.oauth = args.oauth;
    config.listen.control = Some(args.control);
    config.latency = args.latency;
    config.latency_seed = args.latency_seed;
    config.dead_prefix.clone_from(&args.dead_prefix);
    config.fast = args.fast;
    let most = if args.fast { FAST_IDS } else { BOOK_ENTRIES };
    config.limits.book_entries = args.book_entries.unwrap_or(most);
    let simulator = Simulator::start(config).await?;
    let at = simulator.addresses();
    sandbox::write_credentials(&args.dir, &material, at)?;
    if args.json {
        println!("{}", serde_json::to_string(at)?);
    } else {
        explain(args, at, &sandbox::provider_tables(&material, at));
    }
    super::asked_to_end().await?;
    simulator.shutdown().await;
    Ok(())
}

fn explain(args: &Args, at: &Addresses, tables: &str) {
    println!("APNs     {}", at.apns_url());
    println!("FCM      {}", at.fcm_url());
    println!("tokens   {}", at.token_uri());
    if let Some(control) = at.control_url() {
        println!("control  {control}  (GET /books, GET /books/requests, PUT /rules)");
    }
    println!(
        "\nFor an app in a configuration file in {}:\n\n{tables}",
        args.dir.display()
    );
}
