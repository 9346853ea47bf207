//! One burial: finds the row if only its address is known, and asks its user's actor to clean it.

use std::time::Duration;

use fanfare_telemetry::Cleanup;
use fanfare_types::AppId;

use super::{Args, Suspect};
use crate::{Error, Result};

/// Wait between tries: from this, doubling.
const RETRY_DELAY: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Burial {
    pub(super) app: AppId,
    pub(super) suspect: Suspect,
    pub(super) cause: Cleanup,
}

impl Burial {
    /// Tries a few times while the store is in trouble; given up, the next push finds the address dead again.
    pub(super) async fn carry_out(&self, args: &Args) {
        let mut delay = RETRY_DELAY;
        for left in (0..args.limits.tries_max).rev() {
            match self.bury(args).await {
                Ok(true) => return args.telemetry.device_cleaned(&self.app, self.cause),
                Ok(false) | Err(Error::ShuttingDown) => return,
                Err(error) if left == 0 => {
                    tracing::warn!(app = %self.app, error = error.label(), "dead address left as it is");
                }
                Err(_) => tokio::time::sleep(delay).await,
            }
            delay *= 2;
        }
    }

    async fn bury(&self, args: &Args) -> Result<bool> {
        let found;
        let (id, user) = match &self.suspect.device {
            Some((id, user)) => (*id, user),
            // A bare address has no user, so where addresses are shared it names no single row.
            None => match args
                .store
                .holder(&self.app, self.suspect.address.key(None))
                .await?
            {
                Some(device) => {
                    found = device.user;
                    (device.id, &found)
                }
                None => return Ok(false),
            },
        };
        let since = self.suspect.since;
        args.registry.bury(&self.app, user, id, since).await
    }
}
