//! APNs and FCM (with Google's token endpoint) as servers over real TLS and HTTP/2: strict about what the vendors
//! document, scripted by [rules], with exact [books].
//!
//! [`Material::generate`] makes keys and certificates, [`Material::config`] a configuration that trusts them, and
//! [`Simulator::start`] listens. Rules and books are also served over plain HTTP (see [`control`]).

mod apns;
mod apns_token;
pub mod books;
pub mod config;
pub mod control;
mod fast;
mod fcm;
mod fcm_message;
mod http_server;
mod jwt;
mod listener;
pub mod material;
mod oauth;
mod reply;
pub mod rules;
mod server;
mod simulator;
mod wire;

pub use config::Config;
pub use material::Material;
pub use simulator::{Addresses, Simulator};

use serde::{Deserialize, Serialize};

/// The three listeners that rules and books tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Apple's push service.
    Apns,
    /// Google's push service.
    Fcm,
    /// Google's token endpoint.
    Oauth,
}

impl Provider {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 3] = [Self::Apns, Self::Fcm, Self::Oauth];

    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// The name in rules and books.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apns => "apns",
            Self::Fcm => "fcm",
            Self::Oauth => "oauth",
        }
    }
}

/// Why a simulator could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// Keys or certificates could not be generated.
    #[error("cannot generate keys and certificates: {0}")]
    Material(String),
    /// A key or certificate in the configuration cannot be read.
    #[error("{what} cannot be used: {reason}")]
    Config {
        /// Which one.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for {what}: {source}")]
    Listen {
        /// The listener.
        what: &'static str,
        /// The address asked for.
        address: std::net::SocketAddr,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A rule makes no sense. No rule was changed.
    #[error("rule {index}: {reason}")]
    Rule {
        /// Position in the list, from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The simulator was shut down.
    #[error("the simulator has been shut down")]
    Stopped,
}

impl SimulatorError {
    pub(crate) fn material(error: impl std::fmt::Display) -> Self {
        Self::Material(error.to_string())
    }

    pub(crate) fn config(what: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self::Config {
            what: what.into(),
            reason: reason.to_string(),
        }
    }

    /// One word per kind, for logs and metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Material(_) => "material",
            Self::Config { .. } => "config",
            Self::Listen { .. } => "listen",
            Self::Rule { .. } => "rule",
            Self::Stopped => "stopped",
        }
    }
}
