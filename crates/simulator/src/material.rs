//! Keys and certificates for development and tests, made on the spot: what a gateway is configured with, and what the
//! simulator must know to verify it.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd,
};
use serde::{Deserialize, Serialize};

use crate::SimulatorError;
use crate::config::{ApnsConfig, ApnsKey, Config, FcmConfig, FcmProject, Limits, Listen, Tls};

/// The bundle id of [`Material::generate`].
pub const TOPIC: &str = "com.example.app";

/// Everything a development set-up needs. Holds private keys: write it only where the user asked for it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Material {
    /// The authority that signed every certificate here, PEM. A gateway trusts it as `ca_file`.
    pub ca_pem: String,
    /// For `localhost`, `127.0.0.1` and `::1`.
    pub server: Identity,
    /// Server identities that a client must refuse.
    pub faulty: FaultyIdentities,
    /// A client certificate for APNs with certificate authentication.
    pub apns_client: Identity,
    /// The APNs token key.
    pub apns_key: ApnsSigningKey,
    /// The FCM service account.
    pub service_account: ServiceAccount,
    /// The bundle id that may be pushed to.
    pub topic: String,
}

/// A certificate and its key.
#[derive(Clone, Serialize, Deserialize)]
pub struct Identity {
    /// PEM.
    pub certificate_pem: String,
    /// PEM, PKCS#8.
    pub key_pem: String,
}

/// One identity for each way a server certificate can be wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FaultyIdentities {
    /// Ended in 2021.
    pub expired: Identity,
    /// For another host.
    pub wrong_name: Identity,
    /// Signed by nobody.
    pub untrusted: Identity,
}

/// An APNs token key as Apple hands it out, and its public half.
#[derive(Clone, Serialize, Deserialize)]
pub struct ApnsSigningKey {
    /// Ten characters.
    pub key_id: String,
    /// Ten characters.
    pub team_id: String,
    /// The `.p8` file: PEM, PKCS#8, P-256.
    pub p8: String,
    /// PEM, `SubjectPublicKeyInfo`.
    pub public_key_pem: String,
}

/// A Google service account; [`Material::service_account_json`] renders the file.
#[derive(Clone, Serialize, Deserialize)]
pub struct ServiceAccount {
    /// Firebase project.
    pub project_id: String,
    /// Who signs.
    pub client_email: String,
    /// Id of the key.
    pub private_key_id: String,
    /// PEM, PKCS#8, RSA 2048.
    pub private_key_pem: String,
    /// PEM, `SubjectPublicKeyInfo`.
    pub public_key_pem: String,
}

macro_rules! secret_debug {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}
secret_debug!(Material, Identity, ApnsSigningKey, ServiceAccount);

impl Material {
    /// Makes new keys and certificates. Takes some hundred milliseconds (the RSA key).
    ///
    /// # Errors
    /// [`SimulatorError::Material`] when the system's random numbers or the encoder fail.
    pub fn generate() -> Result<Self, SimulatorError> {
        let ca = Authority::new()?;
        let local = ["localhost", "127.0.0.1", "::1"];
        let expired = |params: &mut CertificateParams| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        };
        Ok(Self {
            server: ca.server(&local, |_| {})?,
            faulty: FaultyIdentities {
                expired: ca.server(&local, expired)?,
                wrong_name: ca.server(&["wrong.invalid"], |_| {})?,
                untrusted: Authority::new()?.server(&local, |_| {})?,
            },
            apns_client: ca.client(TOPIC)?,
            apns_key: ApnsSigningKey::generate()?,
            service_account: ServiceAccount::generate()?,
            topic: TOPIC.into(),
            ca_pem: ca.pem,
        })
    }

    /// The service account file that a gateway reads, with `token_uri` (see
    /// [`Addresses::token_uri`](crate::Addresses::token_uri)) in it.
    #[must_use]
    pub fn service_account_json(&self, token_uri: &str) -> String {
        let account = &self.service_account;
        let json = serde_json::json!({
            "type": "service_account",
            "project_id": account.project_id,
            "private_key_id": account.private_key_id,
            "private_key": account.private_key_pem,
            "client_email": account.client_email,
            "client_id": "100000000000000000001",
            "token_uri": token_uri,
        });
        format!("{json:#}\n")
    }

    /// A configuration that trusts these keys, listens on free loopback ports and has the defaults for the rest.
    #[must_use]
    pub fn config(&self) -> Config {
        Config {
            listen: Listen::default(),
            tls: Tls {
                server: self.server.clone(),
                faulty: Some(self.faulty.clone()),
                client_ca_pem: Some(self.ca_pem.clone()),
            },
            apns: ApnsConfig {
                keys: vec![ApnsKey {
                    key_id: self.apns_key.key_id.clone(),
                    team_id: self.apns_key.team_id.clone(),
                    public_key_pem: self.apns_key.public_key_pem.clone(),
                }],
                topics: vec![self.topic.clone()],
                max_streams: 1000,
                token_update_interval: std::time::Duration::from_secs(20 * 60),
            },
            fcm: FcmConfig {
                projects: vec![FcmProject {
                    project_id: self.service_account.project_id.clone(),
                    client_email: self.service_account.client_email.clone(),
                    public_key_pem: self.service_account.public_key_pem.clone(),
                }],
                max_streams: 100,
                max_pings: 2,
                access_token_ttl: std::time::Duration::from_secs(3600),
                audiences: Vec::new(),
            },
            latency: None,
            latency_seed: 0,
            fast: false,
            dead_prefix: None,
            limits: Limits::default(),
        }
    }
}

