//! `fanfare devices import`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use fanfare_store::{Store, embedded};
use fanfare_types::AppId;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::batch::{Batch, Batches, Taken, Totals};
use super::into_store::IntoStore;
use super::over_api::OverApi;
use super::resume::Resume;
use super::rows::{Place, Rows};
use crate::commands::gateway::Access;
use crate::commands::{EndSignals, Format};
use crate::{config, storage};

/// Register the devices of a file, millions of them if need be.
///
/// A row is a registration (the members of `POST /v1/devices`) and its user_id: a JSON object a line, or CSV with a
/// header line. Rows go through a running gateway, or with --offline straight into the store of a configuration that
/// nothing serves, which is faster and keeps ids, dates and status as the file has them. Importing twice is harmless.
/// An import that was cut off goes on where it was: FILE.progress knows. Bad rows are passed over and listed by their
/// lines; then the status is 1.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file; `-` is standard input.
    file: PathBuf,
    /// How FILE is written; by default what its name says.
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    access: Access,
    /// Requests under way at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    in_flight: u16,
    /// Write into the store itself; refused while a gateway serves it.
    #[arg(long)]
    offline: bool,
    /// With --offline: the configuration file, for its data_dir and the app's rules.
    #[arg(long, default_value = "fanfare.toml", requires = "offline")]
    config: PathBuf,
    /// With --offline: the app, if the configuration has several.
    #[arg(long, requires = "offline")]
    app: Option<String>,
    /// Pass over what is before this line.
    #[arg(long, value_name = "LINE")]
    from_line: Option<u64>,
    /// Begin at the beginning, whatever FILE.progress says.
    #[arg(long)]
    anew: bool,
    /// Print one JSON object: {"registered", "newer", "bad", "errors": [{"line", "faults"}], "seconds", "rows_per_second"}.
    #[arg(long)]
    json: bool,
}

/// Writes that share a commit.
const GROUP_MAX: usize = 4_096;

/// Page cache of a store that is filled.
const CACHE_BYTES: usize = 256 << 20;

pub(super) async fn run(args: &Args) -> anyhow::Result<()> {
    let format = Format::of(&args.file, args.format)?;
    let sink = Sink::open(args)?;
    let resume = match args.file == Path::new("-") {
        true => None,
        false => Some(Resume::beside(&args.file, sink.name())?),
    };
    let from = match &resume {
        Some(resume) if !args.anew && args.from_line.is_none() => resume.place()?,
        _ => Place::default(),
    };
    if from.lines > 0 {
        eprintln!("going on behind line {}", from.lines);
    }
    let rows = Rows::open(&args.file, format, from)?;
    let mut import = Import {
        batches: Batches::new(rows, from, args.from_line.unwrap_or(0)),
        bar: bar(&args.file),
        resume,
        totals: Totals::default(),
        began: Instant::now(),
    };
    let ended = import.run(&sink).await;
    import.bar.finish_and_clear();
    let closed = sink.close().await;
    import.report(args, &ended);
    ended.and(closed)?;
    let bad = import.totals.bad.count;
    ensure!(bad == 0, "{bad} rows are bad and were passed over");
    Ok(())
}

struct Import {
    batches: Batches,
    bar: ProgressBar,
    resume: Option<Resume>,
    totals: Totals,
    began: Instant,
}

impl Import {
    async fn run(&mut self, sink: &Sink) -> anyhow::Result<()> {
        let mut signals = EndSignals::new()?;
        loop {
            let mut batch = self.batches.next()?;
            if batch.is_empty() {
                break;
            }
            let mut taken = tokio::select! {
                taken = sink.take(&batch) => taken?,
                () = signals.next() => anyhow::bail!("ended by a signal; the same command goes on"),
            };
            taken.bad.append(&mut batch.bad);
            taken.bad.sort_by_key(|bad| bad.line);
            self.totals.add(taken);
            self.note(batch.end)?;
        }
        match &self.resume {
            Some(resume) => resume.forget(),
            None => Ok(()),
        }
    }

