//! The apps a gateway serves, with their usable credentials.

use std::sync::Arc;

use fanfare_core::{cleanup::OnDeadToken, registration};
use fanfare_link::{Endpoint, tls};
use fanfare_providers::{apns, fcm};
use fanfare_types::AppId;

/// One app, checked and ready.
#[derive(Clone, Debug, PartialEq)]
pub struct App {
    pub id: AppId,
    pub on_dead_token: OnDeadToken,
    pub registration: registration::Policy,
    pub apns: Option<Arc<ApnsCredential>>,
    pub fcm: Option<Arc<FcmCredential>>,
}

/// Credentials are equal when they are the same for the provider and have the same limits.
#[derive(Debug, PartialEq)]
pub struct ApnsCredential {
    /// `None` with certificate credentials: the certificate is in `tls`.
    pub signer: Option<apns::Signer>,
    pub tls: tls::Client,
    pub topic: String,
    pub production: Endpoint,
    pub sandbox: Endpoint,
    /// Most connections to each environment; opened as load asks for them.
    pub connections_max: usize,
}

#[derive(Debug, PartialEq)]
pub struct FcmCredential {
    pub account: fcm::ServiceAccount,
    pub tls: tls::Client,
    pub endpoint: Endpoint,
    /// Most connections; opened as load asks for them.
    pub connections_max: usize,
    /// Pushes a second at most (the project's quota).
    pub rate_max: u32,
}

impl ApnsCredential {
    /// Whether both are the same to Apple; they may still connect to other hosts, or as often as they like.
    pub fn is_same_account(&self, other: &Self) -> bool {
        let ApnsCredential {
            signer,
            tls,
            topic,
            production: _,
            sandbox: _,
            connections_max: _,
        } = self;
        *signer == other.signer && *tls == other.tls && *topic == other.topic
    }
}

impl FcmCredential {
    /// Whether both are the same to Google; they may still connect to another host, or send at another rate.
    pub fn is_same_account(&self, other: &Self) -> bool {
        let FcmCredential {
            account,
            tls,
            endpoint: _,
            connections_max: _,
            rate_max: _,
        } = self;
        *account == other.account && *tls == other.tls
    }
}
