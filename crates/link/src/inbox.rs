//! Requests on their way to a stream: the bounded queue between senders and driver.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;
use std::vec::IntoIter;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::owed::lost;
use crate::signal::Signal;
use crate::{Answer, Lost, Request};

/// What senders and the driver share.
struct Shared {
    signal: Arc<Signal>,
    closing: AtomicBool,
    /// Requests handed over that have neither a stream nor an answer.
    queued: AtomicUsize,
    queue_max: usize,
}

/// The senders' end.
#[derive(Clone)]
pub(crate) struct Outlet {
    shared: Arc<Shared>,
    batches: mpsc::Sender<Vec<Request>>,
}

/// The driver's end. Batches stay whole, so that a request moves only once, to its stream.
pub(crate) struct Inbox {
    shared: Arc<Shared>,
    batches: mpsc::Receiver<Vec<Request>>,
    waiting: VecDeque<(Instant, IntoIter<Request>)>,
    /// Popped since [`Inbox::account`].
    popped: usize,
}

pub(crate) fn queue(signal: Arc<Signal>, queue_max: usize) -> (Outlet, Inbox) {
    let shared = Arc::new(Shared {
        signal,
        closing: AtomicBool::new(false),
        queued: AtomicUsize::new(0),
        queue_max,
    });
    // A batch holds at least one request, so the count in `shared` is the limit that matters.
    let (sender, receiver) = mpsc::channel(queue_max.max(1));
    let outlet = Outlet {
        shared: shared.clone(),
        batches: sender,
    };
    let inbox = Inbox {
        shared,
        batches: receiver,
        waiting: VecDeque::new(),
        popped: 0,
    };
    (outlet, inbox)
}

impl Outlet {
    pub(crate) fn send(&self, batch: Vec<Request>) -> Result<(), Vec<Request>> {
        if batch.is_empty() {
            return Ok(());
        }
        let count = batch.len();
        if self.shared.closing.load(SeqCst) {
            return Err(batch);
        }
        if self.shared.queued.fetch_add(count, SeqCst) + count > self.shared.queue_max {
            self.shared.queued.fetch_sub(count, SeqCst);
            return Err(batch);
        }
        self.batches.try_send(batch).map_err(|error| {
            self.shared.queued.fetch_sub(count, SeqCst);
            error.into_inner()
        })
    }

    pub(crate) fn close(&self) {
        self.shared.closing.store(true, SeqCst);
        self.shared.signal.raise();
    }
}

impl Inbox {
    /// Takes what senders have handed over. `false` when no more will come: closed, or no sender is left.
    pub(crate) fn receive(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        loop {
            match self.batches.poll_recv(cx) {
                Poll::Ready(Some(batch)) => self.waiting.push_back((now, batch.into_iter())),
                Poll::Ready(None) => return false,
                Poll::Pending => return !self.shared.closing.load(SeqCst),
            }
        }
    }

    /// From now on senders get their batches back.
    pub(crate) fn refuse(&mut self) {
        self.shared.closing.store(true, SeqCst);
        self.batches.close();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The request that has waited longest. Senders have its room after [`Inbox::account`].
    pub(crate) fn pop(&mut self) -> Option<Request> {
        let (_, batch) = self.waiting.front_mut()?;
        let request = batch.next();
        if batch.len() == 0 {
            self.waiting.pop_front();
        }
        self.popped += usize::from(request.is_some());
        request
    }

    /// Gives senders the room of what was popped.
    pub(crate) fn account(&mut self) {
        let popped = std::mem::take(&mut self.popped);
        self.shared.queued.fetch_sub(popped, SeqCst);
    }

    /// Answers requests that have waited for `timeout` as not sent. Returns the next deadline.
    pub(crate) fn expire(
        &mut self,
        now: Instant,
        timeout: Duration,
        answers: &mut Vec<Answer>,
    ) -> Option<Instant> {
        while let Some((since, batch)) = self.waiting.front_mut() {
            let deadline = *since + timeout;
            if deadline > now {
                return Some(deadline);
            }
            self.shared.queued.fetch_sub(batch.len(), SeqCst);
            answers.extend(batch.map(|request| lost(request.key, Lost::NotSent)));
            self.waiting.pop_front();
        }
        None
    }

    /// Answers all requests that wait as not sent.
    pub(crate) fn give_up(&mut self, answers: &mut Vec<Answer>) {
        for (_, batch) in self.waiting.drain(..) {
            self.shared.queued.fetch_sub(batch.len(), SeqCst);
            answers.extend(batch.map(|request| lost(request.key, Lost::NotSent)));
        }
    }

    /// The same for what senders were handing over when the inbox was closed to them.
    pub(crate) async fn give_up_rest(&mut self, answers: &mut Vec<Answer>) {
        self.refuse();
        while let Some(batch) = self.batches.recv().await {
            answers.extend(batch.iter().map(|request| lost(request.key, Lost::NotSent)));
        }
        self.give_up(answers);
    }
}
