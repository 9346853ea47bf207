//! What every kind of database node can do.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use crate::Error;

/// Lines of a log that an error shows.
const TAIL: usize = 40;

/// A node that was started here.
pub(crate) trait Server: Send + Sync {
    /// Starts it, on the data it has. It may not be ready yet.
    fn start(&mut self) -> Result<(), Error>;

    /// Ends it as a power cut would; it is gone afterwards, and its data are there.
    fn kill(&mut self) -> Result<(), Error>;

    /// Freezes it.
    fn stop(&mut self) -> Result<(), Error>;

    /// Lets it go on.
    fn go_on(&mut self) -> Result<(), Error>;

    /// Whether it has ended.
    fn ended(&mut self) -> bool;

    /// The end of what it said.
    fn log_tail(&self) -> String;
}

/// Nodes that may not be started yet, each with its address.
pub(crate) type Servers = Vec<(Ipv4Addr, Box<dyn Server>)>;

/// The last lines of a file.
pub(crate) fn tail(path: &Path) -> String {
    match fs::read(path) {
        Ok(log) => last_lines(&String::from_utf8_lossy(&log)),
        Err(error) => format!("(no log: {error})"),
    }
}

/// The last lines of a text.
pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}
