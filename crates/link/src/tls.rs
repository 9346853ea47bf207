//! The TLS side of a connection: whom we trust, and who we are.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::{Error, Result};

/// ALPN name of HTTP/2 over TLS (RFC 9113, section 3.1).
pub(crate) const ALPN_H2: &[u8] = b"h2";

/// A TLS client configuration: rustls with aws-lc-rs, TLS 1.2 or 1.3, sessions resumed. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    plain: Arc<ClientConfig>,
    h2: Arc<ClientConfig>,
    made_from: Arc<MadeFrom>,
}

/// What tells one client from another; a configuration of rustls cannot be compared.
#[derive(PartialEq)]
struct MadeFrom {
    ca_pem: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Client {
    /// Trusts the platform's roots and, in addition, the certificates in `ca_pem`. With `identity`
    /// (certificate chain PEM, private key PEM) the client shows a certificate: APNs certificate credentials.
    ///
    /// Reads the platform's certificate files, so it blocks for some milliseconds; make one and clone it.
    ///
    /// # Errors
    /// [`Error::Certificates`] when nothing at all is trusted, `ca_pem` holds no usable certificate, or the
    /// identity's key and chain are unreadable or do not belong together.
    pub fn new(ca_pem: Option<&[u8]>, identity: Option<(&[u8], &[u8])>) -> Result<Self> {
        // Given explicitly: a process-wide default may be missing, or be another crate's choice.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Certificates(error.to_string()))?
            .with_root_certificates(roots(ca_pem)?);
        let plain = match identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = certificates(chain, "client certificate")?;
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|error| unusable("client key", error))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| unusable("client certificate and key", error))?
            }
        };
        let mut h2 = plain.clone();
        h2.alpn_protocols = vec![ALPN_H2.to_vec()];
        Ok(Client {
            plain: Arc::new(plain),
            h2: Arc::new(h2),
            made_from: Arc::new(MadeFrom {
                ca_pem: ca_pem.map(<[u8]>::to_vec),
                identity: identity.map(|(chain, key)| (chain.to_vec(), key.to_vec())),
            }),
        })
    }

    /// The configuration without ALPN, for HTTP clients beside the links, which set their own.
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.plain
    }

    /// The configuration for links: ALPN `h2` and nothing else.
    pub(crate) fn h2_config(&self) -> Arc<ClientConfig> {
        self.h2.clone()
    }
}

/// The same certificates and the same identity, whatever the platform trusted when each was made.
impl PartialEq for Client {
    fn eq(&self, other: &Self) -> bool {
        self.made_from == other.made_from
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("tls::Client")
    }
}

/// The platform's roots and `ca_pem`. A platform store that cannot be read (a bare container) matters only when
/// there is no `ca_pem` either; single unparsable platform certificates never do.
fn roots(ca_pem: Option<&[u8]>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let platform = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(platform.certs);
    if let Some(pem) = ca_pem {
        for certificate in certificates(pem, "ca")? {
            roots
                .add(certificate)
                .map_err(|error| unusable("ca", error))?;
        }
    }
    if roots.is_empty() {
        let cause = platform
            .errors
            .first()
            .map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(unusable("platform roots", cause));
    }
    Ok(roots)
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(what, error))?;
    if found.is_empty() {
        return Err(unusable(what, "no certificate in the pem"));
    }
    Ok(found)
}

fn unusable(what: &str, cause: impl std::fmt::Display) -> Error {
    Error::Certificates(format!("{what}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ca() -> String {
        rcgen::generate_simple_self_signed(["ca.test".to_owned()])
            .unwrap()
            .cert
            .pem()
    }

    #[test]
    fn alpn_only_for_links() {
        let client = Client::new(Some(ca().as_bytes()), None).unwrap();
        assert!(client.config().alpn_protocols.is_empty());
        assert_eq!(client.h2_config().alpn_protocols, [ALPN_H2.to_vec()]);
    }

    #[test]
    fn identity_must_fit_together() {
        let ca = ca();
        let one = rcgen::generate_simple_self_signed(["one.test".to_owned()]).unwrap();
        let two = rcgen::generate_simple_self_signed(["two.test".to_owned()]).unwrap();
        let chain = one.cert.pem();
        let key = one.signing_key.serialize_pem();
        let other = two.signing_key.serialize_pem();
        let with = |key: &str| {
            Client::new(
                Some(ca.as_bytes()),
                Some((chain.as_bytes(), key.as_bytes())),
            )
        };
        assert!(
            with(&key)
                .unwrap()
                .config()
                .client_auth_cert_resolver
                .has_certs()
        );
        for wrong in [other.as_str(), "", "no pem"] {
            assert_eq!(with(wrong).unwrap_err().label(), "certificates");
        }
    }

    #[test]
    fn clients_of_the_same_material_are_equal() {
        let (one, other) = (ca(), ca());
        let with = |ca: &str| Client::new(Some(ca.as_bytes()), None).unwrap();
        assert!(with(&one) == with(&one) && with(&one) != with(&other));
        let key = rcgen::generate_simple_self_signed(["one.test".to_owned()]).unwrap();
        let (chain, key) = (key.cert.pem(), key.signing_key.serialize_pem());
        let identity = Some((chain.as_bytes(), key.as_bytes()));
        let shown = || Client::new(Some(one.as_bytes()), identity).unwrap();
        assert!(shown() == shown() && shown() != with(&one));
        assert!(!format!("{:?}", shown()).contains("PRIVATE"));
    }

    #[test]
    fn ca_must_hold_a_certificate() {
        for pem in [
            "",
            "no pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let error = Client::new(Some(pem.as_bytes()), None).unwrap_err();
            assert_eq!(error.label(), "certificates", "{pem:?}");
        }
    }
}