impl ApnsSigningKey {
    fn generate() -> Result<Self, SimulatorError> {
        let key = ec_key()?;
        Ok(Self {
            key_id: identifier()?,
            team_id: identifier()?,
            p8: key.serialize_pem(),
            public_key_pem: key.public_key_pem(),
        })
    }
}

impl ServiceAccount {
    fn generate() -> Result<Self, SimulatorError> {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
            .map_err(SimulatorError::material)?;
        let project_id = "fanfare-dev".to_owned();
        Ok(Self {
            client_email: format!("push@{project_id}.iam.gserviceaccount.com"),
            project_id,
            private_key_id: identifier()?,
            private_key_pem: key.serialize_pem(),
            public_key_pem: key.public_key_pem(),
        })
    }
}

/// A certificate authority while it signs.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Result<Self, SimulatorError> {
        let mut params = named("Fanfare development authority")?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = ec_key()?;
        let pem = params
            .self_signed(&key)
            .map_err(SimulatorError::material)?
            .pem();
        Ok(Self {
            pem,
            issuer: Issuer::new(params, key),
        })
    }

    fn server(
        &self,
        names: &[&str],
        change: impl Fn(&mut CertificateParams),
    ) -> Result<Identity, SimulatorError> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).map_err(SimulatorError::material)?;
        params
            .distinguished_name
            .push(DnType::CommonName, "Fanfare simulator");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut params);
        self.sign(params)
    }

    fn client(&self, topic: &str) -> Result<Identity, SimulatorError> {
        let mut params = named(&format!("Apple Push Services: {topic}"))?;
        // UID (RFC 4519), where Apple's certificates name the topic.
        let uid = DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]);
        params.distinguished_name.push(uid, topic);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Identity, SimulatorError> {
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = ec_key()?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(SimulatorError::material)?;
        Ok(Identity {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }
}

fn named(common_name: &str) -> Result<CertificateParams, SimulatorError> {
    let mut params =
        CertificateParams::new(Vec::<String>::new()).map_err(SimulatorError::material)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    Ok(params)
}

fn ec_key() -> Result<KeyPair, SimulatorError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(SimulatorError::material)
}

/// Ten characters in the alphabet of Apple's key and team ids.
fn identifier() -> Result<String, SimulatorError> {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut bytes = [0_u8; 10];
    aws_lc_rs::rand::fill(&mut bytes).map_err(SimulatorError::material)?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_a_file_and_hides_its_secrets() {
        let material = Material::generate().unwrap();
        let written = serde_json::to_string(&material).unwrap();
        let read: Material = serde_json::from_str(&written).unwrap();
        assert_eq!(read.apns_key.p8, material.apns_key.p8);
        assert!(
            material
                .apns_key
                .p8
                .starts_with("-----BEGIN PRIVATE KEY-----")
        );
        assert_eq!(material.apns_key.key_id.len(), 10);
        assert!(!format!("{material:?} {:?}", material.config()).contains("PRIVATE"));
        let account: serde_json::Value =
            serde_json::from_str(&material.service_account_json("https://localhost:1/token"))
                .unwrap();
        assert_eq!(account["token_uri"], "https://localhost:1/token");
        assert_eq!(account["project_id"], "fanfare-dev");
    }
}
