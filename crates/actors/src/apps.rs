//! The apps a gateway serves, with their usable credentials.

use fanfare_core::{cleanup::OnDeadToken, registration};
use fanfare_link::{Endpoint, tls};
use fanfare_providers::{apns, fcm};
use fanfare_types::AppId;

/// One app, checked and ready.
#[derive(Debug)]
pub struct App {
    pub id: AppId,
    pub on_dead_token: OnDeadToken,
    pub registration: registration::Policy,
    pub apns: Option<ApnsCredential>,
    pub fcm: Option<FcmCredential>,
}

#[derive(Debug)]
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

#[derive(Debug)]
pub struct FcmCredential {
    pub account: fcm::ServiceAccount,
    pub tls: tls::Client,
    pub endpoint: Endpoint,
    /// Most connections; opened as load asks for them.
    pub connections_max: usize,
    /// Pushes a second at most (the project's quota).
    pub rate_max: u32,
}
