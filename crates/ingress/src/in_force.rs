//! The configuration that requests find. It is replaced as a whole while they come and go: who was let in goes on
//! as the app that was found then, and the next request finds the new one.

use std::fmt;
use std::io;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::auth::Doors;
use crate::config::Config;
use crate::ring;

/// Cheap to clone; all clones are replaced together.
#[derive(Clone)]
pub struct InForce(Arc<RwLock<Arc<Entrance>>>);

/// A configuration and the doors that were made from it.
pub(crate) struct Entrance {
    pub(crate) config: Config,
    pub(crate) doors: Doors,
    pub(crate) ring: ring::Limiters,
}

/// A configuration that can take effect without fail.
pub struct Prepared(Entrance);

impl InForce {
    /// # Errors
    /// When JWT keys are to be fetched over HTTPS and this machine has no trusted roots.
    pub fn new(config: Config) -> io::Result<Self> {
        let Prepared(entrance) = prepared(config, None)?;
        Ok(InForce(Arc::new(RwLock::new(Arc::new(entrance)))))
    }

    /// Makes another configuration ready; nothing changes before [`InForce::replace`]. Keys that were fetched
    /// from a URL are kept, if app, URL and limits are the same, and so is what users have asked for through Ring. Limits that a listener was started with
    /// (`connections_max`, `requests_max`, `bodies_bytes_max`, `idle_timeout`) stay what they are.
    ///
    /// # Errors
    /// As [`InForce::new`].
    pub fn prepare(&self, config: Config) -> io::Result<Prepared> {
        prepared(config, Some(&self.now()))
    }

    /// From the next request on.
    pub fn replace(&self, next: Prepared) {
        *self.0.write() = Arc::new(next.0);
    }

    pub(crate) fn now(&self) -> Arc<Entrance> {
        self.0.read().clone()
    }
}

fn prepared(config: Config, before: Option<&Entrance>) -> io::Result<Prepared> {
    let doors = Doors::new(&config.apps, before.map(|before| &before.doors));
    let doors = doors.map_err(io::Error::other)?;
    let ring = ring::Limiters::new(&config.apps, before.map(|before| &before.ring));
    Ok(Prepared(Entrance {
        config,
        doors,
        ring,
    }))
}

impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InForce({} apps)", self.now().config.apps.len())
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prepared({} apps)", self.0.config.apps.len())
    }
}
