//! What the gateway cannot go on without, and that it is gone: servers and sender threads. (The actors have their own
//! word for it.)

use std::sync::Arc;

use tokio::sync::watch;

/// Where it is told. Cheap to clone; all clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Vitals(Arc<watch::Sender<Option<String>>>);

impl Default for Vitals {
    fn default() -> Self {
        Vitals(Arc::new(watch::channel(None).0))
    }
}

impl Vitals {
    /// Something that must not end: dropped before [`Watched::over`], it has.
    pub(crate) fn watch(&self, name: impl Into<String>) -> Watched {
        Watched {
            name: name.into(),
            vitals: Some(self.clone()),
        }
    }

    /// Tells why the gateway cannot go on. The first reason stays.
    pub(crate) fn tell(&self, why: String) {
        self.0.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(why);
            is_first
        });
    }

    #[cfg(test)]
    pub(crate) fn first(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    /// Resolves with the first reason.
    pub(crate) async fn wait(&self) -> String {
        let mut told = self.0.subscribe();
        match told.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            // It cannot be gone while it is looked at.
            Err(_) => std::future::pending().await,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Watched {
    name: String,
    vitals: Option<Vitals>,
}

impl Watched {
    /// It was to end.
    pub(crate) fn over(mut self) {
        self.vitals = None;
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(vitals) = &self.vitals {
            vitals.tell(format!("{} died", self.name));
        }
    }
}
