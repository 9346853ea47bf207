//! What a simulator is started with. Every limit is here, with its unit and default.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::material::{FaultyIdentities, Identity};
use crate::rules::Span;

/// Everything a [`Simulator`](crate::Simulator) needs. [`Material::config`](crate::Material::config) makes one that
/// fits a set of generated keys; change the fields from there.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: Listen,
    /// Certificates the TLS listeners show, and whom they trust.
    pub tls: Tls,
    /// The APNs side.
    pub apns: ApnsConfig,
    /// The FCM side with its token endpoint.
    pub fcm: FcmConfig,
    /// Time before every answer of APNs and FCM. Default: none.
    pub latency: Option<Span>,
    /// Other draws of a latency that is drawn; the same seed draws the same in the same order. Default 0.
    pub latency_seed: u64,
    /// Addresses that start so (ASCII case is ignored) are answered as dead: 410 `Unregistered` with the present time,
    /// or 404 `UNREGISTERED`. Default: none.
    pub dead_prefix: Option<String>,
    /// APNs and FCM accept every push at once and cost next to nothing, so that it is not they that a load test
    /// measures: no rules, no latency, no dead addresses, and the books have totals and the ids of accepted pushes
    /// only. Default: off.
    pub fast: bool,
    /// Bounds.
    pub limits: Limits,
}

impl Config {
    /// What cannot be had in the fast mode.
    pub(crate) fn check(&self) -> Result<(), crate::SimulatorError> {
        let wrong = match () {
            () if !self.fast => return Ok(()),
            () if self.latency.is_some() => "a latency",
            () if self.dead_prefix.is_some() => "dead addresses",
            () => return Ok(()),
        };
        Err(crate::SimulatorError::config(
            "the fast mode",
            format!("there is no place in it for {wrong}"),
        ))
    }
}

/// Socket addresses; port 0 lets the system choose ([`Simulator::addresses`](crate::Simulator::addresses) tells).
#[derive(Clone, Debug)]
pub struct Listen {
    /// APNs: TLS, HTTP/2.
    pub apns: SocketAddr,
    /// FCM: TLS, HTTP/2.
    pub fcm: SocketAddr,
    /// Google's token endpoint: TLS, HTTP/2 or HTTP/1.1, `POST /token`.
    pub oauth: SocketAddr,
    /// The control API: plain HTTP without authentication, so keep it on loopback. `None` for none.
    pub control: Option<SocketAddr>,
}

impl Default for Listen {
    fn default() -> Self {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self {
            apns: any,
            fcm: any,
            oauth: any,
            control: Some(any),
        }
    }
}

/// Server identity and trust.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Shown on every TLS listener.
    pub server: Identity,
    /// Shown instead when a rule says so. Without them such rules are refused.
    pub faulty: Option<FaultyIdentities>,
    /// PEM of the authority whose client certificates APNs takes instead of a provider token.
    pub client_ca_pem: Option<String>,
}

/// The APNs side.
#[derive(Clone, Debug)]
pub struct ApnsConfig {
    /// Keys whose provider tokens are believed.
    pub keys: Vec<ApnsKey>,
    /// Bundle ids that may be pushed to, with the suffixes that belong to a push type. Empty: any.
    pub topics: Vec<String>,
    /// Concurrent streams on a connection once its first token was accepted (before that, 1) or from the start with a
    /// client certificate. Default 1000.
    pub max_streams: u32,
    /// A connection that shows a new token sooner than this after the last new one is answered
    /// 429 `TooManyProviderTokenUpdates`. Default 20 minutes.
    pub token_update_interval: Duration,
}

/// A key as the simulator knows it: the public half.
#[derive(Clone, Debug)]
pub struct ApnsKey {
    /// `kid` of the tokens.
    pub key_id: String,
    /// `iss` of the tokens.
    pub team_id: String,
    /// PEM, `SubjectPublicKeyInfo` of a P-256 key.
    pub public_key_pem: String,
}

/// The FCM side.
#[derive(Clone, Debug)]
pub struct FcmConfig {
    /// Projects that exist.
    pub projects: Vec<FcmProject>,
    /// Concurrent streams on a connection. Default 100.
    pub max_streams: u32,
    /// PING frames a connection may send before GOAWAY `too_many_pings`. Default 2.
    pub max_pings: u32,
    /// Life of an access token. Default 3600 s.
    pub access_token_ttl: Duration,
    /// Values of `aud` that the token endpoint takes besides its own address.
    pub audiences: Vec<String>,
}

/// A project and its service account.
#[derive(Clone, Debug)]
pub struct FcmProject {
    /// The id in the path.
    pub project_id: String,
    /// `iss` of the assertions.
    pub client_email: String,
    /// PEM, `SubjectPublicKeyInfo` of an RSA key.
    pub public_key_pem: String,
}

/// Bounds of what the simulator keeps.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Requests kept one by one in the books; in the fast mode, ids of accepted pushes. Beyond it only totals are
    /// counted, and `log_full` says so. Default 200,000.
    pub book_entries: usize,
    /// Open connections per listener; further ones are closed at once and counted as refused. Default 4096.
    pub connections: usize,
    /// Rules at one time; more are refused. Default 1024.
    pub rules: usize,
    /// How long a frozen connection or a hung handshake is kept. Default 10 minutes.
    pub hold: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            book_entries: 200_000,
            connections: 4096,
            rules: 1024,
            hold: Duration::from_secs(600),
        }
    }
}
