//! TLS to the database: whom we trust, and by which name.
//!
//! The driver knows nodes by their addresses, so a certificate has to name its node's IP address; where certificates
//! carry one name for the whole cluster instead, `tls_name` says it.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::config::section::Section;

/// Compared by what it was made from.
#[derive(Clone)]
pub struct Tls {
    pub config: Arc<ClientConfig>,
    ca: Vec<u8>,
    name: Option<String>,
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        (&self.ca, &self.name) == (&other.ca, &other.name)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// Whoever is not in `ca_file` is not trusted, whatever the platform trusts: a database has no public name.
pub(super) fn read(section: &Section<'_>) -> Option<Tls> {
    if !section.boolean("tls", false) {
        for name in ["ca_file", "tls_name"] {
            section.out_of_place(name, "is given, and tls is not true");
        }
        return None;
    }
    let name = section.optional("tls_name", "a host name", |text| {
        ServerName::try_from(text.to_owned()).ok()
    });
    if !section.has("ca_file") {
        section.out_of_place("ca_file", "");
        section.fault("ca_file", "is required for tls = true");
        return None;
    }
    let ca = section.file("ca_file")?;
    let said = name.as_ref().map(|name| name.to_str().into_owned());
    match client(&ca, name) {
        Ok(config) => Some(Tls {
            config: Arc::new(config),
            ca,
            name: said,
        }),
        Err(fault) => {
            section.fault("ca_file", fault);
            None
        }
    }
}

fn client(ca: &[u8], name: Option<ServerName<'static>>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca) {
        let certificate = certificate.map_err(|error| format!("is not PEM: {error}"))?;
        let added = roots.add(certificate);
        added.map_err(|error| format!("holds a certificate that cannot be used: {error}"))?;
    }
    if roots.is_empty() {
        return Err("holds no certificate".to_owned());
    }
    // Given explicitly: a process-wide default may be missing, or be another crate's choice.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let (roots, unusable) = (Arc::new(roots), |error: &dyn fmt::Display| {
        error.to_string()
    });
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?;
    let Some(name) = name else {
        return Ok(builder.with_root_certificates(roots).with_no_client_auth());
    };
    let inner = WebPkiServerVerifier::builder_with_provider(roots, provider);
    let inner = inner.build().map_err(|error| unusable(&error))?;
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ByName { name, inner }))
        .with_no_client_auth())
}

/// Everything is checked as ever, but for this name instead of the address.
#[derive(Debug)]
struct ByName {
    name: ServerName<'static>,
    inner: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for ByName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _address: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.inner
            .verify_server_cert(certificate, intermediates, &self.name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a certificate of these names, signed by its own authority, is taken for a node at 10.0.0.1.
    fn is_taken(names: &[&str], tls_name: Option<&str>, trusted: bool) -> bool {
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            rcgen::generate_simple_self_signed(names).unwrap()
        };
        let (own, other) = (of(names), of(names));
        let ca = if trusted {
            own.cert.pem()
        } else {
            other.cert.pem()
        };
        let name = tls_name.map(|name| ServerName::try_from(name.to_owned()).unwrap());
        let server = rustls::ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth();
        let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der());
        let server = server.with_single_cert(vec![own.cert.der().clone()], key.unwrap());
        let address = ServerName::try_from("10.0.0.1").unwrap();
        let client = Arc::new(client(ca.as_bytes(), name).unwrap());
        let mut client = rustls::ClientConnection::new(client, address).unwrap();
        let mut server = rustls::ServerConnection::new(Arc::new(server.unwrap())).unwrap();
        hand_over(&mut client, &mut server).is_ok()
    }

    /// A handshake without a network.
    fn hand_over(
        client: &mut rustls::ClientConnection,
        server: &mut rustls::ServerConnection,
    ) -> Result<(), rustls::Error> {
        while client.is_handshaking() {
            let mut bytes = Vec::new();
            client.write_tls(&mut bytes).unwrap();
            server.read_tls(&mut bytes.as_slice()).unwrap();
            server.process_new_packets()?;
            let mut bytes = Vec::new();
            server.write_tls(&mut bytes).unwrap();
            client.read_tls(&mut bytes.as_slice()).unwrap();
            client.process_new_packets()?;
        }
        Ok(())
    }

    #[test]
    fn a_node_is_known_by_its_address_or_by_the_name_that_was_said() {
        assert!(is_taken(&["10.0.0.1"], None, true));
        assert!(!is_taken(&["10.0.0.2"], None, true));
        assert!(!is_taken(&["cluster.test"], None, true));
        assert!(is_taken(&["cluster.test"], Some("cluster.test"), true));
        assert!(!is_taken(&["10.0.0.1"], Some("cluster.test"), true));
        for name in [None, Some("cluster.test")] {
            assert!(!is_taken(&["10.0.0.1", "cluster.test"], name, false));
        }
    }
}
