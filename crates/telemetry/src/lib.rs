//! Metric names, events and the set-up of logs: the only place with names of metrics.
//!
//! Other rooms tell what happened ([`Telemetry::accepted`], [`Telemetry::ended`], …) and know no metric. What is
//! counted for every push goes through a [`Sender`], whose series were looked up beforehand.

pub mod logs;
pub mod metrics;
mod sender;
mod series;
mod telemetry;
#[cfg(test)]
mod tests;
mod words;

pub use sender::Sender;
pub use telemetry::Telemetry;
pub use words::{Cleanup, Registration, Reload};

/// The content type of [`Telemetry::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
