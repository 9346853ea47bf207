//! Why a connection could not be opened, or ended.

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot resolve host name")]
    Resolve(#[source] std::io::Error),
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    #[error("tls handshake failed")]
    Tls(#[source] std::io::Error),
    #[error("peer does not speak http/2")]
    NoHttp2,
    #[error("not connected within the time limit")]
    ConnectTimeout,
    /// The code, and what is fit for a log of what the peer said or did.
    #[error("http/2 error: {0}")]
    Protocol(String),
    #[error("peer answered no ping")]
    PingTimeout,
    #[error("peer closed the connection")]
    PeerClosed,
    #[error("certificates unusable: {0}")]
    Certificates(String),
}

impl Error {
    /// Stable word for metrics and logs.
    pub fn label(&self) -> &'static str {
        match self {
            Error::Resolve(_) => "resolve",
            Error::Connect(_) => "connect",
            Error::Tls(_) => "tls",
            Error::NoHttp2 => "no_http2",
            Error::ConnectTimeout => "connect_timeout",
            Error::Protocol(_) => "protocol",
            Error::PingTimeout => "ping_timeout",
            Error::PeerClosed => "peer_closed",
            Error::Certificates(_) => "certificates",
        }
    }
}
