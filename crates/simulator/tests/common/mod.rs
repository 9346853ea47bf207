//! A small HTTP/2 client over TLS, and a simulator to point it at.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare_simulator::books::Totals;
use fanfare_simulator::{Config, Material, Simulator};
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// Everything here ends in this time or the test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Stage {
    pub simulator: Simulator,
    pub material: Material,
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn reason(&self) -> (u16, String) {
        let reason = if self.body.is_empty() {
            "".into()
        } else {
            self.json()["reason"].as_str().unwrap().to_owned()
        };
        (self.status, reason)
    }
}

pub async fn stage(change: impl FnOnce(&mut Config)) -> Stage {
    let material = Material::generate().unwrap();
    let mut config = material.config();
    config.dead_prefix = Some("dead".into());
    change(&mut config);
    Stage {
        simulator: Simulator::start(config).await.unwrap(),
        material,
    }
}

pub fn now() -> i64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

pub fn token(letter: char) -> String {
    letter.to_string().repeat(64)
}

impl Stage {
    pub fn rules(&self, rules: Value) {
        self.simulator
            .set_rules(serde_json::from_value(rules).unwrap())
            .unwrap();
    }

    pub fn totals(&self) -> Totals {
        self.simulator.books().totals()
    }

    /// Waits until the books say so.
    pub async fn until(&self, what: &str, holds: impl Fn(&Totals) -> bool) {
        let wait = async {
            while !holds(&self.totals()) {
                tokio::task::yield_now().await;
            }
        };
        let done = tokio::time::timeout(PATIENCE, wait).await;
        assert!(done.is_ok(), "{what}: {:?}", self.totals());
    }

    pub fn jwt(&self, change: impl FnOnce(&mut Header, &mut Value)) -> String {
        let key = &self.material.apns_key;
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(key.key_id.clone());
        let mut claims = json!({ "iss": key.team_id, "iat": now() });
        change(&mut header, &mut claims);
        let signer = EncodingKey::from_ec_pem(key.p8.as_bytes()).unwrap();
        format!(
            "bearer {}",
            jsonwebtoken::encode(&header, &claims, &signer).unwrap()
        )
    }

    pub fn assertion(&self, change: impl FnOnce(&mut Value)) -> String {
        let account = &self.material.service_account;
        let mut claims = json!({
            "iss": account.client_email,
            "scope": "https://www.googleapis.com/auth/firebase.messaging",
            "aud": self.simulator.addresses().token_uri(),
            "iat": now(),
            "exp": now() + 3600,
        });
        change(&mut claims);
        let signer = EncodingKey::from_rsa_pem(account.private_key_pem.as_bytes()).unwrap();
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &signer).unwrap()
    }

    pub fn http(&self) -> reqwest::Client {
        let ca = reqwest::Certificate::from_pem(self.material.ca_pem.as_bytes()).unwrap();
        // A second installation in the same process is refused, which is as good.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        reqwest::Client::builder()
            .tls_certs_only([ca])
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .unwrap()
    }

    pub async fn oauth(&self, grant: &str, assertion: &str) -> (u16, Value) {
        let form = [("grant_type", grant), ("assertion", assertion)];
        let uri = self.simulator.addresses().token_uri();
        let answer = self.http().post(uri).form(&form).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub async fn access_token(&self) -> String {
        let (status, body) = self.oauth(GRANT, &self.assertion(|_| {})).await;
        assert_eq!(status, 200, "{body}");
        format!("Bearer {}", body["access_token"].as_str().unwrap())
    }

    pub async fn apns(&self) -> Client {
        self.dial(self.simulator.addresses().apns, false)
            .await
            .unwrap()
    }

    pub async fn apns_with_certificate(&self) -> Client {
        self.dial(self.simulator.addresses().apns, true)
            .await
            .unwrap()
    }

    pub async fn fcm(&self) -> Client {
        self.dial(self.simulator.addresses().fcm, false)
            .await
            .unwrap()
    }

    pub async fn dial(&self, address: SocketAddr, certificate: bool) -> std::io::Result<Client> {
        let tls = self.tls(address, certificate).await?;
        let (send, mut connection) = h2::client::Builder::new()
            .initial_max_send_streams(1)
            .handshake(tls)
            .await
            .map_err(std::io::Error::other)?;
        let ping = connection.ping_pong();
        let driver = tokio::spawn(connection);
        Ok(Client { send, ping, driver })
    }

    pub async fn tls(
        &self,
        address: SocketAddr,
        certificate: bool,
    ) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.material.ca_pem.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = if certificate {
            let own = &self.material.apns_client;
            let chain =
                vec![CertificateDer::from_pem_slice(own.certificate_pem.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(own.key_pem.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        } else {
            builder.with_no_client_auth()
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(address).await?;
        let connector = TlsConnector::from(Arc::new(config));
        connector
            .connect(ServerName::try_from("localhost").unwrap(), stream)
            .await
    }

    /// A good push to an address, to be changed.
    pub fn push(&self, token: &str) -> Request<Bytes> {
        Request::post(format!("https://localhost/3/device/{token}"))
            .header("authorization", self.jwt(|_, _| {}))
            .header("apns-topic", "com.example.app")
            .header("apns-push-type", "alert")
            .body(Bytes::from_static(br#"{"aps":{"alert":"hello"}}"#))
            .unwrap()
    }

    pub fn message(&self, access: &str, body: &Value) -> Request<Bytes> {
        Request::post("https://localhost/v1/projects/fanfare-dev/messages:send")
            .header("authorization", access)
            .header("content-type", "application/json")
            .body(Bytes::from(body.to_string()))
            .unwrap()
    }
}

pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

pub struct Client {
    pub send: SendRequest<Bytes>,
    pub ping: Option<h2::PingPong>,
    pub driver: JoinHandle<Result<(), h2::Error>>,
}

impl Client {
    pub async fn ask(&self, request: Request<Bytes>) -> Result<Answer, h2::Error> {
        ask(self.send.clone(), request).await
    }

    pub fn limit(&self) -> usize {
        self.send.current_max_send_streams()
    }

    /// Waits until the peer's limit is this.
    pub async fn until_limit(&self, limit: usize) {
        let wait = async {
            while self.limit() != limit {
                tokio::task::yield_now().await;
            }
        };
        assert!(
            tokio::time::timeout(PATIENCE, wait).await.is_ok(),
            "the limit stays {}",
            self.limit()
        );
    }

    /// The way the connection ended.
    pub async fn ended(self) -> Result<(), h2::Error> {
        tokio::time::timeout(PATIENCE, self.driver)
            .await
            .expect("the connection stays open")
            .unwrap()
    }
}

pub async fn ask(send: SendRequest<Bytes>, request: Request<Bytes>) -> Result<Answer, h2::Error> {
    let exchange = async {
        let (parts, body) = request.into_parts();
        let (response, mut stream) = send
            .ready()
            .await?
            .send_request(Request::from_parts(parts, ()), false)?;
        stream.send_data(body, true)?;
        let (parts, mut body) = response.await?.into_parts();
        let mut bytes = Vec::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk?;
            body.flow_control().release_capacity(chunk.len())?;
            bytes.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: bytes.into(),
        })
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .expect("no answer")
}
