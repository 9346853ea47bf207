//! The control API: plain HTTP, JSON in and out.
//!
//! | request | answer |
//! |---|---|
//! | `GET /healthz` | 200 `{"status": "ok", "addresses": {…}}` |
//! | `GET /rules` | `{"rules": [{"rule": …, "seen": n, "fired": n}]}` |
//! | `PUT /rules`, `POST /rules` | body `{"rules": […]}`; replaces or adds; 200 as `GET`, or 400 `{"error": …}` |
//! | `DELETE /rules` | 204 |
//! | `GET /books` | [`Totals`](crate::books::Totals) |
//! | `GET /books/requests?provider=&address=&apns_id=&status=&after=&limit=` | `{"requests": [`[`Entry`](crate::books::Entry)`…]}` |
//! | `GET /books/addresses?after=&limit=` | `{"addresses": [`[`AddressTotal`](crate::books::AddressTotal)`…]}` |
//! | `DELETE /books` | 204 |
//! | `DELETE /connections/apns` (or `fcm`, `oauth`) | closes them; 204 |
//! | `DELETE /listening/apns`, `PUT /listening/apns` | stops listening, listens again; 204 |
//! | `DELETE /accepting/apns`, `PUT /accepting/apns` | leaves new connections waiting, takes them again; 204 |

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::books::{PAGE_MAX, Query};
use crate::listener::{Command, Doors};
use crate::rules::Rule;
use crate::simulator::{Addresses, Shared};
use crate::{Provider, SimulatorError, http_server};

/// Open connections of the control API; further ones are closed at once.
const CONNECTIONS_MAX: usize = 256;

/// The body of `PUT /rules` and `POST /rules`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// In the order in which they are tried.
    pub rules: Vec<Rule>,
}

#[derive(Clone)]
pub(crate) struct Control {
    pub(crate) shared: Arc<Shared>,
    pub(crate) doors: Doors,
    pub(crate) addresses: Addresses,
}

type Answer = Response<Full<Bytes>>;

impl Control {
    pub(crate) async fn serve(self, socket: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = connections.join_next() => {}
                accepted = socket.accept() => match accepted {
                    Ok((stream, _)) if connections.len() < CONNECTIONS_MAX => {
                        let control = self.clone();
                        let handle = move |request| {
                            let control = control.clone();
                            async move { control.answer(&request).await }
                        };
                        connections.spawn(http_server::serve_control(stream, handle));
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a control connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
    }

    async fn answer(&self, request: &Request<Bytes>) -> Answer {
        let books = &self.shared.books;
        let rules = &self.shared.rules;
        match (request.method().as_str(), request.uri().path()) {
            ("GET", "/healthz") => ok(&json!({ "status": "ok", "addresses": self.addresses })),
            ("GET", "/rules") => self.rules(),
            ("PUT", "/rules") => self.change_rules(request.body(), |list| rules.set(list)),
            ("POST", "/rules") => self.change_rules(request.body(), |list| rules.add(list)),
            ("DELETE", "/rules") => self.done(rules.set(Vec::new())),
            ("GET", "/books") => ok(&books.totals()),
            ("DELETE", "/books") => {
                books.reset();
                self.done(Ok(()))
            }
            ("GET", "/books/requests") => match query(request) {
                Ok(query) => ok(&json!({ "requests": books.requests(&query) })),
                Err(fault) => error(StatusCode::BAD_REQUEST, &fault),
            },
            ("GET", "/books/addresses") => match query(request) {
                Ok(Query { after, limit, .. }) => {
                    let after = after
                        .and_then(|after| usize::try_from(after).ok())
                        .unwrap_or(0);
                    ok(&json!({ "addresses": books.addresses(after, limit.unwrap_or(PAGE_MAX)) }))
                }
                Err(fault) => error(StatusCode::BAD_REQUEST, &fault),
            },
            (_, path) => match command(request.method(), path) {
                Some((provider, command)) => self.done(self.doors.send(provider, command).await),
                None => error(StatusCode::NOT_FOUND, "no such resource"),
            },
        }
    }

    fn rules(&self) -> Answer {
        ok(&json!({ "rules": self.shared.rules.state() }))
    }

    fn change_rules(
        &self,
        body: &[u8],
        change: impl FnOnce(Vec<Rule>) -> Result<(), SimulatorError>,
    ) -> Answer {
        match serde_json::from_slice::<Script>(body) {
            Ok(script) => match change(script.rules) {
                Ok(()) => self.rules(),
                Err(fault) => error(StatusCode::BAD_REQUEST, &fault.to_string()),
            },
            Err(fault) => error(StatusCode::BAD_REQUEST, &fault.to_string()),
        }
    }

    #[expect(clippy::unused_self, reason = "reads as its siblings do")]
    fn done(&self, result: Result<(), SimulatorError>) -> Answer {
        match result {
            Ok(()) => {
                let mut response = Response::new(Full::default());
                *response.status_mut() = StatusCode::NO_CONTENT;
                response
            }
            Err(fault) => error(StatusCode::SERVICE_UNAVAILABLE, &fault.to_string()),
        }
    }
}

fn command(method: &Method, path: &str) -> Option<(Provider, Command)> {
    let (what, name) = path.strip_prefix('/')?.split_once('/')?;
    let provider = Provider::ALL
        .into_iter()
        .find(|provider| provider.name() == name)?;
    let command = match (method.as_str(), what) {
        ("DELETE", "connections") => Command::CloseConnections,
        ("DELETE", "listening") => Command::SetListening(false),
        ("PUT", "listening") => Command::SetListening(true),
        ("DELETE", "accepting") => Command::SetAccepting(false),
        ("PUT", "accepting") => Command::SetAccepting(true),
        _ => return None,
    };
    Some((provider, command))
}

/// The fields of a [`Query`] from the query string. The values are plain tokens, or percent-encoded.
fn query(request: &Request<Bytes>) -> Result<Query, String> {
    let mut query = Query::default();
    let fields = crate::oauth::form(request.uri().query().unwrap_or_default().as_bytes())
        .ok_or("cannot be decoded")?;
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        let fault = || format!("{name} has a wrong value");
        match name.as_str() {
            "provider" => {
                let known = Provider::ALL
                    .into_iter()
                    .find(|provider| provider.name() == value);
                query.provider = Some(known.ok_or_else(fault)?);
            }
            "address" => query.address = Some(value),
            "apns_id" => query.apns_id = Some(value),
            "status" => query.status = Some(value.parse().map_err(|_| fault())?),
            "after" => query.after = Some(value.parse().map_err(|_| fault())?),
            "limit" => query.limit = Some(value.parse().map_err(|_| fault())?),
            _ => return Err(format!("unknown parameter {name}")),
        }
    }
    Ok(query)
}

fn ok(value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(body) => with_json(StatusCode::OK, body.into()),
        Err(fault) => error(StatusCode::INTERNAL_SERVER_ERROR, &fault.to_string()),
    }
}

fn error(status: StatusCode, message: &str) -> Answer {
    with_json(status, json!({ "error": message }).to_string().into())
}

fn with_json(status: StatusCode, body: Bytes) -> Answer {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/json"));
    response
}
