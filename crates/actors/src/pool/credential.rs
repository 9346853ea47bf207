//! One credential in use: where it connects, how it encodes, how its provider token is renewed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use fanfare_core::pool::{Limits, Recovery};
use fanfare_link::{Endpoint, Resolver, tls};
use fanfare_providers::{Codec, Error, apns as apns_provider, fcm as fcm_provider};
use fanfare_types::{AppId, Channel, Environment, Secret, Timestamp};
use futures_util::future::BoxFuture;
use http::HeaderValue;
use http::header::CONTENT_TYPE;

use crate::{ApnsCredential, App, FcmCredential};

/// Apple refuses a provider token that is older than an hour; a little less, for clocks that differ.
const APNS_TOKEN_LIFE: Duration = Duration::from_secs(58 * 60);

/// An access token is renewed this long before its end …
const FCM_RENEW_AHEAD: Duration = Duration::from_secs(5 * 60);
/// … or for this part of its life, whichever is shorter.
const FCM_RENEW_SHARE: u32 = 10;

/// The token endpoint's time to answer.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);
/// The most that is read of its answer.
const TOKEN_ANSWER_BYTES_MAX: usize = 64 * 1024;

/// One of an app's credentials, in one environment.
#[derive(Clone)]
pub(crate) struct Credential {
    app: AppId,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Apns(Arc<ApnsCredential>, Environment),
    /// With the client that fetches its tokens.
    Fcm(Arc<FcmCredential>, reqwest::Client),
}

/// A new provider token.
#[derive(Debug)]
pub(crate) struct Renewed {
    pub(crate) value: Secret<HeaderValue>,
    pub(crate) renew_after: Duration,
    pub(crate) lifetime: Duration,
}

/// Every credential of the apps, ready for use; `resolver` is for the token endpoints.
///
/// # Errors
/// One that can encode nothing, or has no HTTP client for its tokens.
pub(crate) fn all(apps: &[App], resolver: &Resolver) -> Result<Vec<Credential>, Error> {
    let mut all = Vec::new();
    for app in apps {
        let mut add = |way| {
            let app = app.id.clone();
            all.push(Credential { app, way });
        };
        if let Some(apns) = &app.apns {
            add(Way::Apns(apns.clone(), Environment::Production));
            add(Way::Apns(apns.clone(), Environment::Sandbox));
        }
        if let Some(fcm) = &app.fcm {
            add(Way::Fcm(fcm.clone(), token_client(&fcm.tls, resolver)?));
        }
    }
    for credential in &all {
        credential.codec()?;
    }
    Ok(all)
}

impl Credential {
    pub(crate) fn app(&self) -> &AppId {
        &self.app
    }

    pub(crate) fn channel(&self) -> Channel {
        match self.way {
            Way::Apns(..) => Channel::IosPush,
            Way::Fcm(..) => Channel::Fcm,
        }
    }

    pub(crate) fn environment(&self) -> Environment {
        match self.way {
            Way::Apns(_, environment) => environment,
            Way::Fcm(..) => Environment::Production,
        }
    }

    /// Whether what is connected under this one may go on under `other`: no more than limits differ.
    pub(crate) fn may_go_on_as(&self, other: &Self) -> bool {
        let is_same_account = match (&self.way, &other.way) {
            (Way::Apns(one, of), Way::Apns(other, to)) => of == to && one.is_same_account(other),
            (Way::Fcm(one, _), Way::Fcm(other, _)) => one.is_same_account(other),
            (Way::Apns(..), Way::Fcm(..)) | (Way::Fcm(..), Way::Apns(..)) => false,
        };
        self.app == other.app && is_same_account && self.endpoint() == other.endpoint()
    }

    pub(crate) fn limits(&self, recovery: &Recovery) -> Limits {
        let (connections_max, rate_max) = match &self.way {
            Way::Apns(apns, _) => (apns.connections_max, None),
            Way::Fcm(fcm, _) => (fcm.connections_max, Some(fcm.rate_max)),
        };
        Limits {
            recovery: recovery.clone(),
            ..Limits::for_channel(self.channel(), connections_max, rate_max)
        }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        match &self.way {
            Way::Apns(apns, Environment::Production) => &apns.production,
            Way::Apns(apns, Environment::Sandbox) => &apns.sandbox,
            Way::Fcm(fcm, _) => &fcm.endpoint,
        }
    }

