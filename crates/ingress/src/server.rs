//! The listener's loop: HTTP/1.1 and cleartext HTTP/2 on one port, within limits, and a graceful end.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::Service;

use crate::config::Config;

/// Streams one HTTP/2 connection may have open. Beyond it the peer waits.
const STREAMS_MAX: u32 = 250;

/// Largest head of an HTTP/2 request, in bytes. Beyond it 431.
const HEADER_BYTES_MAX: u32 = 32 << 10;

/// Largest read buffer of an HTTP/1 connection, in bytes; a larger head is 431.
const BUFFER_BYTES_MAX: usize = 64 << 10;

/// Wait after a failed accept (no file descriptors left): they come back as connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often a quiet HTTP/2 peer is asked whether it is there, and how long it has to answer.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub(crate) struct Limits {
    connections_max: usize,
    idle_timeout: Duration,
    /// How long connections have to end after the shutdown.
    grace: Duration,
}

impl Limits {
    pub(crate) fn of(config: &Config) -> Self {
        Limits {
            connections_max: config.connections_max,
            idle_timeout: config.idle_timeout.max(Duration::from_millis(1)),
            grace: config.request_timeout,
        }
    }
}

/// Serves `router` until `shutdown`, and then what is under way.
pub(crate) async fn run(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send,
) {
    let places = Arc::new(Semaphore::new(
        limits.connections_max.min(Semaphore::MAX_PERMITS),
    ));
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        let (stream, place) = accepted;
        let connection = Connection {
            router: router.clone(),
            idle_timeout: limits.idle_timeout,
            stopped: stopped.clone(),
        };
        connections.spawn(async move {
            connection.run(stream).await;
            drop(place);
        });
    }
    drop(listener);
    stop.send_replace(true);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.grace, ended).await.is_err() {
        tracing::warn!(open = connections.len(), "connections cut off at shutdown");
    }
}

/// The next connection, once there is a place for it; until then they wait in the accept queue.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, tokio::sync::OwnedSemaphorePermit) {
    let place = places.clone().acquire_owned().await;
    let place = place.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

struct Connection {
    router: Router,
    idle_timeout: Duration,
    stopped: watch::Receiver<bool>,
}

/// Requests of one connection: how many began, and how many are under way.
#[derive(Default)]
struct Activity {
    begun: AtomicUsize,
    under_way: AtomicUsize,
}

impl Connection {
    async fn run(mut self, stream: TcpStream) {
        // Answers are small; waiting to fill a segment would only delay them.
        drop(stream.set_nodelay(true));
        let activity = Arc::new(Activity::default());
        let service = counted(self.router, activity.clone());
        let builder = builder(self.idle_timeout);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut seen = 0;
        let mut is_ending = false;
        let mut idle = tokio::time::interval(self.idle_timeout);
        idle.reset();
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "connection ended");
                    }
                    return;
                }
                _ = self.stopped.wait_for(|stopped| *stopped), if !is_ending => {}
                _ = idle.tick() => {
                    let begun = activity.begun.load(Ordering::Acquire);
                    let is_idle = activity.under_way.load(Ordering::Acquire) == 0 && begun == seen;
                    seen = begun;
                    if !is_idle {
                        continue;
                    }
                    if is_ending {
                        // It was asked to end and takes its time: a peer that does not read.
                        return;
                    }
                }
            }
            is_ending = true;
            connection.as_mut().graceful_shutdown();
        }
    }
}

fn builder(idle_timeout: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(idle_timeout)
        .max_buf_size(BUFFER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

fn counted(
    router: Router,
    activity: Arc<Activity>,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = Response,
    Error = std::convert::Infallible,
    Future: Send + 'static,
> {
    hyper::service::service_fn(move |request: Request<Incoming>| {
        activity.begun.fetch_add(1, Ordering::AcqRel);
        activity.under_way.fetch_add(1, Ordering::AcqRel);
        let under_way = UnderWay(activity.clone());
        let answer = router.clone().call(request.map(Body::new));
        let activity = activity.clone();
        async move {
            let answer = answer.await.map(|answer| noted(answer, activity));
            drop(under_way);
            answer
        }
    })
}

/// A stream of events goes on after its head: each that is taken off it shows that the connection is not idle, and one
/// whose peer takes none ends with it.
fn noted(answer: Response, activity: Arc<Activity>) -> Response {
    let media_type = answer.headers().get(CONTENT_TYPE);
    if media_type.is_none_or(|media_type| media_type != "text/event-stream") {
        return answer;
    }
    answer.map(|body| {
        Body::new(body.map_frame(move |frame| {
            activity.begun.fetch_add(1, Ordering::AcqRel);
            frame
        }))
    })
}

/// Counts a request as under way until it is dropped, answered or not.
struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}
