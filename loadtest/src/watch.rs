//! Samples every process of a run while it goes on, and what the providers have accepted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::progress::Progress;
use crate::provider::Control;
use crate::report::{Figure, Plot, Row, Series};
use crate::usage::Usage;

/// Between two samples, at first.
const STEP: Duration = Duration::from_millis(250);

/// Samples kept; beyond them every other one is dropped, and from then on they are taken half as often.
const SAMPLES_MAX: usize = 1200;

/// A process to be sampled.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) name: String,
    pub(crate) process: u32,
}

#[derive(Clone)]
struct Sample {
    /// From the start.
    at: Duration,
    /// In the order of the processes.
    usages: Vec<Usage>,
    /// Pushes that providers accepted so far.
    accepted: u64,
}

/// A running task; dropped, it ends.
pub(crate) struct Watch {
    watched: Vec<Watched>,
    samples: Arc<Mutex<Vec<Sample>>>,
    task: JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watch {
    pub(crate) fn start(watched: Vec<Watched>, controls: Vec<Control>, progress: Progress) -> Self {
        let samples = Arc::default();
        let sampler = Sampler {
            watched: watched.clone(),
            controls,
            progress,
            samples: Arc::clone(&samples),
            start: Instant::now(),
        };
        Watch {
            watched,
            samples,
            task: tokio::spawn(sampler.run()),
        }
    }

    /// Curves of what was seen, and a row a process.
    pub(crate) fn stop(self) -> (Vec<Series>, Vec<Row>) {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let accepted = rate(&samples, |sample| sample.accepted as f64);
        let mut series = vec![curve(Plot::Throughput, "accepted by providers", accepted)];
        let mut rows = Vec::new();
        for (n, watched) in self.watched.iter().enumerate() {
            let of = |figure: fn(&Usage) -> f64| {
                let points = samples
                    .iter()
                    .map(|sample| (sample.at.as_secs_f64(), figure(&sample.usages[n])));
                points.collect::<Vec<_>>()
            };
            let name = &watched.name;
            series.push(curve(
                Plot::Memory,
                name,
                of(|usage| usage.resident_kib as f64 / 1024.0),
            ));
            series.push(curve(Plot::Files, name, of(|usage| usage.files as f64)));
            let percent = rate(&samples, |sample| {
                sample.usages[n].cpu.as_secs_f64() * 100.0
            });
            series.push(curve(Plot::Cpu, name, percent));
            rows.extend(summary(name, &samples, n));
        }
        drop(samples);
        (series, rows)
    }
}

fn summary(name: &str, samples: &[Sample], n: usize) -> Option<Row> {
    let (first, last) = (samples.first()?.usages[n], samples.last()?.usages[n]);
    let files = samples.iter().map(|sample| sample.usages[n].files).max()?;
    Some(Row::new(
        name,
        vec![
            Figure::new("CPU s", (last.cpu.saturating_sub(first.cpu)).as_secs_f64()),
            Figure::new("memory MiB, first", first.resident_kib as f64 / 1024.0),
            Figure::new("last", last.resident_kib as f64 / 1024.0),
            Figure::new("peak", last.peak_kib as f64 / 1024.0),
            Figure::new("files, most", files as f64),
        ],
    ))
}

fn curve(plot: Plot, name: &str, points: Vec<(f64, f64)>) -> Series {
    Series {
        plot,
        name: name.to_owned(),
        points,
    }
}

/// What grew, by second.
fn rate(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> Vec<(f64, f64)> {
    let step = |pair: &[Sample]| {
        let [one, next] = pair else { return None };
        let seconds = (next.at - one.at).as_secs_f64();
        // Steps that follow each other at once tell of the ticks of the kernel's clock, not of the work.
        (seconds > 0.05).then(|| {
            (
                next.at.as_secs_f64(),
                (of(next) - of(one)).max(0.0) / seconds,
            )
        })
    };
    samples.windows(2).filter_map(step).collect()
}

struct Sampler {
    watched: Vec<Watched>,
    controls: Vec<Control>,
    progress: Progress,
    samples: Arc<Mutex<Vec<Sample>>>,
    start: Instant,
}

impl Sampler {
    async fn run(self) {
        let mut step = STEP;
        loop {
            let next = Instant::now() + step;
            // A process that has ended is the command's trouble, not ours.
            if let Ok(sample) = self.sample().await {
                step *= self.keep(sample);
            }
            tokio::time::sleep_until(next).await;
        }
    }

    async fn sample(&self) -> anyhow::Result<Sample> {
        let mut accepted = 0;
        for control in &self.controls {
            accepted += control.accepted().await.context("asking the simulators")?;
        }
        let usages: anyhow::Result<Vec<Usage>> = self
            .watched
            .iter()
            .map(|watched| Usage::of(watched.process))
            .collect();
        Ok(Sample {
            at: self.start.elapsed(),
            usages: usages?,
            accepted,
        })
    }

    /// How many times longer the steps are from now on.
    fn keep(&self, sample: Sample) -> u32 {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = samples.last() {
            self.progress.now(&standing(&self.watched, last, &sample));
        }
        samples.push(sample);
        if samples.len() < SAMPLES_MAX {
            return 1;
        }
        let mut n = 0_usize;
        samples.retain(|_| {
            n += 1;
            n % 2 == 1
        });
        2
    }
}

fn standing(watched: &[Watched], last: &Sample, now: &Sample) -> String {
    let seconds = (now.at - last.at).as_secs_f64().max(1e-3);
    let rate = now.accepted.saturating_sub(last.accepted) as f64 / seconds;
    let mut text = format!(
        "{:.0} s, {} pushes accepted, {}/s",
        now.at.as_secs_f64(),
        Figure::text(now.accepted as f64),
        Figure::text(rate.round())
    );
    for (n, process) in watched.iter().enumerate() {
        let (before, usage) = (last.usages[n], now.usages[n]);
        let cpu = usage.cpu.saturating_sub(before.cpu).as_secs_f64() / seconds * 100.0;
        let memory = usage.resident_kib / 1024;
        text.push_str(&format!("; {} {cpu:.0} % CPU, {memory} MiB", process.name));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler() -> Sampler {
        Sampler {
            watched: Vec::new(),
            controls: Vec::new(),
            progress: Progress::new(true),
            samples: Arc::default(),
            start: Instant::now(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_run_keeps_its_whole_course_in_bounded_room() {
        let sampler = sampler();
        let (mut at, mut step) = (Duration::ZERO, STEP);
        for accepted in 0..5_000 {
            let sample = Sample {
                at,
                usages: Vec::new(),
                accepted,
            };
            at += step;
            step *= sampler.keep(sample);
        }
        let samples = sampler.samples.lock().unwrap();
        assert!((SAMPLES_MAX / 2..=SAMPLES_MAX).contains(&samples.len()));
        assert_eq!(samples[0].at, Duration::ZERO);
        assert!(samples.last().unwrap().at + 2 * step > at && step > STEP);
    }

    #[test]
    fn rates_are_by_second() {
        let sample = |ms, accepted| Sample {
            at: Duration::from_millis(ms),
            usages: Vec::new(),
            accepted,
        };
        let samples = [sample(0, 0), sample(500, 100), sample(1500, 400)];
        let rates = rate(&samples, |sample| sample.accepted as f64);
        assert_eq!(rates, [(0.5, 200.0), (1.5, 300.0)]);
    }
}
