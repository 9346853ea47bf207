//! What a run says of itself while it runs: one line that is written over on a terminal, else a line now and then.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines where they are not written over.
const EVERY: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(crate) struct Progress(Arc<Mutex<State>>);

struct State {
    /// What is being done.
    phase: String,
    is_terminal: bool,
    is_quiet: bool,
    told: Option<Instant>,
}

impl Progress {
    pub(crate) fn new(is_quiet: bool) -> Self {
        Progress(Arc::new(Mutex::new(State {
            phase: String::new(),
            is_terminal: std::io::stderr().is_terminal(),
            is_quiet,
            told: None,
        })))
    }

    /// From now on this is being done.
    pub(crate) fn phase(&self, phase: impl Into<String>) {
        self.with(|state| {
            state.phase = phase.into();
            state.told = None;
            state.tell("");
        });
    }

    /// How it goes.
    pub(crate) fn now(&self, text: &str) {
        self.with(|state| state.tell(text));
    }

    /// Takes the line away: the report follows.
    pub(crate) fn done(&self) {
        self.with(|state| {
            if state.is_terminal && !state.is_quiet {
                state.write("\r\x1b[2K");
            }
        });
    }

    fn with(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl State {
    fn tell(&mut self, text: &str) {
        if self.is_quiet {
            return;
        }
        let line = match text {
            "" => self.phase.clone(),
            text => format!("{}: {text}", self.phase),
        };
        if self.is_terminal {
            self.write(&format!("\r\x1b[2K{line}"));
        } else if self.told.is_none_or(|told| told.elapsed() >= EVERY) {
            self.told = Some(Instant::now());
            self.write(&format!("{line}\n"));
        }
    }

    fn write(&self, text: &str) {
        let mut stderr = std::io::stderr();
        // Nobody may be there to read it.
        drop(stderr.write_all(text.as_bytes()));
        drop(stderr.flush());
    }
}
