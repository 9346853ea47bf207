//! How often a user may register: one bounded table an app.

use std::collections::HashMap;
use std::sync::Arc;

use fanfare_core::rate::Limiter;
use fanfare_types::{AppId, Timestamp, UserId};
use http::StatusCode;
use parking_lot::Mutex;

use crate::config::AppDoor;
use crate::problem::Problem;

#[derive(Debug)]
pub(crate) struct Limiters(HashMap<AppId, Arc<Mutex<Limiter<UserId>>>>);

impl Limiters {
    /// Where an app's limits are what they were `before`, its users' counts go on.
    pub(crate) fn new(apps: &[AppDoor], before: Option<&Limiters>) -> Self {
        let limiter = |app: &AppDoor| {
            let known = before.and_then(|before| before.0.get(&app.id));
            let known = known.filter(|known| *known.lock().limits() == app.ring);
            let made = || Arc::new(Mutex::new(Limiter::new(app.ring.clone())));
            (app.id.clone(), known.cloned().unwrap_or_else(made))
        };
        Limiters(apps.iter().map(limiter).collect())
    }

    /// # Errors
    /// 429 with `Retry-After`.
    pub(super) fn ask(&self, app: &AppId, user: &UserId, now: Timestamp) -> Result<(), Problem> {
        let Some(limiter) = self.0.get(app) else {
            return Ok(());
        };
        limiter.lock().on_request(user, now).map_err(|wait| {
            let status = StatusCode::TOO_MANY_REQUESTS;
            Problem::new(status, "rate_limited", "Rate limit exceeded").retry_after(wait)
        })
    }
}
