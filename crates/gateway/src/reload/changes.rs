//! What another configuration changes, in words.

use std::fmt;

use crate::config::store;

/// What changes at once, and what waits for a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub live: Vec<Change>,
    /// In the file, and not in force.
    pub waiting: Vec<Change>,
}

/// One difference; names and numbers, never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key, with the app's id for its place: `apps.shop.fcm.rate_max`.
    pub key: String,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Added,
    Removed,
    /// Something that is not shown: a key, a certificate, an account.
    Replaced,
    Set {
        from: String,
        to: String,
    },
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.live.is_empty() && self.waiting.is_empty()
    }

    /// One line a change.
    pub(super) fn log(&self) {
        for change in &self.live {
            tracing::info!(%change, "configuration changed");
        }
        for change in &self.waiting {
            tracing::warn!(%change, "needs a restart, not in force yet");
        }
        if self.is_empty() {
            tracing::info!("configuration read again, nothing changed");
        }
    }
}

impl Change {
    pub(super) fn new(key: impl Into<String>, what: What) -> Self {
        let key = key.into();
        Change { key, what }
    }

    /// `None` when both are the same.
    pub(super) fn of<T: PartialEq + Shown>(
        key: impl Into<String>,
        from: &T,
        to: &T,
    ) -> Option<Self> {
        let what = What::Set {
            from: from.shown(),
            to: to.shown(),
        };
        (from != to).then(|| Change::new(key, what))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Added => write!(f, "{} added", self.key),
            What::Removed => write!(f, "{} removed", self.key),
            What::Replaced => write!(f, "{} replaced", self.key),
            What::Set { from, to } => write!(f, "{} from {from} to {to}", self.key),
        }
    }
}

/// How a value is shown in a log.
pub(super) trait Shown {
    fn shown(&self) -> String;
}

macro_rules! displayed {
    ($($type:ty),+) => {
        $(impl Shown for $type {
            fn shown(&self) -> String {
                self.to_string()
            }
        })+
    };
}

displayed!(usize, u32, f64, bool, String, std::net::SocketAddr);

impl Shown for std::time::Duration {
    fn shown(&self) -> String {
        format!("{self:?}")
    }
}

impl Shown for std::path::PathBuf {
    fn shown(&self) -> String {
        self.display().to_string()
    }
}

impl<T: Shown> Shown for Option<T> {
    fn shown(&self) -> String {
        self.as_ref().map_or_else(|| "none".to_owned(), T::shown)
    }
}

impl Shown for Vec<String> {
    fn shown(&self) -> String {
        format!("[{}]", self.join(", "))
    }
}

impl Shown for store::Kind {
    fn shown(&self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// A secret: that it is another is all that is said.
impl Shown for store::Password {
    fn shown(&self) -> String {
        "one".to_owned()
    }
}

impl Shown for store::Tls {
    fn shown(&self) -> String {
        "on".to_owned()
    }
}

impl Shown for store::Numbers {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for fanfare_store::scylla::Consistency {
    fn shown(&self) -> String {
        match self {
            Self::LocalQuorum => "local_quorum".to_owned(),
            Self::Quorum => "quorum".to_owned(),
        }
    }
}

impl Shown for fanfare_link::Endpoint {
    fn shown(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl Shown for fanfare_link::Engine {
    fn shown(&self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

impl Shown for fanfare_telemetry::logs::Format {
    fn shown(&self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

impl Shown for fanfare_core::cleanup::OnDeadToken {
    fn shown(&self) -> String {
        format!("{self:?}").to_lowercase()
    }
}
