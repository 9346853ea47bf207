//! Requests by the clock (open loop: they start when they are due, whether or not those before have their answers) and
//! as fast as they are answered (closed loop).
//!
//! An open loop's latency counts from the instant a request was due, so that what waits for room under way, or for a
//! generator that was late, is not left out: there is no coordinated omission.

use std::future::Future;
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Requests under way at once. At it the next one starts late, and its lateness counts.
pub(crate) const UNDER_WAY_MAX: usize = 2_000;

/// What became of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) number: usize,
    /// When it was due, from the start. In a closed loop: when it was sent.
    pub(crate) due: Duration,
    /// When it was answered, from the start.
    pub(crate) answered: Duration,
    /// Of the answer.
    pub(crate) status: u16,
}

impl Arrival {
    pub(crate) fn latency(&self) -> Duration {
        self.answered.saturating_sub(self.due)
    }
}

/// Sends one and gives its status.
pub(crate) async fn send(request: reqwest::RequestBuilder) -> anyhow::Result<u16> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    response.bytes().await?;
    Ok(status)
}

/// One request, from when it was due to its answer.
async fn arrival(
    number: usize,
    due: Duration,
    start: Instant,
    answer: impl Future<Output = anyhow::Result<u16>>,
) -> anyhow::Result<Arrival> {
    let status = answer.await?;
    Ok(Arrival {
        number,
        due,
        answered: start.elapsed(),
        status,
    })
}

/// Starts `rate` requests a second for `time`; `call` makes the n-th, `told` is told of each.
pub(crate) async fn open<F>(
    rate: f64,
    time: Duration,
    under_way_max: usize,
    call: impl Fn(usize) -> F,
    mut told: impl FnMut(Arrival),
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<u16>> + Send + 'static,
{
    let start = Instant::now();
    let count = (rate * time.as_secs_f64()) as usize;
    let mut under_way = JoinSet::new();
    for number in 0..count {
        let due = Duration::from_secs_f64(number as f64 / rate);
        sleep_until(start + due).await;
        while let Some(done) = under_way.try_join_next() {
            told(done??);
        }
        if under_way.len() >= under_way_max {
            told(
                under_way
                    .join_next()
                    .await
                    .context("nothing is under way")???,
            );
        }
        under_way.spawn(arrival(number, due, start, call(number)));
    }
    while let Some(arrival) = under_way.join_next().await {
        told(arrival??);
    }
    Ok(())
}

/// As many callers, each of which sends its next request once it has its answer; none after `time`. The n-th request of
/// all is `call(n)`.
pub(crate) async fn closed<F>(
    callers: usize,
    time: Duration,
    call: impl Fn(usize) -> F,
    mut told: impl FnMut(Arrival),
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<u16>> + Send + 'static,
{
    let start = Instant::now();
    let mut under_way = JoinSet::new();
    let mut next = 0;
    loop {
        while under_way.len() < callers && start.elapsed() < time {
            under_way.spawn(arrival(next, start.elapsed(), start, call(next)));
            next += 1;
        }
        match under_way.join_next().await {
            Some(arrival) => told(arrival??),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latencies::Latencies;

    const MS: Duration = Duration::from_millis(1);

    /// A server that answers in a millisecond, but for half a second in which it answers nobody.
    fn server()
    -> impl Fn(usize) -> std::pin::Pin<Box<dyn Future<Output = anyhow::Result<u16>> + Send>> {
        let start = Instant::now();
        move |_| {
            Box::pin(async move {
                let now = start.elapsed();
                if (200 * MS..700 * MS).contains(&now) {
                    sleep_until(start + 700 * MS).await;
                }
                tokio::time::sleep(MS).await;
                Ok(202)
            })
        }
    }

    async fn open_loop(under_way_max: usize) -> (Latencies, Vec<Arrival>) {
        let (mut latencies, mut all) = (Latencies::new().unwrap(), Vec::new());
        let told = |arrival: Arrival| {
            latencies.record(arrival.latency());
            all.push(arrival);
        };
        let second = Duration::from_secs(1);
        open(200.0, second, under_way_max, server(), told)
            .await
            .unwrap();
        (latencies, all)
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_server_shows_in_an_open_loop() {
        let (latencies, all) = open_loop(UNDER_WAY_MAX).await;
        assert_eq!(all.len(), 200);
        // Half of the second was a stall of half a second: a quarter of the requests waited longer than half of it.
        assert!(
            (latencies.quantile(0.75) - 250.0).abs() < 15.0,
            "{}",
            latencies.quantile(0.75)
        );
        assert!(
            (latencies.max() - 501.0).abs() < 10.0,
            "{}",
            latencies.max()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn it_shows_just_so_when_the_generator_itself_is_held_up() {
        // One at a time: all that were due in the stall are sent after it, and each is late since it was due.
        let (latencies, all) = open_loop(1).await;
        assert_eq!(all.len(), 200);
        assert!(
            latencies.quantile(0.75) > 240.0,
            "{}",
            latencies.quantile(0.75)
        );
        let late = all
            .iter()
            .filter(|arrival| arrival.latency() > 100 * MS)
            .count();
        assert!(late >= 80, "{late}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_loop_hides_it() {
        let mut latencies = Latencies::new().unwrap();
        let told = |arrival: Arrival| latencies.record(arrival.latency());
        closed(1, Duration::from_secs(1), server(), told)
            .await
            .unwrap();
        assert!(latencies.count() > 400);
        assert!(
            latencies.quantile(0.99) < 3.0,
            "{}",
            latencies.quantile(0.99)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_loop_has_as_many_callers_as_asked_for() {
        let mut count = 0;
        let call = |_| async {
            tokio::time::sleep(10 * MS).await;
            Ok(200)
        };
        closed(8, 100 * MS, call, |_| count += 1).await.unwrap();
        assert_eq!(count, 80);
    }
}
