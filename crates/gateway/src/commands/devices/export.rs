//! `fanfare devices export`.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use fanfare_store::embedded;
use fanfare_types::{AppId, Device};
use indicatif::ProgressBar;
use serde_json::{Map, Value, json};

use super::row::{self, FIELDS};
use crate::commands::Format;
use crate::{config, storage};

/// Write every device of an app to a file that `import` reads, while the gateway serves or not.
///
/// It is one state of the store. Tokens are secrets, and are written only with --with-tokens; without them the file
/// tells of the devices but cannot be imported. Delivery facts (last_used_at, counts) are not written.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file to make; `-` is standard output.
    file: PathBuf,
    /// How FILE is written; by default what its name says.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The configuration file, for its data_dir and apps.
    #[arg(long, default_value = "fanfare.toml")]
    config: PathBuf,
    /// The directory of the store; no configuration is read then.
    #[arg(long, value_name = "DIR", conflicts_with = "config", requires = "app")]
    data_dir: Option<PathBuf>,
    /// The app, if the configuration has several.
    #[arg(long)]
    app: Option<String>,
    /// Write tokens, too: whoever has the file and the app's keys can push to every device.
    #[arg(long)]
    with_tokens: bool,
    /// Replace the file if it is there.
    #[arg(long)]
    force: bool,
    /// Print one JSON object: {"file", "devices", "with_tokens"}.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let format = Format::of(&args.file, args.format)?;
    let (data_dir, app) = place(args)?;
    let to_stdout = args.file == Path::new("-");
    let sink: Box<dyn Write> = match to_stdout {
        true => Box::new(io::stdout().lock()),
        false => Box::new(private(&args.file, args.force)?),
    };
    let mut writer = Writer::new(BufWriter::new(sink), format, args.with_tokens)?;
    let bar = match io::stderr().is_terminal() {
        true => ProgressBar::new_spinner(),
        false => ProgressBar::hidden(),
    };
    let (mut devices, mut written) = (0_u64, Ok(()));
    let mut each = |device: Device| {
        written = writer.write(&device);
        devices += u64::from(written.is_ok());
        if devices.is_multiple_of(1_000) {
            bar.set_message(format!("{} devices", indicatif::HumanCount(devices)));
        }
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    };
    let read = embedded::devices_of_app(&data_dir.join(storage::STORE_FILE), &app, &mut each);
    bar.finish_and_clear();
    let finished = written.and_then(|()| writer.finish());
    finished.with_context(|| format!("writing {}", args.file.display()))?;
    read.context("cannot read the store")?;
    report(args, devices, to_stdout);
    Ok(())
}

fn report(args: &Args, devices: u64, to_stdout: bool) {
    let (file, with_tokens) = (&args.file, args.with_tokens);
    if to_stdout {
        eprintln!("{devices} devices");
    } else if args.json {
        println!(
            "{}",
            json!({ "file": file, "devices": devices, "with_tokens": with_tokens })
        );
    } else {
        let tokens = match with_tokens {
            true => "with their tokens: treat it as a secret",
            false => "without tokens, which cannot be imported (--with-tokens writes them)",
        };
        println!("{} is made: {devices} devices, {tokens}", file.display());
    }
}

/// Which store, and which app of it.
fn place(args: &Args) -> anyhow::Result<(PathBuf, AppId)> {
    let said = args.app.as_deref().map(AppId::new).transpose();
    let said = said.context("this is no app's id")?;
    if let (Some(directory), Some(app)) = (&args.data_dir, &said) {
        return Ok((directory.clone(), app.clone()));
    }
    let config = config::load(&args.config)?;
    storage::embedded_only(&config.settings)?;
    let mut ids = config.apps.iter().map(|(_, app)| &app.id);
    let app = match said {
        Some(app) => app,
        None => {
            let only = ids.next().filter(|_| config.apps.len() == 1);
            only.context("say which app of the configuration: --app ID")?
                .clone()
        }
    };
    Ok((config.settings.data_dir, app))
}

/// A new file that only its owner may read.
fn private(path: &Path, replace: bool) -> anyhow::Result<std::fs::File> {
    ensure!(
        replace || !path.exists(),
        "{} is there already; --force replaces it",
        path.display()
    );
    if replace && let Err(error) = std::fs::remove_file(path) {
        let is_gone = error.kind() == io::ErrorKind::NotFound;
        ensure!(is_gone, "cannot replace {}: {error}", path.display());
    }
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    opened.with_context(|| format!("making {}", path.display()))
}

/// Rows in one of the two forms.
enum Writer<W: Write> {
    Ndjson(W, bool),
    Csv(Box<csv::Writer<W>>, bool),
}

impl<W: Write> Writer<W> {
    fn new(sink: W, format: Format, with_tokens: bool) -> anyhow::Result<Self> {
        if format == Format::Ndjson {
            return Ok(Writer::Ndjson(sink, with_tokens));
        }
        let mut table = csv::Writer::from_writer(sink);
        table.write_record(columns(with_tokens))?;
        Ok(Writer::Csv(Box::new(table), with_tokens))
    }

    fn write(&mut self, device: &Device) -> io::Result<()> {
        match self {
            Writer::Ndjson(sink, with_tokens) => {
                let row = Value::Object(row::write(device, *with_tokens));
                writeln!(sink, "{row}")
            }
            Writer::Csv(table, with_tokens) => {
                let row = row::write(device, *with_tokens);
                let cells = columns(*with_tokens).map(|name| cell(&row, name));
                table.write_record(cells).map_err(io::Error::from)
            }
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Writer::Ndjson(mut sink, _) => sink.flush(),
            Writer::Csv(mut table, _) => table.flush(),
        }
    }
}

fn columns(with_tokens: bool) -> impl Iterator<Item = &'static str> {
    let wanted = move |name: &&str| with_tokens || *name != "token";
    FIELDS.iter().copied().filter(wanted)
}

fn cell(row: &Map<String, Value>, name: &str) -> String {
    match row.get(name) {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}