    fn note(&self, place: Place) -> anyhow::Result<()> {
        let totals = &self.totals;
        self.bar.set_message(format!(
            "{} rows, {:.0}/s",
            indicatif::HumanCount(totals.registered),
            per_second(totals.registered, self.began.elapsed())
        ));
        self.bar.set_position(place.bytes);
        match &self.resume {
            Some(resume) => {
                resume.check()?;
                resume.note(place)
            }
            None => Ok(()),
        }
    }

    fn report(&self, args: &Args, ended: &anyhow::Result<()>) {
        let (totals, took) = (&self.totals, self.began.elapsed());
        let rate = per_second(totals.registered, took);
        if args.json {
            let report = json!({
                "registered": totals.registered, "newer": totals.newer, "bad": totals.bad.count,
                "errors": totals.bad.in_json(), "seconds": took.as_secs_f64(), "rows_per_second": rate,
                "complete": ended.is_ok(),
            });
            println!("{report}");
            return;
        }
        totals.bad.print();
        println!(
            "{} registered in {:.1} s, {rate:.0}/s",
            indicatif::HumanCount(totals.registered),
            took.as_secs_f64()
        );
        if totals.newer > 0 {
            println!(
                "{} were seen later than the file says, and left as they are",
                totals.newer
            );
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn per_second(rows: u64, time: Duration) -> f64 {
    rows as f64 / time.as_secs_f64().max(1e-9)
}

fn bar(file: &Path) -> ProgressBar {
    let bytes = std::fs::metadata(file).map_or(0, |found| found.len());
    if !std::io::stderr().is_terminal() || bytes == 0 {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("importing {wide_bar} {percent}%\n{msg}, {eta} left");
    let bar = ProgressBar::new(bytes).with_message("0 rows");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Where rows go.
enum Sink {
    Api(String, OverApi),
    Store(String, Arc<dyn Store>, Box<IntoStore>),
}

impl Sink {
    fn open(args: &Args) -> anyhow::Result<Self> {
        if !args.offline {
            let api = OverApi::new(args.access.gateway()?, args.in_flight.into());
            return Ok(Sink::Api(args.access.url().to_owned(), api));
        }
        let config = config::load(&args.config)?;
        let wanted = args.app.as_deref();
        let mut apps = config.apps.iter().map(|(_, app)| app);
        let app = match wanted {
            Some(id) => apps.find(|app| app.id.as_str() == id),
            None => apps.next().filter(|_| config.apps.len() == 1),
        };
        let app = app.context("say which app of the configuration: --app ID")?;
        let store = open_store(&config.settings)?;
        let name = into(&config.settings.data_dir, &app.id);
        let sink = IntoStore::new(store.clone(), app.id.clone(), app.registration.clone());
        Ok(Sink::Store(name, store, Box::new(sink)))
    }

    fn name(&self) -> String {
        match self {
            Sink::Api(name, _) | Sink::Store(name, _, _) => name.clone(),
        }
    }

    async fn take(&self, batch: &Batch) -> anyhow::Result<Taken> {
        match self {
            Sink::Api(_, api) => api.take(batch).await,
            Sink::Store(_, _, store) => store.take(batch).await,
        }
    }

    async fn close(&self) -> anyhow::Result<()> {
        match self {
            Sink::Api(..) => Ok(()),
            Sink::Store(_, store, _) => store.close().await.context("closing the store"),
        }
    }
}

fn into(data_dir: &Path, app: &AppId) -> String {
    format!("{app} in {}", data_dir.display())
}

fn open_store(settings: &config::Settings) -> anyhow::Result<Arc<dyn Store>> {
    storage::embedded_only(settings)?;
    let directory = &settings.data_dir;
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot make the data directory {}", directory.display()))?;
    let config = embedded::Config {
        readers: 1,
        group_max: GROUP_MAX,
        cache_bytes: CACHE_BYTES,
        ..embedded::Config::at(&directory.join(storage::STORE_FILE))
    };
    embedded::open(&config).map_err(|error| storage::refused(error, directory))
}
