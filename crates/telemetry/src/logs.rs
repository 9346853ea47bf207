//! Logs on standard error: for people on a terminal, JSON otherwise.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::util::SubscriberInitExt;

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
    let filter = parse(filter)?;
    let on_terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // The first one counts: `try_init` fails when logs were set up before, which is what was promised.
    if format.is_json(on_terminal) {
        let json = builder.json().flatten_event(true).with_current_span(false);
        let builder = json.with_span_list(false).with_filter_reloading();
        let filter = builder.reload_handle();
        if builder.finish().try_init().is_ok() {
            keep(move |next| drop(filter.reload(next)));
        }
    } else {
        let builder = builder.with_ansi(on_terminal).with_filter_reloading();
        let filter = builder.reload_handle();
        if builder.finish().try_init().is_ok() {
            keep(move |next| drop(filter.reload(next)));
        }
    }
    Ok(())
}

/// Puts another filter into the place of the one that logs were set up with.
type SetFilter = Box<dyn Fn(EnvFilter) + Send + Sync>;

static SET_FILTER: OnceLock<SetFilter> = OnceLock::new();

fn keep(set: impl Fn(EnvFilter) + Send + Sync + 'static) {
    drop(SET_FILTER.set(Box::new(set)));
}

/// Another level or filter from now on. Without [`init`] (tests) it changes nothing.
pub fn set_filter(filter: &str) -> Result<(), NotAFilter> {
    let filter = parse(filter)?;
    if let Some(set) = SET_FILTER.get() {
        set(filter);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_call_changes_nothing_and_a_bad_filter_is_told() {
        assert_eq!(init("warn", Format::Json), Ok(()));
        assert_eq!(init("info,fanfare_link=debug", Format::Human), Ok(()));
        assert!(
            tracing::enabled!(tracing::Level::WARN) && !tracing::enabled!(tracing::Level::INFO)
        );
        assert_eq!(set_filter("loud"), Err(NotAFilter));
        assert_eq!(set_filter("info"), Ok(()));
        assert!(
            tracing::enabled!(tracing::Level::INFO),
            "the filter is another one by now"
        );
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
