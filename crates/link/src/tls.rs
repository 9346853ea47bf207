//! The TLS side of a connection: whom we trust, and who we are.

use std::sync::Arc;

use crate::Result;

/// A TLS client configuration (rustls, aws-lc-rs, ALPN `h2`). Cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<rustls::ClientConfig>);

impl Client {
    /// Trusts the platform's roots and, in addition, the certificates in `ca_pem`. With `identity`
    /// (certificate chain PEM, private key PEM) the client shows a certificate: APNs certificate credentials.
    pub fn new(ca_pem: Option<&[u8]>, identity: Option<(&[u8], &[u8])>) -> Result<Self> {
        let _ = (ca_pem, identity);
        todo!("the link's room")
    }

    /// The configuration itself, for HTTP clients beside the links (without their own ALPN).
    pub fn config(&self) -> &Arc<rustls::ClientConfig> {
        &self.0
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("tls::Client")
    }
}
