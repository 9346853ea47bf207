//! Logs on standard error: for people on a terminal, JSON otherwise.
//!
//! Whatever the filter asks for, other people's crates are heard at `info` and above only. Below that they show
//! frames, headers and handshakes as they are, and with them addresses, keys, tokens and payloads.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Filter, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// The finest level at which crates that are not ours are heard.
const OTHERS_MAX: Level = Level::INFO;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Human on a terminal, JSON otherwise.
    #[default]
    Auto,
    Human,
    /// One object a line, with the fields at its top.
    Json,
}

impl Format {
    /// Reads `auto`, `human` or `json`.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "auto" => Some(Format::Auto),
            "human" => Some(Format::Human),
            "json" => Some(Format::Json),
            _ => None,
        }
    }

    fn is_json(self, on_terminal: bool) -> bool {
        match self {
            Format::Auto => !on_terminal,
            Format::Human => false,
            Format::Json => true,
        }
    }
}

/// The text is neither a level nor a filter such as `info,fanfare_link=debug`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a log level or filter")]
pub struct NotAFilter;

/// Whether [`init`] would take this level or filter.
pub fn is_valid_filter(filter: &str) -> bool {
    parse(filter).is_ok()
}

fn parse(filter: &str) -> Result<EnvFilter, NotAFilter> {
    // A bare word that is no level would pass as the name of a module and silence everything else.
    let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    let names_a_level = filter.split(',').any(|part| {
        let level = part.rsplit('=').next().unwrap_or(part);
        is_level(level.trim())
    });
    if !names_a_level {
        return Err(NotAFilter);
    }
    EnvFilter::try_new(filter).map_err(|_| NotAFilter)
}

/// Sends logs to standard error from now on. The first call counts; later ones (tests) change nothing.
pub fn init(filter: &str, format: Format) -> Result<(), NotAFilter> {
    let (filter, handle) = reload::Layer::new(parse(filter)?);
    let on_terminal = std::io::stderr().is_terminal();
    let is_json = format.is_json(on_terminal);
    let first = subscriber(filter, is_json, on_terminal, std::io::stderr).try_init();
    // It fails when logs were set up before, which is what was promised.
    if first.is_ok() {
        drop(IN_FORCE.set(handle));
    }
    Ok(())
}

/// The filter that logs were set up with.
static IN_FORCE: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Another level or filter from now on. Without [`init`] (tests) it changes nothing.
pub fn set_filter(filter: &str) -> Result<(), NotAFilter> {
    let filter = parse(filter)?;
    if let Some(in_force) = IN_FORCE.get() {
        // An error would mean that the subscriber is gone, and with it all logs.
        drop(in_force.reload(filter));
    }
    Ok(())
}

fn subscriber<W, F>(filter: F, is_json: bool, ansi: bool, writer: W) -> impl Subscriber
where
    F: Filter<Registry> + Send + Sync + 'static,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let harmless = filter_fn(is_harmless).with_max_level_hint(LevelFilter::TRACE);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = if is_json {
        let json = fmt::layer().json().flatten_event(true);
        let json = json.with_current_span(false).with_span_list(false);
        json.with_writer(writer).boxed()
    } else {
        fmt::layer().with_ansi(ansi).with_writer(writer).boxed()
    };
    tracing_subscriber::registry().with(layer.with_filter(filter.and(harmless)))
}

fn is_harmless(event: &Metadata<'_>) -> bool {
    *event.level() <= OTHERS_MAX || is_ours(event.target())
}

/// `fanfare`, `fanfare_link::driver`, …
fn is_ours(target: &str) -> bool {
    target
        .strip_prefix("fanfare")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', ':']))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is logged under this filter of one event a level, by a crate of ours and by others.
    fn logged(filter: &str, is_json: bool) -> String {
        let page = Page::default();
        let writer = {
            let page = page.clone();
            move || page.clone()
        };
        let subscriber = subscriber(parse(filter).unwrap(), is_json, false, writer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "fanfare_link::driver", "ours-info");
            tracing::trace!(target: "fanfare_link::driver", "ours-trace");
            tracing::info!(target: "h2::codec", "theirs-info");
            tracing::debug!(target: "h2::codec", "theirs-debug");
            tracing::trace!(target: "rustls::client", "theirs-trace");
            tracing::trace!(target: "fanfarest", "theirs-trace");
        });
        let bytes = page.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn other_crates_are_heard_at_info_whatever_is_asked_for() {
        for filter in [
            "trace",
            "trace,h2=trace,rustls=trace",
            "h2::codec=trace,info",
        ] {
            for is_json in [false, true] {
                let log = logged(filter, is_json);
                assert!(
                    log.contains("ours-info") && log.contains("theirs-info"),
                    "{log}"
                );
                assert!(
                    !log.contains("theirs-debug") && !log.contains("theirs-trace"),
                    "{log}"
                );
                assert_eq!(
                    log.contains("ours-trace"),
                    filter.starts_with("trace"),
                    "{log}"
                );
            }
        }
        assert_eq!(logged("error", true), "");
    }

    #[test]
    fn another_filter_holds_from_the_next_event_on() {
        let page = Page::default();
        let writer = {
            let page = page.clone();
            move || page.clone()
        };
        let (filter, handle) = reload::Layer::new(parse("warn").unwrap());
        let subscriber = subscriber(filter, true, false, writer);
        tracing::subscriber::with_default(subscriber, || {
            let say = |n| tracing::info!("said {n}");
            say(1);
            handle.reload(parse("info").unwrap()).unwrap();
            say(2);
            handle.reload(parse("warn").unwrap()).unwrap();
            say(3);
        });
        let bytes = page.0.lock().clone();
        let log = String::from_utf8(bytes).unwrap();
        assert!(
            log.contains("said 2") && log.matches("said").count() == 1,
            "{log}"
        );
    }

    /// The filter that logs were set up with, as it is now.
    fn in_force() -> String {
        let filter = IN_FORCE.get().unwrap();
        filter.with_current(ToString::to_string).unwrap()
    }

    #[test]
    fn a_second_call_changes_nothing_and_a_bad_filter_is_told() {
        assert_eq!(init("warn", Format::Json), Ok(()));
        assert_eq!(init("info,fanfare_link=debug", Format::Human), Ok(()));
        assert_eq!(in_force(), "warn");
        assert_eq!(set_filter("loud"), Err(NotAFilter));
        assert_eq!(in_force(), "warn");
        assert_eq!(set_filter("debug"), Ok(()));
        assert_eq!(in_force(), "debug");
        assert_eq!(init("loud", Format::Auto), Err(NotAFilter));
        assert_eq!(init("fanfare_link=loud", Format::Auto), Err(NotAFilter));
        assert!(!is_valid_filter(""));
    }

    #[test]
    fn people_get_text_and_machines_get_json() {
        assert!(Format::Auto.is_json(false));
        assert!(!Format::Auto.is_json(true));
        assert!(Format::Json.is_json(true));
        assert_eq!(Format::parse("human"), Some(Format::Human));
        assert_eq!(Format::parse("xml"), None);
    }
}
