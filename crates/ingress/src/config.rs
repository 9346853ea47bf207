//! What the API is built from.

use std::sync::Arc;
use std::time::Duration;

use fanfare_actors::System;
use fanfare_core::rate;
use fanfare_telemetry::Telemetry;
use fanfare_types::{AppId, Clock};

use crate::auth;
use crate::problem::Problem;

/// Checked configuration of the API. Every limit has its name in the configuration file.
#[derive(Clone, Debug)]
pub struct Config {
    pub apps: Arc<[AppDoor]>,
    /// Longest request body, in bytes. Default 2 MiB. Beyond it 413.
    pub body_bytes_max: usize,
    /// Bytes of all request bodies held at once, as text. Default 64 MiB. At it 503 with `Retry-After`, whatever
    /// the number of connections. (A body may take some thirty times its size once it is read: a list of single
    /// digits does.)
    pub bodies_bytes_max: usize,
    /// Requests under way at once on a listener, on all connections. Default 20,000. At it 503 with
    /// `Retry-After`.
    pub requests_max: usize,
    /// Most entries of `to` in one notification. Default 10,000. Beyond it 422.
    pub targets_max: usize,
    /// HTTP connections at once on a listener. Default 10,000. At it, new ones wait in the accept queue.
    pub connections_max: usize,
    /// From the request's head to its answer. Default 30 s. Afterwards 503 with `Retry-After`.
    pub request_timeout: Duration,
    /// Reading a request's head, and idle time between requests of one connection. Default 60 s.
    pub idle_timeout: Duration,
    /// A notification's `ttl` when the caller gives none. Default 28 days, the most that FCM takes.
    pub ttl_default: Duration,
    /// Most `ttl` (and distance of `send_at`) a caller may ask for. Default 28 days. Beyond it 422.
    pub ttl_max: Duration,
    pub campaigns: Campaigns,
}

/// Limits of campaigns at the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaigns {
    /// Streams of events at once on a listener. Default 1,000. At it 503 with `Retry-After`.
    pub watchers_max: usize,
    /// How long an upload may send nothing. Default 60 s. Afterwards 408; what was acknowledged is kept.
    pub upload_idle: Duration,
    /// Uploaded rows of one campaign. Default 50,000,000. Beyond it 413, and the upload stays incomplete.
    pub upload_rows_max: u64,
    /// Longest row of an upload, in bytes. Default 64 KiB. Beyond it the row is a bad one.
    pub upload_row_bytes_max: usize,
}

impl Default for Campaigns {
    fn default() -> Self {
        Campaigns {
            watchers_max: 1_000,
            upload_idle: Duration::from_secs(60),
            upload_rows_max: 50_000_000,
            upload_row_bytes_max: 64 << 10,
        }
    }
}

/// One app as the door sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct AppDoor {
    pub id: AppId,
    pub api_keys: Vec<auth::ApiKey>,
    pub jwt: Option<auth::JwtDoor>,
    pub contracts: Vec<Contract>,
    /// How often a user may register through the Ring contract.
    pub ring: rate::Limits,
}

/// A registry contract that an app serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contract {
    Native,
    Ring,
    Reserva,
    DeviceToken,
}

impl AppDoor {
    /// The one guard of all contracts: 404 for one that this app does not serve.
    pub(crate) fn serves(&self, contract: Contract) -> Result<(), Problem> {
        if self.contracts.contains(&contract) {
            return Ok(());
        }
        Err(Problem::not_found(
            "contract_not_served",
            "this app does not serve this device registry",
        ))
    }
}

/// The rooms the API calls into.
#[derive(Clone, Debug)]
pub struct Handles {
    pub system: Arc<System>,
    pub telemetry: Telemetry,
    pub clock: Clock,
}
