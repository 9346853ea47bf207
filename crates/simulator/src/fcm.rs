//! FCM HTTP v1: what Google documents for `POST /v1/projects/<project>/messages:send`, with the error JSON that carries
//! the details a client must read.
//!
//! Source: firebase.google.com, "REST Resource: projects.messages", "ErrorCode" and "FCM error codes".

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use crate::Provider;
use crate::config::Config;
use crate::fcm_message::{self, Fault};
use crate::oauth::{AccessTokens, Grant};
use crate::reply::{Answer, Call, Facts, now_ms};
use crate::rules::{Code, Reply, starts_with};
use crate::server::Judge;

const UNAUTHENTICATED: &str = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie \
    or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.";

/// Judges messages.
pub(crate) struct Fcm {
    projects: Vec<String>,
    tokens: Arc<AccessTokens>,
    max_streams: u32,
    max_pings: u32,
    dead_prefix: Option<String>,
    messages: AtomicU64,
}

/// The access token that a connection showed last.
pub(crate) struct Memory {
    current: Option<(HeaderValue, Grant)>,
}

impl Fcm {
    pub(crate) fn new(config: &Config, tokens: Arc<AccessTokens>) -> Self {
        Self {
            projects: config
                .fcm
                .projects
                .iter()
                .map(|project| project.project_id.clone())
                .collect(),
            tokens,
            max_streams: config.fcm.max_streams,
            max_pings: config.fcm.max_pings,
            dead_prefix: config.dead_prefix.clone(),
            messages: AtomicU64::new(0),
        }
    }

    #[expect(clippy::result_large_err, reason = "consumed by the only caller")]
    fn check(&self, memory: &mut Memory, call: &Call, facts: &Facts<'_>) -> Result<String, Answer> {
        let headers = &call.parts.headers;
        let project = project(call.parts.uri.path()).ok_or_else(not_found)?;
        if call.parts.method != Method::POST {
            return Err(not_found());
        }
        let authorized = self
            .authorize(memory, headers.get("authorization"))
            .ok_or_else(|| {
                let mut answer = error(
                    StatusCode::UNAUTHORIZED,
                    "UNAUTHENTICATED",
                    UNAUTHENTICATED,
                    &[],
                );
                answer.headers.insert(
                    "www-authenticate",
                    HeaderValue::from_static("Bearer realm=\"https://accounts.google.com/\""),
                );
                answer
            })?;
        if !self.projects.iter().any(|known| known == project) {
            return Err(error(
                StatusCode::NOT_FOUND,
                "NOT_FOUND",
                "Requested entity was not found.",
                &[],
            ));
        }
        if *authorized != *project {
            let message = "Permission 'cloudmessaging.messages.create' denied on resource (or it may not exist).";
            return Err(error(
                StatusCode::FORBIDDEN,
                "PERMISSION_DENIED",
                message,
                &[],
            ));
        }
        let json = headers
            .get("content-type")
            .is_none_or(|value| value.as_bytes().starts_with(b"application/json"));
        let Some(body) = call.json.as_ref().filter(|_| json) else {
            let message = "Invalid JSON payload received.";
            return Err(error(
                StatusCode::BAD_REQUEST,
                "INVALID_ARGUMENT",
                message,
                &[],
            ));
        };
        fcm_message::check(body).map_err(|fault| invalid(&fault))?;
        if self
            .dead_prefix
            .as_ref()
            .is_some_and(|prefix| starts_with(&facts.address, prefix))
        {
            let detail = fcm_error("UNREGISTERED");
            return Err(error(
                StatusCode::NOT_FOUND,
                "NOT_FOUND",
                "Requested entity was not found.",
                &[detail],
            ));
        }
        let count = self.messages.fetch_add(1, Ordering::Relaxed);
        Ok(format!(
            "projects/{project}/messages/0:{}{:08x}",
            now_ms(),
            count
        ))
    }

    fn authorize<'a>(
        &self,
        memory: &'a mut Memory,
        header: Option<&HeaderValue>,
    ) -> Option<&'a str> {
        let header = header?;
        if memory
            .current
            .as_ref()
            .is_none_or(|(known, _)| known != header)
        {
            let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
            if !scheme.eq_ignore_ascii_case("bearer") {
                return None;
            }
            let grant = self.tokens.find(token)?;
            memory.current = Some((header.clone(), grant));
        }
        let (_, grant) = memory.current.as_ref()?;
        (Instant::now() < grant.until).then_some(&*grant.project)
    }
}

