//! The gateway's API as the demo uses it.

use std::time::Duration;

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;
use reqwest::{Method, Response};
use serde_json::Value;

use super::crowd::{Device, user_name};
use super::processes::Processes;
use super::text;
use crate::commands::gateway::{self, answer, read, retry_after};

/// Registrations under way at once.
const REGISTRATIONS: usize = 64;

/// Longest time a full gateway is asked again and again.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(300);

pub(super) struct Gateway(pub(super) gateway::Gateway);

/// An accepted notification.
pub(super) struct Accepted {
    pub(super) id: String,
}

impl Gateway {
    pub(super) fn new(processes: &Processes) -> anyhow::Result<Self> {
        gateway::Gateway::at(&processes.url, processes.api_key.clone()).map(Gateway)
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.0.get(path).await
    }

    pub(super) async fn register_all(
        &self,
        devices: &[(u32, &Device)],
        bar: &ProgressBar,
    ) -> anyhow::Result<()> {
        let registrations = devices.iter().map(|(owner, device)| async move {
            let path = format!("/v1/users/{}/devices", user_name(*owner));
            let request = self.0.request(Method::POST, &path);
            answer(request.json(&device.registration())).await?;
            bar.inc(1);
            anyhow::Ok(())
        });
        stream::iter(registrations)
            .buffer_unordered(REGISTRATIONS)
            .try_collect()
            .await
    }

    /// Sends a notification under an idempotency key, so that asking again could not send it twice. A gateway
    /// that is full is asked again when it says.
    pub(super) async fn notify(&self, body: &Value, key: &str) -> anyhow::Result<Accepted> {
        let ask = async {
            loop {
                let response = self.post_notification(body, key).await?;
                let Some(after) = retry_after(&response) else {
                    return read(response).await;
                };
                tokio::time::sleep(after).await;
            }
        };
        let accepted = tokio::time::timeout(ACCEPTED_WITHIN, ask)
            .await
            .context("the gateway had no room all the time")??;
        Ok(Accepted {
            id: text(&accepted, "id")?.to_owned(),
        })
    }

    async fn post_notification(&self, body: &Value, key: &str) -> anyhow::Result<Response> {
        let request = self
            .0
            .request(Method::POST, "/v1/notifications")
            .header("idempotency-key", key)
            .json(body);
        request.send().await.context("the gateway does not answer")
    }

    /// Waits until every delivery of a notification has its outcome; returns how many there are.
    pub(super) async fn finished(
        &self,
        id: &str,
        within: Duration,
        ended: impl Fn(u64),
    ) -> anyhow::Result<u64> {
        let finished = async {
            let mut tick = tokio::time::interval(Duration::from_millis(50));
            loop {
                tick.tick().await;
                let view = self.get(&format!("/v1/notifications/{id}")).await?;
                let recipients = view["recipients"]
                    .as_u64()
                    .context("a view without recipients")?;
                let count = |name: &str| view["counts"][name].as_u64().unwrap_or(0);
                let left = count("waiting") + count("in_flight");
                ended(recipients.saturating_sub(left));
                if text(&view, "state")? == "completed" {
                    return anyhow::Ok(recipients);
                }
            }
        };
        tokio::time::timeout(within, finished)
            .await
            .context("not every outcome came in time")?
    }
}
