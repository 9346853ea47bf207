//! `fanfare campaign upload`: the recipients of a campaign, from a file of any size.

use std::fs::File;
use std::io::{IsTerminal, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as Waker, Poll};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::{Value, json};

use crate::commands::Format;
use crate::commands::gateway::{Access, Gateway, Refused, answer};

/// Upload the recipients of a draft or scheduled campaign whose audience is an upload.
///
/// FILE is NDJSON ({"user_id": "ada", "variables": {"name": "Ada"}}, or "device_id", a line) or CSV (with a header
/// line: user_id or device_id, every other column a variable). An upload that broke off goes on where it was; one
/// that is complete is replaced only with --anew. Bad rows are passed over and listed by their lines; then the status
/// is 1.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    access: Access,
    /// The campaign.
    campaign: String,
    /// The file with the recipients.
    #[arg(long = "recipients", value_name = "FILE")]
    file: PathBuf,
    /// How FILE is written; by default what its name says.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Be content though some rows are bad.
    #[arg(long)]
    allow_bad_rows: bool,
    /// Begin anew, whatever was uploaded before.
    #[arg(long)]
    anew: bool,
    /// Print the gateway's answer as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<()> {
    let gateway = args.access.gateway()?;
    let upload = Upload::new(&gateway, &args.campaign, &args.file, args.format)?;
    let done = upload.send(args.anew).await?;
    report(&done, args.json);
    judge(&done, args.allow_bad_rows)
}

/// Bad rows are a failure, unless they are allowed.
pub(super) fn judge(upload: &Value, allow_bad_rows: bool) -> anyhow::Result<()> {
    let bad = upload["bad_rows"].as_u64().unwrap_or(0);
    ensure!(
        bad == 0 || allow_bad_rows,
        "{bad} rows are bad and were passed over (--allow-bad-rows is content with that)"
    );
    Ok(())
}

pub(super) fn report(upload: &Value, as_json: bool) {
    if as_json {
        println!("{}", json!({ "upload": upload }));
    } else {
        println!("{} rows uploaded", upload["rows"]);
        print_bad_rows(upload);
    }
}

/// Bad rows by their lines; nothing of their content.
pub(super) fn print_bad_rows(upload: &Value) {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let rows = upload["errors"].as_array();
    for row in rows.into_iter().flatten() {
        let (code, field) = (text(row, "code"), text(row, "field"));
        let of = if field.is_empty() { "" } else { " of " };
        println!("  line {}: {code}{of}{field}", row["line"]);
    }
}

/// Tries in a row that bring nothing, until the upload is given up. It can be gone on with later.
const TRIES_MAX: u32 = 8;
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// An upload of which nothing moves for so long is cut off and gone on with.
const STALLED: Duration = Duration::from_secs(120);

/// One file on its way to one campaign.
pub(in crate::commands) struct Upload<'a> {
    gateway: &'a Gateway,
    path: String,
    recipients: String,
    file: &'a Path,
    bytes: u64,
    content_type: &'static str,
    sent: Arc<AtomicU64>,
    bar: ProgressBar,
}

impl<'a> Upload<'a> {
    pub(in crate::commands) fn new(
        gateway: &'a Gateway,
        campaign: &str,
        file: &'a Path,
        format: Option<Format>,
    ) -> anyhow::Result<Self> {
        let format = Format::of(file, format)?;
        let opened = File::open(file).and_then(|file| file.metadata());
        let found = opened.with_context(|| format!("reading {}", file.display()))?;
        ensure!(found.is_file(), "{} is no file", file.display());
        let content_type = match format {
            Format::Ndjson => "application/x-ndjson",
            Format::Csv => "text/csv",
        };
        Ok(Upload {
            gateway,
            path: super::path(campaign, "")?,
            recipients: super::path(campaign, "/recipients")?,
            file,
            bytes: found.len(),
            content_type,
            sent: Arc::default(),
            bar: bar(found.len()),
        })
    }

