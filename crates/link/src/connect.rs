//! Opening a connection: name, TCP, TLS, HTTP/2 preface.

use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use crate::wire::{Io, Wire};
use crate::{Config, Driver, Endpoint, Error, Resolver, Result, Sender, driver, tls};

/// Receive window of the connection, in bytes. The 64 KiB of the standard would cap a connection with 500 streams
/// when answers carry a body and the peer is far.
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// Receive window of a stream, in bytes: more than any answer that is kept.
const STREAM_WINDOW: u32 = 64 * 1024;

/// Largest header list accepted in an answer, in bytes (SETTINGS_MAX_HEADER_LIST_SIZE).
const HEADER_LIST_MAX: u32 = 16 * 1024;

/// Streams reset by us that `h2` remembers for a second, so that frames still on their way are ignored. Its
/// default of 50 is less than the streams that may time out at once.
const RESETS_REMEMBERED: usize = 1024;

/// Frames on streams reset and forgotten, over the connection's whole life, after which `h2` ends it. Its default
/// of 1,024 would end a connection kept for days.
const LATE_FRAMES_MAX: usize = 1_000_000;

/// Opens a connection: resolves the name anew, TCP with NODELAY, TLS with ALPN `h2`, HTTP/2 preface.
///
/// Addresses are tried in turn, each with an equal share of the time that is left. The preface and the peer's
/// SETTINGS pass when the [`Driver`] runs, which opens no stream before them.
///
/// # Errors
/// [`Error::Resolve`], [`Error::Connect`], [`Error::Tls`], [`Error::NoHttp2`], [`Error::Protocol`], by the step
/// that failed, and [`Error::ConnectTimeout`] when all of them took longer than `connect_timeout`.
pub async fn connect(
    endpoint: &Endpoint,
    tls: &tls::Client,
    config: &Config,
) -> Result<(Sender, Driver)> {
    let deadline = Instant::now() + config.connect_timeout;
    timeout_at(deadline, async {
        let tcp = dial(endpoint, &config.resolver, deadline).await?;
        let stream = secure(tcp, &endpoint.host, tls).await?;
        open(stream, config).await
    })
    .await
    .unwrap_or(Err(Error::ConnectTimeout))
}

async fn dial(endpoint: &Endpoint, resolver: &Resolver, deadline: Instant) -> Result<TcpStream> {
    let addresses = resolver
        .resolve(&endpoint.host)
        .await
        .map_err(Error::Resolve)?;
    let mut last = Error::Resolve(std::io::ErrorKind::NotFound.into());
    for (index, address) in addresses.iter().enumerate() {
        let share = share(deadline, addresses.len() - index);
        let address = SocketAddr::new(*address, endpoint.port);
        last = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Pushes are small writes that must not wait for the acknowledgement of earlier ones.
                stream.set_nodelay(true).map_err(Error::Connect)?;
                return Ok(stream);
            }
            Ok(Err(error)) => Error::Connect(error),
            Err(_) => Error::ConnectTimeout,
        };
    }
    Err(last)
}

fn share(deadline: Instant, addresses: usize) -> Duration {
    let left = deadline.saturating_duration_since(Instant::now());
    left / u32::try_from(addresses).unwrap_or(u32::MAX)
}

/// TLS over `io`, with a peer that speaks HTTP/2.
pub(crate) async fn secure<T>(io: T, host: &str, tls: &tls::Client) -> Result<impl Io + use<T>>
where
    T: AsyncRead + AsyncWrite + Send + Unpin,
{
    let name = ServerName::try_from(host.to_owned()).map_err(|error| {
        Error::Resolve(std::io::Error::new(std::io::ErrorKind::InvalidInput, error))
    })?;
    let stream = TlsConnector::from(tls.h2_config())
        .connect(name, io)
        .await
        .map_err(|error| {
            if offers_no_h2(&error) {
                Error::NoHttp2
            } else {
                Error::Tls(error)
            }
        })?;
    if stream.get_ref().1.alpn_protocol() != Some(tls::ALPN_H2) {
        return Err(Error::NoHttp2);
    }
    Ok(stream)
}

/// A server that knows other protocols only refuses the handshake with an alert of its own (RFC 7301).
fn offers_no_h2(error: &std::io::Error) -> bool {
    let cause = error.get_ref().and_then(|e| e.downcast_ref());
    matches!(
        cause,
        Some(rustls::Error::AlertReceived(
            rustls::AlertDescription::NoApplicationProtocol
        ))
    )
}

/// HTTP/2 over `io`.
pub(crate) async fn open(io: impl Io + 'static, config: &Config) -> Result<(Sender, Driver)> {
    let wire = Wire::new(io, config.write_buffer_bytes);
    let (requests, connection) = h2::client::Builder::new()
        // What is written to a peer that has not said SETTINGS may be lost, and nobody knows; it costs a round trip
        // in the life of a connection. It also keeps APNs' limit of one stream before the first token.
        .initial_max_send_streams(0)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_window_size(STREAM_WINDOW)
        .max_header_list_size(HEADER_LIST_MAX)
        .max_concurrent_reset_streams(RESETS_REMEMBERED)
        .max_local_error_reset_streams(Some(LATE_FRAMES_MAX))
        .enable_push(false)
        .handshake(wire.clone())
        .await
        .map_err(Error::Protocol)?;
    Ok(driver::new(wire, requests, connection, config))
}
