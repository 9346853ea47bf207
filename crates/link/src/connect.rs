//! Opening a connection: name, TCP, TLS, HTTP/2 preface.

use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use crate::driver::{Turns, Which};
use crate::lean::Lean;
use crate::signal::Signal;
use crate::stock::Stock;
use crate::{Config, Driver, Endpoint, Engine, Error, Io, Resolver, Result, Sender, inbox, tls};

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

/// HTTP/2 over a stream that is connected already, and secure if it has to be; as [`connect`] from there on.
///
/// # Errors
/// [`Error::Protocol`].
pub async fn over<T>(io: T, config: &Config) -> Result<(Sender, Driver)>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    open(io, config).await
}

/// HTTP/2 over `io`.
pub(crate) async fn open(io: impl Io + 'static, config: &Config) -> Result<(Sender, Driver)> {
    let signal = Signal::new(config.streams_max as usize);
    let (outlet, inbox) = inbox::queue(signal.clone(), config.queue_max);
    let driver = match config.engine {
        Engine::H2 => {
            let stock = Stock::open(io, config, &signal).await?;
            Which::Stock(Box::new(Turns::new(stock, inbox, signal, config)))
        }
        Engine::Lean => {
            let lean = Lean::open(io, config, &signal);
            Which::Lean(Box::new(Turns::new(lean, inbox, signal, config)))
        }
    };
    Ok((Sender(outlet), Driver(driver)))
}