    pub(crate) fn tls(&self) -> &tls::Client {
        match &self.way {
            Way::Apns(apns, _) => &apns.tls,
            Way::Fcm(fcm, _) => &fcm.tls,
        }
    }

    /// `link` with what this provider wants; FCM punishes being pinged.
    pub(crate) fn link(&self, link: &fanfare_link::Config) -> fanfare_link::Config {
        let ping_after = match self.way {
            Way::Apns(..) => link.ping_after,
            Way::Fcm(..) => None,
        };
        fanfare_link::Config {
            ping_after,
            ..link.clone()
        }
    }

    /// A codec for one connection.
    pub(crate) fn codec(&self) -> Result<Codec, Error> {
        let Endpoint { host, port } = self.endpoint();
        let authority = match port {
            443 => host.clone(),
            port => format!("{host}:{port}"),
        };
        match &self.way {
            Way::Apns(apns, _) => {
                apns_provider::Codec::new(&authority, &apns.topic).map(Codec::Apns)
            }
            Way::Fcm(fcm, _) => {
                fcm_provider::Codec::new(&authority, fcm.account.project_id()).map(Codec::Fcm)
            }
        }
    }

    /// Whether pushes carry a provider token: not with certificates.
    pub(crate) fn needs_token(&self) -> bool {
        match &self.way {
            Way::Apns(apns, _) => apns.signer.is_some(),
            Way::Fcm(..) => true,
        }
    }

    /// Makes or fetches a provider token; what is signed for it is dated `issued_at`.
    pub(crate) fn renew(&self, issued_at: Timestamp) -> BoxFuture<'static, Result<Renewed, Error>> {
        let credential = self.clone();
        Box::pin(async move {
            match &credential.way {
                Way::Apns(apns, _) => sign(apns, issued_at),
                Way::Fcm(fcm, client) => fetch(fcm, client, issued_at).await,
            }
        })
    }
}

fn sign(apns: &ApnsCredential, issued_at: Timestamp) -> Result<Renewed, Error> {
    let signer = apns.signer.as_ref().ok_or_else(|| Error::Credential {
        what: "APNs key",
        why: "there is none".to_owned(),
    })?;
    Ok(Renewed {
        value: signer.sign(issued_at)?,
        renew_after: apns_provider::TOKEN_LIFETIME,
        lifetime: APNS_TOKEN_LIFE,
    })
}

async fn fetch(
    fcm: &FcmCredential,
    client: &reqwest::Client,
    issued_at: Timestamp,
) -> Result<Renewed, Error> {
    let request = fcm.account.token_request(issued_at)?;
    let answer = client
        .post(&request.uri)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(request.form.expose().clone())
        .send();
    let mut answer = answer.await.map_err(unavailable)?;
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(unavailable)? {
        body.extend_from_slice(&chunk);
        if body.len() > TOKEN_ANSWER_BYTES_MAX {
            return Err(Error::TokenUnavailable("answer too long".to_owned()));
        }
    }
    let (value, lifetime) = fcm_provider::read_token(answer.status(), &body)?;
    let ahead = FCM_RENEW_AHEAD.min(lifetime / FCM_RENEW_SHARE);
    Ok(Renewed {
        value,
        renew_after: lifetime - ahead,
        lifetime,
    })
}

fn token_client(tls: &tls::Client, resolver: &Resolver) -> Result<reqwest::Client, Error> {
    reqwest::Client::builder()
        .dns_resolver(Arc::new(Names(resolver.clone())))
        .tls_backend_preconfigured(tls.config().as_ref().clone())
        .timeout(TOKEN_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|_| Error::Credential {
            what: "token client",
            why: "it cannot be set up".to_owned(),
        })
}

/// The links' resolver, for the HTTP client.
struct Names(Resolver);

impl reqwest::dns::Resolve for Names {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let resolver = self.0.clone();
        Box::pin(async move {
            let found = resolver.resolve(name.as_str()).await?;
            // The client puts the port in.
            let addresses = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as reqwest::dns::Addrs)
        })
    }
}

/// Without the address, which an error of the client would name.
fn unavailable(error: reqwest::Error) -> Error {
    let word = if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "cannot connect"
    } else {
        "no answer"
    };
    Error::TokenUnavailable(word.to_owned())
}
