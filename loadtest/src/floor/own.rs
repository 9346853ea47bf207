//! A bare client of the `h2` library, in a process of its own: this program again, told what to do on its input.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, ensure};
use bytes::Bytes;
use h2::client::SendRequest;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::{CONNECTIONS, Floor, Request, STREAMS};

/// The name of the command that only this program gives.
pub(crate) const COMMAND: &str = "floor-client";

#[derive(Serialize, Deserialize)]
struct Order {
    request: Request,
    requests: u64,
}

#[derive(Serialize, Deserialize)]
struct Spent {
    cpu_us: f64,
    seconds: f64,
}

/// Starts the process and waits for what it spent.
pub(super) async fn run(request: &Request, requests: u64) -> anyhow::Result<Floor> {
    let order = Order {
        request: serde_json::from_value(serde_json::to_value(request)?)?,
        requests,
    };
    let program = std::env::current_exe().context("finding this program")?;
    let mut child = tokio::process::Command::new(program)
        .arg(COMMAND)
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the client")?;
    let mut input = child.stdin.take().context("a child without input")?;
    input.write_all(&serde_json::to_vec(&order)?).await?;
    drop(input);
    let output = child.wait_with_output().await?;
    ensure!(
        output.status.success(),
        "the client failed: {}",
        output.status
    );
    let spent: Spent = serde_json::from_slice(&output.stdout).context("reading what it spent")?;
    Ok(Floor {
        name: "h2",
        requests,
        cpu_us: spent.cpu_us / requests as f64,
        per_second: requests as f64 / spent.seconds.max(1e-3),
    })
}

/// The process: does what its input says and prints what it spent.
pub(crate) async fn serve() -> anyhow::Result<String> {
    let order: Order = serde_json::from_reader(std::io::stdin()).context("reading the order")?;
    let request = Arc::new(order.request);
    let left = Arc::new(AtomicU64::new(order.requests));
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let sender = connect(&request).await?;
        // APNs takes one at a time until it has seen a token.
        if take(&left) {
            let (sender, body) = (sender.clone(), Bytes::from(request.body.clone()));
            one(sender, &request, body).await?;
        }
        for _ in 0..STREAMS {
            workers.spawn(work(
                sender.clone(),
                Arc::clone(&request),
                Arc::clone(&left),
            ));
        }
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    let usage = crate::usage::Usage::of(std::process::id())?;
    Ok(serde_json::to_string(&Spent {
        cpu_us: usage.cpu.as_secs_f64() * 1e6,
        seconds: start.elapsed().as_secs_f64(),
    })?)
}

async fn connect(request: &Request) -> anyhow::Result<SendRequest<Bytes>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(request.authority.as_bytes()) {
        roots.add(certificate?)?;
    }
    let mut tls = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let uri: http::Uri = request.url.parse()?;
    let host = uri.host().context("an address without a host")?.to_owned();
    let port = uri.port_u16().context("an address without a port")?;
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(host)?;
    let stream = TlsConnector::from(Arc::new(tls))
        .connect(name, stream)
        .await?;
    let (sender, connection) = h2::client::handshake(stream).await?;
    tokio::spawn(async move {
        // Its trouble is told to whoever waits for an answer.
        drop(connection.await);
    });
    Ok(sender)
}

/// Whether one was left.
fn take(left: &AtomicU64) -> bool {
    let less = |left: u64| left.checked_sub(1);
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
        .is_ok()
}

/// One request after the other, while any are left.
async fn work(
    mut sender: SendRequest<Bytes>,
    request: Arc<Request>,
    left: Arc<AtomicU64>,
) -> anyhow::Result<()> {
    let body = Bytes::from(request.body.clone());
    while take(&left) {
        sender = one(sender, &request, body.clone()).await?;
    }
    Ok(())
}

async fn one(
    sender: SendRequest<Bytes>,
    request: &Request,
    body: Bytes,
) -> anyhow::Result<SendRequest<Bytes>> {
    let mut head = http::Request::post(&request.url);
    for (name, value) in &request.headers {
        head = head.header(name, value);
    }
    let mut sender = sender.ready().await?;
    let (answer, mut stream) = sender.send_request(head.body(())?, false)?;
    stream.send_data(body, true)?;
    let answer = answer.await?;
    ensure!(answer.status() == 200, "an answer {}", answer.status());
    let mut answer = answer.into_body();
    while let Some(part) = answer.data().await {
        let bytes = part?.len();
        answer.flow_control().release_capacity(bytes)?;
    }
    Ok(sender)
}
