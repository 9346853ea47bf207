//! Sender threads: one current-thread runtime each, for the provider connections that live on it.

use std::thread::JoinHandle;

use anyhow::Context;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

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
    pub(crate) fn start(count: usize) -> anyhow::Result<Self> {
        let threads = (0..count).map(start_one).collect::<anyhow::Result<_>>()?;
        Ok(Senders { threads })
    }

    pub(crate) fn runtimes(&self) -> Vec<Handle> {
        self.threads
            .iter()
            .map(|sender| sender.runtime.clone())
            .collect()
    }
}

fn start_one(index: usize) -> anyhow::Result<Sender> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting a sender runtime")?;
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel();
    let run = move || {
        // Whether told to stop or left behind, the thread ends.
        drop(runtime.block_on(stopped));
        // A name that is still being looked up would hold it for as long as the system's resolver likes.
        runtime.shutdown_background();
    };
    let thread = std::thread::Builder::new()
        .name(format!("sender-{index}"))
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
