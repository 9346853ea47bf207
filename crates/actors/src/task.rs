//! Tasks of actors. Whatever ends one, its actor hears of it: what waits for a task waits for ever if a panic
//! inside goes unnoticed.

use std::future::Future;

use ractor::{ActorRef, Message};
use tokio::task::JoinHandle;

use crate::failpoint::failpoint;

/// Runs `work` and sends `actor` what it gives, or `panicked` when it panics. A task that is aborted sends
/// nothing. An actor that is gone wants to know nothing. `name` is that of the actor and of what the task does.
pub(crate) fn spawn<M: Message, N: Into<Option<M>>>(
    actor: &ActorRef<M>,
    name: (&'static str, &'static str),
    panicked: M,
    work: impl Future<Output = N> + Send + 'static,
) -> JoinHandle<()> {
    let mut news = News {
        actor: actor.clone(),
        name,
        panicked: Some(panicked),
    };
    tokio::spawn(async move {
        failpoint!(name.0, name.1);
        let message = work.await.into();
        news.panicked = None;
        if let Some(message) = message {
            drop(news.actor.cast(message));
        }
    })
}

struct News<M: Message> {
    actor: ActorRef<M>,
    name: (&'static str, &'static str),
    panicked: Option<M>,
}

impl<M: Message> Drop for News<M> {
    fn drop(&mut self) {
        if let Some(message) = self.panicked.take()
            && std::thread::panicking()
        {
            tracing::error!(actor = self.name.0, task = self.name.1, "task panicked");
            drop(self.actor.cast(message));
        }
    }
}