    /// Uploads to the end, over as many requests as it takes; gives what the gateway says of it then.
    pub(in crate::commands) async fn send(&self, anew: bool) -> anyhow::Result<Value> {
        let mut offset = if anew { None } else { self.resumable().await? };
        let (mut tries, mut wait) = (0, RETRY_MIN);
        loop {
            let error = match self.put(offset).await {
                Ok(upload) => {
                    self.bar.finish_and_clear();
                    return Ok(upload);
                }
                Err(error) => error,
            };
            if !may_go_on(&error) {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            let reached = self.reached().await.unwrap_or(offset);
            if reached > offset {
                (tries, wait) = (0, RETRY_MIN);
            } else {
                tries += 1;
                wait = (2 * wait).min(RETRY_MAX);
            }
            if tries == TRIES_MAX {
                let told = "the upload broke off; the same command goes on with it";
                return Err(error.context(told));
            }
            offset = reached;
        }
    }

    /// How far the gateway has it; `None` when that is nowhere.
    async fn reached(&self) -> anyhow::Result<Option<u64>> {
        let campaign = self.gateway.get(&self.path).await?;
        Ok(campaign["upload"]["bytes"]
            .as_u64()
            .filter(|bytes| *bytes > 0))
    }

    /// Where an upload that broke off earlier goes on.
    async fn resumable(&self) -> anyhow::Result<Option<u64>> {
        let campaign = self.gateway.get(&self.path).await?;
        let upload = &campaign["upload"];
        ensure!(
            upload["state"] != "complete",
            "the campaign has its recipients; --anew replaces them"
        );
        let Some(bytes) = upload["bytes"].as_u64().filter(|bytes| *bytes > 0) else {
            return Ok(None);
        };
        ensure!(
            ends_a_line(self.file, bytes).unwrap_or(false),
            "{} is not the file whose first {bytes} bytes were uploaded; --anew begins anew",
            self.file.display()
        );
        Ok(Some(bytes))
    }

    async fn put(&self, offset: Option<u64>) -> anyhow::Result<Value> {
        let from = offset.unwrap_or(0);
        let mut file = File::open(self.file)?;
        file.seek(SeekFrom::Start(from))?;
        self.sent.store(from, Ordering::Relaxed);
        let body = FileBody {
            file,
            left: self.bytes.saturating_sub(from),
            sent: self.sent.clone(),
        };
        let request = self.gateway.long_request(Method::PUT, &self.recipients);
        let mut request = request
            .header("content-type", self.content_type)
            .body(reqwest::Body::wrap(body));
        if let Some(offset) = offset {
            request = request.header("upload-offset", offset);
        }
        tokio::select! {
            answer = answer(request) => answer,
            () = self.stalled() => anyhow::bail!("the gateway takes nothing more"),
        }
    }

    /// Shows how it goes; resolves when it does not go any more.
    async fn stalled(&self) {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        let (mut last, mut since) = (u64::MAX, tokio::time::Instant::now());
        loop {
            tick.tick().await;
            let sent = self.sent.load(Ordering::Relaxed);
            self.bar.set_position(sent);
            if sent != last {
                (last, since) = (sent, tokio::time::Instant::now());
            } else if since.elapsed() >= STALLED {
                return;
            }
        }
    }
}

/// A broken connection, a full gateway, or another request that has not noticed yet that its connection is gone.
fn may_go_on(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<Refused>() {
        None => true,
        Some(refused) => {
            refused.status.is_server_error()
                || refused.retry_after.is_some()
                || matches!(refused.code(), "upload_offset" | "upload_under_way")
        }
    }
}

/// Whether the byte before `offset` ends a line, as that of an upload that broke off does.
fn ends_a_line(file: &Path, offset: u64) -> std::io::Result<bool> {
    let mut file = File::open(file)?;
    if file.metadata()?.len() < offset {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(offset - 1))?;
    let mut byte = [0];
    file.read_exact(&mut byte)?;
    Ok(byte == *b"\n")
}

fn bar(bytes: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(
        "uploading {wide_bar} {percent}%\n{bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
    );
    ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A file as a request's body, in constant memory.
struct FileBody {
    file: File,
    left: u64,
    sent: Arc<AtomicU64>,
}

const PART_BYTES: u64 = 64 << 10;

impl Body for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Waker<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        // A local file, and nothing else to do on this thread meanwhile.
        let mut part = Vec::new();
        let wanted = self.left.min(PART_BYTES);
        let read = self.file.by_ref().take(wanted).read_to_end(&mut part);
        Poll::Ready(Some(read.and_then(|read| {
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            self.left -= read as u64;
            self.sent.fetch_add(read as u64, Ordering::Relaxed);
            Ok(Frame::data(part.into()))
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
