//! Rows as registrations through a running gateway.

use std::time::Duration;

use anyhow::Context;
use fanfare_types::Status;
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::bad::Bad;
use super::batch::{Batch, Taken};
use super::row::{FIELDS, Row};
use crate::commands::gateway::{Gateway, Refused, answer};

/// Longest time one row is tried again while the gateway is full or cannot be reached.
const PATIENCE: Duration = Duration::from_secs(300);

const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

pub(super) struct OverApi {
    gateway: Gateway,
    /// Requests under way at once.
    in_flight: usize,
}

impl OverApi {
    pub(super) fn new(gateway: Gateway, in_flight: usize) -> Self {
        OverApi { gateway, in_flight }
    }

    /// Registers all rows of a batch, or fails; repeating it is harmless.
    pub(super) async fn take(&self, batch: &Batch) -> anyhow::Result<Taken> {
        let users = batch.by_user();
        let users = stream::iter(users.into_iter().map(|rows| self.take_user(rows)));
        let users = users.buffer_unordered(self.in_flight);
        let bad: Vec<Vec<Bad>> = users.try_collect().await?;
        let mut bad: Vec<Bad> = bad.into_iter().flatten().collect();
        bad.sort_by_key(|bad| bad.line);
        Ok(Taken {
            registered: (batch.rows.len() - bad.len()) as u64,
            newer: 0,
            bad,
        })
    }

    async fn take_user(&self, rows: Vec<&(u64, Row)>) -> anyhow::Result<Vec<Bad>> {
        let mut bad = Vec::new();
        for (line, row) in rows {
            bad.extend(self.take_row(*line, row).await?);
        }
        Ok(bad)
    }

    async fn take_row(&self, line: u64, row: &Row) -> anyhow::Result<Option<Bad>> {
        // What only the gateway itself may find about a device is not the caller's to say.
        if let Some(Status::Stale | Status::Invalid) = row.kept.status {
            return Ok(Some(Bad::new(line, "not_deliverable", Some("status"))));
        }
        let Some(path) = super::path_of(row.user.as_str()) else {
            return Ok(Some(Bad::new(line, "unreachable", Some("user_id"))));
        };
        let registered = match self.persist(Method::POST, &path, &row.body).await? {
            Ok(registered) => registered,
            Err(faults) => return Ok(Some(Bad { line, faults })),
        };
        if row.kept.status == Some(Status::Inactive) {
            let id = registered["device"]["id"].as_str();
            let id = id.context("the gateway's answer has no id")?;
            let off = json!({ "status": "inactive" });
            let path = format!("{path}/{id}");
            if let Err(faults) = self.persist(Method::PATCH, &path, &off).await? {
                return Ok(Some(Bad { line, faults }));
            }
        }
        Ok(None)
    }

    /// Asks until there is an answer about the row itself.
    async fn persist(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Result<Value, super::row::Faults>> {
        let (until, mut wait) = (Instant::now() + PATIENCE, RETRY_MIN);
        loop {
            let request = self.gateway.request(method.clone(), path).json(body);
            let error = match answer(request).await {
                Ok(answer) => return Ok(Ok(answer)),
                Err(error) => error,
            };
            let refused = error.downcast_ref::<Refused>();
            if let Some(refused) = refused
                && refused.status == StatusCode::BAD_REQUEST
            {
                return Ok(Err(faults_of(refused)));
            }
            let again = refused.is_none_or(|refused| {
                refused.retry_after.is_some() || refused.status.is_server_error()
            });
            if !again || Instant::now() >= until {
                return Err(error);
            }
            let asked = refused.and_then(|refused| refused.retry_after);
            tokio::time::sleep(asked.unwrap_or(wait).max(wait)).await;
            wait = (2 * wait).min(RETRY_MAX);
        }
    }
}

/// The codes of a refusal, with the fields that are known.
fn faults_of(refused: &Refused) -> super::row::Faults {
    let known = |field: &str| FIELDS.iter().find(|known| **known == field).copied();
    let faults = refused.faults();
    let faults: Vec<_> = faults
        .map(|(field, code, _)| (code.to_owned(), known(field)))
        .collect();
    if faults.is_empty() {
        return vec![(refused.code().to_owned(), None)];
    }
    faults
}
