//! `fanfare campaign watch`: its events until it ends.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::Context;
use console::Term;
use fanfare_types::Clock;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reqwest::{Method, Response};
use serde_json::Value;

use super::View;
use super::events::{Event, Reader};
use crate::commands::EndSignals;
use crate::commands::gateway::{Access, Gateway, Refused, read};

/// Show a campaign's progress until it ends: a bar on a terminal, lines elsewhere.
///
/// Goes on by itself where it was when the connection breaks or the gateway restarts. Ends with status 0 when the
/// campaign is completed, and 1 when it was cancelled or failed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    access: Access,
    /// The campaign.
    campaign: String,
    /// Print every event as one JSON object in a line.
    #[arg(long)]
    json: bool,
}

/// Waits between two tries to connect: the first, and the longest.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// A gateway that could not be reached for so long is given up.
const PATIENCE: Duration = Duration::from_secs(300);

/// A stream that is silent for so long is opened anew: it may be a connection that nobody told us was gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Lines that are no change of state come at most this often.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// A campaign that ended otherwise than hoped for.
#[derive(Debug, thiserror::Error)]
#[error("the campaign is {0}")]
struct Ended(String);

pub(super) async fn run(args: &Args) -> anyhow::Result<()> {
    let gateway = args.access.gateway()?;
    let mut shown = Shown::new(args.json);
    watch(&gateway, &args.campaign, &mut shown).await
}

/// Watches until the end, the campaign's or the watcher's.
pub(super) async fn watch(gateway: &Gateway, id: &str, shown: &mut Shown) -> anyhow::Result<()> {
    let mut signals = EndSignals::new()?;
    tokio::select! {
        ended = to_the_end(gateway, id, shown) => return ended,
        () = signals.next() => {}
    }
    shown.leave();
    anyhow::bail!("ended by a signal; nothing changes for the campaign")
}

async fn to_the_end(gateway: &Gateway, id: &str, shown: &mut Shown) -> anyhow::Result<()> {
    let mut last_id = String::new();
    let mut back_off = BackOff::new();
    loop {
        let cut = match connect(gateway, id, &last_id).await {
            Ok(stream) => follow(stream, shown, &mut last_id, &mut back_off).await,
            Err(error) if is_hopeless(&error) => return Err(error),
            Err(error) => Err(error),
        };
        // Ended or cut off: the campaign itself says which, and what was missed.
        match super::get(gateway, id).await {
            Ok(campaign) => {
                let view = View::of(&campaign);
                if view.is_final() {
                    return shown.end(&campaign, &view);
                }
            }
            Err(error) if is_hopeless(&error) => return Err(error),
            Err(_) => {}
        }
        back_off.wait().await.map_err(|()| match cut {
            Err(error) => error.context("the gateway could not be reached for five minutes"),
            Ok(()) => anyhow::anyhow!("the gateway ends every stream at once"),
        })?;
    }
}

/// A refusal that will be the same the next time.
fn is_hopeless(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<Refused>()
        .is_some_and(|refused| refused.status.is_client_error() && refused.retry_after.is_none())
}

async fn connect(gateway: &Gateway, id: &str, last_id: &str) -> anyhow::Result<Response> {
    let mut request = gateway.long_request(Method::GET, &super::path(id, "/events")?);
    if !last_id.is_empty() {
        request = request.header("last-event-id", last_id);
    }
    let request = request.header("accept", "text/event-stream").send();
    let response = tokio::time::timeout(SILENCE_MAX, request)
        .await
        .context("the gateway does not answer in time")?
        .context("the gateway does not answer")?;
    if response.status().is_success() {
        return Ok(response);
    }
    match read(response).await {
        Err(error) => Err(error),
        Ok(_) => anyhow::bail!("the gateway answered no events"),
    }
}

