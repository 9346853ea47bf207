//! One credential in use: where it connects, how it encodes, how its provider token is renewed.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use fanfare_core::pool::Limits;
use fanfare_link::{Endpoint, tls};
use fanfare_providers::{Codec, Error, apns, fcm};
use fanfare_types::{Channel, Environment, Secret, Timestamp};
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

/// APNs allows one stream on a new connection until it has seen a good token.
const APNS_STREAMS_INITIAL: u32 = 1;
/// What FCM is seen to allow.
const FCM_STREAMS_INITIAL: u32 = 100;

/// One of an app's credentials, in one environment.
#[derive(Clone)]
pub(crate) struct Credential {
    apps: Arc<[App]>,
    index: usize,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Apns(Environment),
    Fcm(reqwest::Client),
}

/// A new provider token.
#[derive(Debug)]
pub(crate) struct Renewed {
    pub(crate) value: Secret<HeaderValue>,
    pub(crate) renew_after: Duration,
    pub(crate) lifetime: Duration,
}

/// Every credential of the apps, ready for use.
///
/// # Errors
/// One that can encode nothing, or has no HTTP client for its tokens.
pub(crate) fn all(apps: &Arc<[App]>) -> Result<Vec<Credential>, Error> {
    let mut all = Vec::new();
    for (index, app) in apps.iter().enumerate() {
        let mut add = |way| {
            all.push(Credential {
                apps: apps.clone(),
                index,
                way,
            });
        };
        if app.apns.is_some() {
            add(Way::Apns(Environment::Production));
            add(Way::Apns(Environment::Sandbox));
        }
        if let Some(fcm) = &app.fcm {
            add(Way::Fcm(token_client(&fcm.tls)?));
        }
    }
    for credential in &all {
        credential.codec()?;
    }
    Ok(all)
}

impl Credential {
    pub(crate) fn app(&self) -> &App {
        &self.apps[self.index]
    }

    pub(crate) fn channel(&self) -> Channel {
        match self.way {
            Way::Apns(_) => Channel::IosPush,
            Way::Fcm(_) => Channel::Fcm,
        }
    }

    pub(crate) fn environment(&self) -> Environment {
        match self.way {
            Way::Apns(environment) => environment,
            Way::Fcm(_) => Environment::Production,
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        let (connections_max, rate_max) = match self.way {
            Way::Apns(_) => (self.apns().connections_max, None),
            Way::Fcm(_) => (self.fcm().connections_max, Some(self.fcm().rate_max)),
        };
        Limits::for_channel(self.channel(), connections_max, rate_max)
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        match self.way {
            Way::Apns(Environment::Production) => &self.apns().production,
            Way::Apns(Environment::Sandbox) => &self.apns().sandbox,
            Way::Fcm(_) => &self.fcm().endpoint,
        }
    }

    pub(crate) fn tls(&self) -> &tls::Client {
        match self.way {
            Way::Apns(_) => &self.apns().tls,
            Way::Fcm(_) => &self.fcm().tls,
        }
    }

    /// `link` with what this provider wants; FCM punishes being pinged.
    pub(crate) fn link(&self, link: &fanfare_link::Config) -> fanfare_link::Config {
        let (streams_initial, ping_after) = match self.way {
            Way::Apns(_) => (APNS_STREAMS_INITIAL, link.ping_after),
            Way::Fcm(_) => (FCM_STREAMS_INITIAL, None),
        };
        fanfare_link::Config {
            streams_initial,
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
        match self.way {
            Way::Apns(_) => apns::Codec::new(&authority, &self.apns().topic).map(Codec::Apns),
            Way::Fcm(_) => {
                fcm::Codec::new(&authority, self.fcm().account.project_id()).map(Codec::Fcm)
            }
        }
    }

    /// Whether pushes carry a provider token: not with certificates.
    pub(crate) fn needs_token(&self) -> bool {
        match self.way {
            Way::Apns(_) => self.apns().signer.is_some(),
            Way::Fcm(_) => true,
        }
    }

    /// Makes or fetches a provider token; what is signed for it is dated `issued_at`.
    pub(crate) fn renew(&self, issued_at: Timestamp) -> BoxFuture<'static, Result<Renewed, Error>> {
        let credential = self.clone();
        Box::pin(async move {
            match &credential.way {
                Way::Apns(_) => credential.sign(issued_at),
                Way::Fcm(client) => credential.fetch(client, issued_at).await,
            }
        })
    }

    fn sign(&self, issued_at: Timestamp) -> Result<Renewed, Error> {
        let signer = self
            .apns()
            .signer
            .as_ref()
            .ok_or_else(|| Error::Credential {
                what: "APNs key",
                why: "there is none".to_owned(),
            })?;
        Ok(Renewed {
            value: signer.sign(issued_at)?,
            renew_after: apns::TOKEN_LIFETIME,
            lifetime: APNS_TOKEN_LIFE,
        })
    }

    async fn fetch(
        &self,
        client: &reqwest::Client,
        issued_at: Timestamp,
    ) -> Result<Renewed, Error> {
        let request = self.fcm().account.token_request(issued_at)?;
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
        let (value, lifetime) = fcm::read_token(answer.status(), &body)?;
        let ahead = FCM_RENEW_AHEAD.min(lifetime / FCM_RENEW_SHARE);
        Ok(Renewed {
            value,
            renew_after: lifetime - ahead,
            lifetime,
        })
    }

    fn apns(&self) -> &ApnsCredential {
        let apns = self.app().apns.as_ref();
        apns.expect("made only for apps with an APNs credential")
    }

    fn fcm(&self) -> &FcmCredential {
        let fcm = self.app().fcm.as_ref();
        fcm.expect("made only for apps with an FCM credential")
    }
}

fn token_client(tls: &tls::Client) -> Result<reqwest::Client, Error> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls.config().as_ref().clone())
        .timeout(TOKEN_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|_| Error::Credential {
            what: "token client",
            why: "it cannot be set up".to_owned(),
        })
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
