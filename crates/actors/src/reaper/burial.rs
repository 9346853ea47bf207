//! One burial: finds the row if only its address is known, and asks its user's actor to clean it or switch it off.

use std::time::Duration;

use fanfare_telemetry::Cleanup;
use fanfare_types::{AppId, DeviceRef, Failing};

use super::{Args, Suspect};
use crate::{Error, Result};

/// Wait between tries: from this, doubling.
const RETRY_DELAY: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Burial {
    app: AppId,
    whom: Whom,
    cause: Cleanup,
}

#[derive(Debug)]
enum Whom {
    Dead(Suspect),
    Failing(DeviceRef),
}

impl Burial {
    pub(super) fn dead(app: &AppId, suspect: Suspect, cause: Cleanup) -> Self {
        Burial {
            app: app.clone(),
            whom: Whom::Dead(suspect),
            cause,
        }
    }

    pub(super) fn failing(failing: Failing) -> Self {
        Burial {
            app: failing.app,
            whom: Whom::Failing(failing.device),
            cause: Cleanup::Failing,
        }
    }

    /// Tries a few times while the store is in trouble; given up, the next push finds the address dead again.
    pub(super) async fn carry_out(&self, args: &Args) {
        let mut delay = RETRY_DELAY;
        for left in (0..args.limits.tries_max).rev() {
            match self.attempt(args).await {
                Ok(true) => return args.telemetry.device_cleaned(&self.app, self.cause),
                Ok(false) | Err(Error::ShuttingDown) => return,
                Err(error) if left == 0 => {
                    tracing::warn!(app = %self.app, error = error.label(), cause = self.cause.as_str(), "device left as it is");
                }
                Err(_) => tokio::time::sleep(delay).await,
            }
            delay *= 2;
        }
    }

    async fn attempt(&self, args: &Args) -> Result<bool> {
        match &self.whom {
            Whom::Dead(suspect) => self.bury(suspect, args).await,
            Whom::Failing(row) => args.registry.deactivate(&self.app, &row.user, row.id).await,
        }
    }

    async fn bury(&self, suspect: &Suspect, args: &Args) -> Result<bool> {
        let found;
        let (id, user) = match &suspect.device {
            Some((id, user)) => (*id, user),
            // A bare address has no user, so where addresses are shared it names no single row.
            None => match args
                .store
                .holder(&self.app, suspect.address.key(None))
                .await?
            {
                Some(device) => {
                    found = device.user;
                    (device.id, &found)
                }
                None => return Ok(false),
            },
        };
        args.registry.bury(&self.app, user, id, suspect.since).await
    }
}
