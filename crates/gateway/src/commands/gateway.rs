//! A running gateway, as commands talk to it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use fanfare_types::Secret;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

/// Longest wait for an answer; uploads and events, which last as long as they last, have their own.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Longest wait for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Where the gateway is, and who calls.
#[derive(Debug, clap::Args)]
pub(crate) struct Access {
    /// The gateway's API.
    #[arg(long, default_value = "http://127.0.0.1:8080", env = "FANFARE_URL")]
    url: String,
    /// A service API key.
    #[arg(long, env = "FANFARE_KEY", hide_env_values = true)]
    key: Option<String>,
    /// A file with the service API key, instead of `--key`.
    #[arg(long, env = "FANFARE_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl Access {
    pub(crate) fn url(&self) -> &str {
        self.url.trim_end_matches('/')
    }

    pub(crate) fn gateway(&self) -> anyhow::Result<Gateway> {
        let key = match (&self.key, &self.key_file) {
            (Some(key), _) => key.clone(),
            (None, Some(path)) => std::fs::read_to_string(path)
                .with_context(|| format!("reading {}", path.display()))?
                .trim()
                .to_owned(),
            (None, None) => return Err(NoKey.into()),
        };
        Gateway::at(&self.url, Secret::new(key))
    }
}

/// Wrong usage.
#[derive(Debug, thiserror::Error)]
#[error("an API key is needed: --key, --key-file or FANFARE_KEY")]
pub(crate) struct NoKey;

/// Cheap to clone; connections are shared.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    client: Client,
    url: String,
    key: Secret<String>,
}

impl Gateway {
    pub(crate) fn at(url: &str, key: Secret<String>) -> anyhow::Result<Self> {
        let client = Client::builder().connect_timeout(CONNECT_WITHIN);
        Ok(Gateway {
            client: client.build().context("making an HTTP client")?,
            url: url.trim_end_matches('/').to_owned(),
            key,
        })
    }

    /// A request that may take as long as it takes.
    pub(crate) fn long_request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        request.bearer_auth(self.key.expose())
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.long_request(method, path).timeout(ANSWER_WITHIN)
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        answer(self.request(Method::GET, path)).await
    }
}

/// Sends a request and reads its answer.
pub(crate) async fn answer(request: RequestBuilder) -> anyhow::Result<Value> {
    let response = request.send().await;
    read(response.context("the gateway does not answer")?).await
}

/// Reads an answer's JSON; a refusal becomes a [`Refused`] with every fault in it.
pub(crate) async fn read(response: Response) -> anyhow::Result<Value> {
    let status = response.status();
    let retry_after = retry_after(&response);
    let body = response
        .bytes()
        .await
        .context("the gateway's answer broke off")?;
    let answer: Value = serde_json::from_slice(&body)
        .with_context(|| format!("the gateway answered {status} without JSON"))?;
    if status.is_success() {
        return Ok(answer);
    }
    Err(Refused {
        status,
        retry_after,
        problem: answer,
    }
    .into())
}

/// How long a gateway that is full wants to be left alone.
pub(crate) fn retry_after(response: &Response) -> Option<Duration> {
    let full = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    if !full.contains(&response.status()) {
        return None;
    }
    let seconds = response.headers().get("retry-after")?;
    let seconds = seconds.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The gateway said no, and why (RFC 9457).
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    /// It wants to be asked again then.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) problem: Value,
}

impl Refused {
    /// The stable word.
    pub(crate) fn code(&self) -> &str {
        self.problem["code"].as_str().unwrap_or("unknown")
    }

    /// Its faults: field, code and what is wrong.
    pub(crate) fn faults(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let faults = self.problem["errors"].as_array().into_iter().flatten();
        faults.map(|fault| {
            let text = |name: &str| fault[name].as_str().unwrap_or_default();
            (text("field"), text("code"), text("detail"))
        })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = self.problem["detail"].as_str().unwrap_or("refused");
        write!(f, "{} ({}): {detail}", self.status, self.code())?;
        for (field, code, detail) in self.faults() {
            write!(f, "\n  {field}: {detail} ({code})")?;
        }
        if let Some(after) = self.retry_after {
            write!(f, "\n  try again in {} s", after.as_secs())?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refusal_tells_every_fault() {
        let refused = Refused {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            retry_after: None,
            problem: json!({
                "code": "invalid_request", "detail": "2 fields are invalid",
                "errors": [
                    {"field": "rate", "code": "out_of_range", "detail": "must be from 1 to 1000000"},
                    {"field": "audience.filter.all[0].field", "code": "unknown", "detail": "is no field"},
                ],
            }),
        };
        assert_eq!(
            refused.to_string(),
            "422 Unprocessable Entity (invalid_request): 2 fields are invalid\n  \
             rate: must be from 1 to 1000000 (out_of_range)\n  \
             audience.filter.all[0].field: is no field (unknown)"
        );
    }

    #[test]
    fn a_refusal_without_a_problem_document_is_told_as_well() {
        let refused = Refused {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: Some(Duration::from_secs(3)),
            problem: json!({}),
        };
        assert_eq!(
            refused.to_string(),
            "503 Service Unavailable (unknown): refused\n  try again in 3 s"
        );
    }
}
