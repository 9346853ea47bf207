//! Host names to addresses, one look-up a name at a time.
//!
//! The system's resolver blocks a thread, for as long as it likes: minutes when name servers do not answer, long
//! after whoever asked has given up. Those who ask for a name that is being looked up wait for the same answer, so a
//! name holds one thread of the runtime, however often it is tried, and names that resolve are never kept waiting.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;

/// What a look-up gave; an error's kind and text, since an error cannot be shared.
type Found = Result<Vec<IpAddr>, (io::ErrorKind, String)>;
type Pending = watch::Receiver<Option<Found>>;
type LookUp = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync;

/// Looks names up with the system's resolver. Nothing is kept once it is answered. Cheap to clone; clones share.
#[derive(Clone)]
pub struct Resolver(Arc<Shared>);

struct Shared {
    look_up: Box<LookUp>,
    /// Bounded by the host names of the configuration.
    under_way: Mutex<HashMap<String, Pending>>,
}

impl Resolver {
    pub(crate) fn new(
        look_up: impl Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync + 'static,
    ) -> Self {
        Resolver(Arc::new(Shared {
            look_up: Box::new(look_up),
            under_way: Mutex::default(),
        }))
    }

    /// The addresses of `host`, which may be one itself. Takes as long as the system's resolver does: give it a
    /// time limit.
    ///
    /// # Errors
    /// Those of the resolver.
    pub async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let mut pending = self.pending(host);
        let found = pending.wait_for(Option::is_some).await;
        match found.as_deref() {
            Ok(Some(Ok(addresses))) => Ok(addresses.clone()),
            Ok(Some(Err((kind, text)))) => Err(io::Error::new(*kind, text.clone())),
            // Its runtime is shutting down, or the resolver panicked.
            Ok(None) | Err(_) => Err(io::ErrorKind::Interrupted.into()),
        }
    }

    /// The look-up that is under way, or a new one, in a task of its own: it goes on when who asked gives up.
    fn pending(&self, host: &str) -> Pending {
        let mut under_way = self.0.under_way.lock();
        // One whose task is gone without an answer is none.
        if let Some(pending) = under_way.get(host).filter(|p| p.has_changed().is_ok()) {
            return pending.clone();
        }
        let (tell, pending) = watch::channel(None);
        under_way.insert(host.to_owned(), pending.clone());
        let (resolver, host) = (self.clone(), host.to_owned());
        tokio::spawn(async move {
            let found = (resolver.0.look_up)(host.clone()).await;
            resolver.0.under_way.lock().remove(&host);
            let found = found.map_err(|error| (error.kind(), error.to_string()));
            // Nobody may be waiting any more.
            drop(tell.send(Some(found)));
        });
        pending
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Resolver::new(|host| {
            Box::pin(async move {
                let found = tokio::net::lookup_host((host, 0)).await?;
                Ok(found.map(|address| address.ip()).collect())
            })
        })
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}
