//! Open-loop arrivals: requests start when they are due, whether or not those before have their answers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Requests under way at once. At it the next one starts late, and its lateness counts.
const UNDER_WAY_MAX: usize = 2_000;

/// What became of one arrival.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) number: usize,
    /// When it was due, in milliseconds since 1970.
    pub(crate) due_ms: f64,
    /// Of the answer.
    pub(crate) status: u16,
}

/// Starts `rate` requests a second for `time`; `make` makes the n-th.
pub(crate) async fn run(
    rate: f64,
    time: Duration,
    make: impl Fn(usize) -> reqwest::RequestBuilder,
) -> anyhow::Result<Vec<Arrival>> {
    let start = Instant::now();
    let start_ms = now_ms()?;
    let count = (rate * time.as_secs_f64()) as usize;
    let mut under_way = JoinSet::new();
    let mut arrivals = Vec::with_capacity(count);
    for number in 0..count {
        let offset = Duration::from_secs_f64(number as f64 / rate);
        sleep_until(start + offset).await;
        if under_way.len() >= UNDER_WAY_MAX {
            arrivals.push(
                under_way
                    .join_next()
                    .await
                    .context("nothing is under way")???,
            );
        }
        let request = make(number);
        under_way.spawn(async move {
            let response = request.send().await?;
            let status = response.status().as_u16();
            response.bytes().await?;
            anyhow::Ok(Arrival {
                number,
                due_ms: start_ms + offset.as_secs_f64() * 1000.0,
                status,
            })
        });
    }
    while let Some(arrival) = under_way.join_next().await {
        arrivals.push(arrival??);
    }
    Ok(arrivals)
}

fn now_ms() -> anyhow::Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64() * 1000.0)
}