/// The project in a path.
fn project(path: &str) -> Option<&str> {
    let project = path
        .strip_prefix("/v1/projects/")?
        .strip_suffix("/messages:send")?;
    (!project.is_empty() && !project.contains('/')).then_some(project)
}

fn not_found() -> Answer {
    let html = "<!DOCTYPE html>\n<html lang=en><title>Error 404 (Not Found)!!1</title>\n";
    let mut answer = Answer::new(StatusCode::NOT_FOUND, "path", html);
    answer.headers.insert(
        "content-type",
        HeaderValue::from_static("text/html; charset=UTF-8"),
    );
    answer
}

fn fcm_error(code: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code })
}

fn invalid(fault: &Fault) -> Answer {
    let violations = json!({
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{ "field": fault.field, "description": fault.description }],
    });
    let details = if fault.semantic {
        vec![fcm_error("INVALID_ARGUMENT"), violations]
    } else {
        vec![violations]
    };
    error(
        StatusCode::BAD_REQUEST,
        "INVALID_ARGUMENT",
        &fault.description,
        &details,
    )
}

/// Google's error JSON; booked under the `FcmError` code where there is one, else the canonical status.
fn error(status: StatusCode, canonical: &str, message: &str, details: &[Value]) -> Answer {
    let code = details
        .iter()
        .find_map(|detail| detail["errorCode"].as_str())
        .unwrap_or(canonical)
        .to_owned();
    json_answer(Answer::new(
        status,
        code,
        error_body(status, canonical, message, details),
    ))
}

fn json_answer(mut answer: Answer) -> Answer {
    let json = HeaderValue::from_static("application/json; charset=UTF-8");
    answer.headers.entry("content-type").or_insert(json);
    answer
}

fn error_body(status: StatusCode, canonical: &str, message: &str, details: &[Value]) -> String {
    let mut error = json!({ "code": status.as_u16(), "message": message, "status": canonical });
    if !details.is_empty() {
        error["details"] = Value::from(details);
    }
    json!({ "error": error }).to_string()
}

/// The canonical status that comes with an HTTP status (google.rpc.Code).
const fn canonical(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        500 => "INTERNAL",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "UNKNOWN",
    }
}

impl Judge for Fcm {
    const PROVIDER: Provider = Provider::Fcm;
    const TOO_MANY_STREAMS: (Code, &'static str) =
        (Code::EnhanceYourCalm, "exceeded_max_concurrent_streams");
    type Memory = Memory;

    fn connect(&self, _certificate: bool) -> Memory {
        Memory { current: None }
    }

    fn streams(&self, _memory: &Memory) -> u32 {
        self.max_streams
    }

    fn pings(&self) -> u64 {
        u64::from(self.max_pings)
    }

    fn prepare(&self, call: &mut Call) {
        if call.size <= call.body.len() {
            call.json = serde_json::from_slice(&call.body).ok();
        }
    }

    fn facts<'a>(&self, call: &'a Call) -> Facts<'a> {
        let Some(message) = call.json.as_ref().map(|json| &json["message"]) else {
            return Facts::default();
        };
        let target = fcm_message::TARGETS
            .iter()
            .find_map(|target| message[target].as_str());
        let android = &message["android"];
        Facts {
            address: Cow::Borrowed(target.unwrap_or_default()),
            apns_id: None,
            collapse: android["collapse_key"].as_str(),
            expiration: android["ttl"].as_str().and_then(fcm_message::ttl_seconds),
            priority: match android["priority"].as_str() {
                Some(word) if word.eq_ignore_ascii_case("high") => Some(10),
                Some(word) if word.eq_ignore_ascii_case("normal") => Some(5),
                _ => None,
            },
        }
    }

    fn judge(&self, memory: &mut Memory, call: &Call, facts: &Facts<'_>) -> Answer {
        match self.check(memory, call, facts) {
            Ok(name) => json_answer(Answer::new(
                StatusCode::OK,
                "",
                format!(r#"{{"name":"{name}"}}"#),
            )),
            Err(answer) => answer,
        }
    }

    fn scripted(&self, reply: &Reply, _facts: &Facts<'_>) -> Answer {
        json_answer(Answer::scripted(reply, |status, reason| {
            if status == StatusCode::OK {
                return r#"{"name":"projects/scripted/messages/0"}"#.into();
            }
            let canonical = canonical(status);
            let details =
                if reason.is_empty() || reason == canonical && reason != "INVALID_ARGUMENT" {
                    Vec::new()
                } else {
                    vec![fcm_error(reason)]
                };
            error_body(status, canonical, "scripted", &details)
        }))
    }
}
