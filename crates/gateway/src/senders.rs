//! Sender threads: one current-thread runtime each, for the provider connections that live on it. One that dies is
//! told: what is spawned on its runtime would never run.

use std::future::Future;
use std::thread::JoinHandle;

use anyhow::Context;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::vitals::Vitals;

/// Running sender threads; dropping them ends the threads.
#[derive(Debug)]
pub(crate) struct Senders {
    threads: Vec<Sender>,
}

#[derive(Debug)]
struct Sender {
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Senders {
    /// `vitals` is told of a thread that dies.
    pub(crate) fn start(count: usize, vitals: &Vitals) -> anyhow::Result<Self> {
        let start = |index| {
            let (stop, stopped) = oneshot::channel();
            start_one(index, vitals.clone(), stop, stopped)
        };
        let threads = (0..count).map(start).collect::<anyhow::Result<_>>()?;
        Ok(Senders { threads })
    }

    pub(crate) fn runtimes(&self) -> Vec<Handle> {
        self.threads
            .iter()
            .map(|sender| sender.runtime.clone())
            .collect()
    }
}

/// Runs until `told` resolves: when it is told to stop, or its owner is gone.
fn start_one(
    index: usize,
    vitals: Vitals,
    stop: oneshot::Sender<()>,
    told: impl Future + Send + 'static,
) -> anyhow::Result<Sender> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting a sender runtime")?;
    let handle = runtime.handle().clone();
    let name = format!("sender-{index}");
    let watched = vitals.watch(format!("the thread {name}"));
    let run = move || {
        drop(runtime.block_on(told));
        watched.over();
        // A name that is being looked up is not waited for.
        runtime.shutdown_background();
    };
    let thread = std::thread::Builder::new()
        .name(name)
        .spawn(run)
        .context("starting a sender thread")?;
    Ok(Sender {
        runtime: handle,
        stop: Some(stop),
        thread: Some(thread),
    })
}

impl Drop for Senders {
    fn drop(&mut self) {
        for sender in &mut self.threads {
            drop(sender.stop.take());
        }
        for sender in &mut self.threads {
            if let Some(thread) = sender.thread.take() {
                drop(thread.join());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_that_dies_is_told_and_one_that_is_stopped_is_not() {
        let vitals = Vitals::default();
        let senders = Senders::start(2, &vitals).unwrap();
        drop(senders);
        assert_eq!(vitals.first(), None);
        let (stop, _stopped) = oneshot::channel();
        let sender = start_one(7, vitals.clone(), stop, async { panic!("on purpose") });
        let why = vitals.wait().await;
        assert!(why.contains("sender-7"), "{why}");
        drop(sender);
    }
}
