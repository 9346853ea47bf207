//! Plain request and answer servers over hyper, HTTP/1.1 or HTTP/2: for the token endpoint and the control API, where
//! speed and frames don't matter.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::oauth::{Oauth, Verdict};
use crate::reply::{Answer, BODY_MAX};

/// Most filler of a scripted answer here, bytes; it is made at once.
const FILLER_MAX: u64 = 16 * 1024 * 1024;

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed by a rule")]
struct Closed;

/// Serves token requests on one connection.
pub(crate) async fn serve<T>(io: T, oauth: Arc<Oauth>)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let oauth = Arc::clone(&oauth);
        async move {
            let (parts, body) = request.into_parts();
            let Some(body) = read(body, BODY_MAX).await else {
                return Ok(status(StatusCode::PAYLOAD_TOO_LARGE));
            };
            match oauth.answer(&parts.method, parts.uri.path(), &body).await {
                Verdict::Answer(answer) => Ok(response(answer)),
                Verdict::Close => Err(Closed),
                Verdict::Silence => {
                    tokio::time::sleep(oauth.hold).await;
                    Err(Closed)
                }
            }
        }
    });
    // An error is the client's affair or a rule's wish; the books have the requests.
    drop(
        Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(io), service)
            .await,
    );
}

/// Serves one connection of the control API.
pub(crate) async fn serve_control<T, F>(
    io: T,
    handle: impl Fn(Request<Bytes>) -> F + Clone + Send + 'static,
) where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let handle = handle.clone();
        async move {
            let (parts, body) = request.into_parts();
            let response = match read(body, 1024 * 1024).await {
                Some(body) => handle(Request::from_parts(parts, body)).await,
                None => status(StatusCode::PAYLOAD_TOO_LARGE),
            };
            Ok::<_, Infallible>(response)
        }
    });
    drop(
        Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(io), service)
            .await,
    );
}

async fn read(body: Incoming, most: usize) -> Option<Bytes> {
    Limited::new(body, most)
        .collect()
        .await
        .ok()
        .map(http_body_util::Collected::to_bytes)
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

fn response(mut answer: Answer) -> Response<Full<Bytes>> {
    let filler = usize::try_from(answer.filler.min(FILLER_MAX)).unwrap_or(0);
    let body = if filler == 0 {
        answer.body.clone()
    } else {
        let mut long = answer.body.to_vec();
        long.resize(long.len() + filler, b' ');
        long.into()
    };
    let mut response = answer.head().map(|()| Full::new(body));
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().entry("content-type").or_insert(json);
    response
}