/// Shows events until the stream ends.
async fn follow(
    mut stream: Response,
    shown: &mut Shown,
    last_id: &mut String,
    back_off: &mut BackOff,
) -> anyhow::Result<()> {
    let mut reader = Reader::default();
    loop {
        let part = tokio::time::timeout(SILENCE_MAX, stream.chunk()).await;
        let Some(part) = part.context("the gateway is silent")?? else {
            return Ok(());
        };
        for event in reader.push(&part)? {
            back_off.reset();
            event.id.clone_into(last_id);
            shown.event(&event)?;
        }
    }
}

/// Doubling waits, and an end of them.
struct BackOff {
    next: Duration,
    since: Instant,
}

impl BackOff {
    fn new() -> Self {
        BackOff {
            next: RETRY_MIN,
            since: Instant::now(),
        }
    }

    fn reset(&mut self) {
        *self = BackOff::new();
    }

    /// Fails when it has gone on for too long.
    async fn wait(&mut self) -> Result<(), ()> {
        if self.since.elapsed() > PATIENCE {
            return Err(());
        }
        tokio::time::sleep(self.next).await;
        self.next = (2 * self.next).min(RETRY_MAX);
        Ok(())
    }
}

/// Where progress is shown.
pub(super) enum Shown {
    Bar(ProgressBar),
    /// With what was printed last, and when.
    Lines(Option<(String, Instant)>),
    Json,
}

impl Shown {
    pub(super) fn new(as_json: bool) -> Self {
        if as_json {
            return Shown::Json;
        }
        if !std::io::stderr().is_terminal() {
            return Shown::Lines(None);
        }
        let style = ProgressStyle::with_template("{wide_bar} {percent}%\n{msg}");
        let bar = ProgressBar::new(0);
        Shown::Bar(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    fn event(&mut self, event: &Event) -> anyhow::Result<()> {
        let data: Value = serde_json::from_str(&event.data).context("an event without JSON")?;
        if let Shown::Json = self {
            print_event(&event.name, &event.id, data);
            return Ok(());
        }
        self.progress(&View::of(&data));
        Ok(())
    }

    fn progress(&mut self, view: &View) {
        let now = Clock::system().now();
        match self {
            Shown::Bar(bar) => {
                // The terminal may be another size by now.
                let (_, columns) = Term::stderr().size();
                bar.set_length(view.counts.total);
                bar.set_position(view.counts.ended());
                bar.set_message(view.lines(now, columns.into()));
            }
            Shown::Lines(last) => {
                let is_due = last
                    .as_ref()
                    .is_none_or(|(state, at)| *state != view.state || at.elapsed() >= LINE_EVERY);
                if is_due {
                    println!("{}", view.line(now));
                    *last = Some((view.state.clone(), Instant::now()));
                }
            }
            Shown::Json => {}
        }
    }

    /// What is there stays, and whatever comes next begins in a line of its own. Nothing is drawn again: the terminal
    /// has written a `^C` since.
    fn leave(&self) {
        if let Shown::Bar(bar) = self {
            bar.set_draw_target(ProgressDrawTarget::hidden());
            eprintln!();
        }
    }

    /// The last word, which may have been missed as an event.
    fn end(&mut self, campaign: &Value, view: &View) -> anyhow::Result<()> {
        match self {
            Shown::Bar(bar) => {
                bar.finish_and_clear();
                println!("{view}");
            }
            Shown::Lines(_) => println!("{}", view.line(Clock::system().now())),
            Shown::Json => print_event("end", "", campaign.clone()),
        }
        if view.is_completed() {
            return Ok(());
        }
        let reason = view.reason.as_ref();
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        Err(Ended(format!("{}{reason}", view.state)).into())
    }
}

/// One line a event: its members, and which event it was.
fn print_event(name: &str, id: &str, mut data: Value) {
    if let Value::Object(members) = &mut data {
        members.insert("event".to_owned(), name.into());
        if !id.is_empty() {
            members.insert("event_id".to_owned(), id.into());
        }
    }
    println!("{data}");
}
