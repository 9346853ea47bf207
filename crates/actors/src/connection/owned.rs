//! What a connection holds and lets go of by drop, however it ends: its task, its place in the metrics.

use fanfare_telemetry::Telemetry;
use fanfare_types::{AppId, Channel};
use tokio::task::JoinHandle;

use super::Args;

/// A task that ends with its owner.
pub(super) struct Task(pub(super) JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Counts an open connection until it is dropped.
pub(super) struct OpenGauge {
    telemetry: Telemetry,
    app: AppId,
    channel: Channel,
    pub(super) cause: &'static str,
}

impl OpenGauge {
    pub(super) fn new(args: &Args) -> Self {
        args.telemetry.connection_opened(&args.app, args.channel);
        OpenGauge {
            telemetry: args.telemetry.clone(),
            app: args.app.clone(),
            channel: args.channel,
            cause: "crashed",
        }
    }
}

impl Drop for OpenGauge {
    fn drop(&mut self) {
        self.telemetry
            .connection_closed(&self.app, self.channel, self.cause);
    }
}
