//! What a connection holds and lets go of by drop, however it ends: its task, its driver, its place in the metrics.

use std::future::Future;

use fanfare_telemetry::Telemetry;
use fanfare_types::{AppId, Channel};
use tokio::task::AbortHandle;

use super::{Args, CLOSED};

/// A task that ends with its owner.
pub(super) struct Task(AbortHandle);

impl Task {
    pub(super) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Task(tokio::spawn(future).abort_handle())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A running driver; dropping it ends the connection.
pub(super) struct Driving(pub(super) tokio::task::JoinHandle<fanfare_link::Result<()>>);

impl Driving {
    pub(super) async fn ended(mut self) -> &'static str {
        match (&mut self.0).await {
            Ok(Ok(())) => CLOSED,
            Ok(Err(error)) => error.label(),
            Err(_) => "crashed",
        }
    }
}

impl Drop for Driving {
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
