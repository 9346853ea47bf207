//! Admission: every delivery takes a permit at the door, under the gateway's, its app's and its lane's budget.

use std::time::Duration;

use fanfare_types::{AppId, Lane, Permits};

/// How many deliveries may be in memory at once.
#[derive(Clone, Debug)]
pub struct Limits {
    /// All together. Default 200,000 (about 100 MB). At it: 503 with `Retry-After`.
    pub deliveries_max: usize,
    /// Of one app. Default 100,000. At it: 429 with `Retry-After`.
    pub deliveries_per_app_max: usize,
    /// The bulk lane's part of `deliveries_max`, so that urgent work always finds room. Default 0.8.
    pub bulk_share: f64,
}

/// Why there is no room, and when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    pub scope: Scope,
    pub retry_after: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The gateway is full: 503.
    Gateway,
    /// The lane is full: 503.
    Lane,
    /// The app has its share: 429.
    App,
    /// More recipients in one call than the budgets could ever hold: 422, and no use in trying again.
    TooLarge,
}

/// The door. Shared by all; taking and giving back is a few atomic operations.
#[derive(Debug)]
pub struct Admission {}

impl Admission {
    pub fn new(limits: &Limits, apps: impl IntoIterator<Item = AppId>) -> Self {
        let _ = (limits, apps.into_iter().count());
        todo!("the flow room")
    }

    /// Room for `count` deliveries of one app in one lane, or why not. All or nothing.
    pub fn try_take(&self, app: &AppId, lane: Lane, count: usize) -> Result<Permits, Refused> {
        let _ = (app, lane, count);
        todo!("the flow room")
    }
}
