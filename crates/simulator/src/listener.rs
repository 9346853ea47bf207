//! Accepts connections for one provider, up to the limit, and hands each to its server after TLS.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::apns::Apns;
use crate::config::{Config, Tls};
use crate::fcm::Fcm;
use crate::material::Identity;
use crate::oauth::Oauth;
use crate::rules::{CertificateFault, Fired, Moment, Reaction, Stage};
use crate::server::{self, HANDSHAKE, Scope};
use crate::simulator::{Bound, DoorAndTask, Shared};
use crate::{Provider, SimulatorError, fast, http_server};

/// TLS set-ups for the three providers.
pub(crate) struct TlsSetup {
    pub(crate) apns: Acceptors,
    pub(crate) fcm: Acceptors,
    pub(crate) oauth: Acceptors,
}

#[derive(Clone)]
pub(crate) struct Acceptors {
    good: TlsAcceptor,
    faulty: Option<[TlsAcceptor; 3]>,
}

impl TlsSetup {
    pub(crate) fn new(tls: &Tls) -> Result<Self, SimulatorError> {
        Ok(Self {
            apns: Acceptors::new(tls, &[b"h2"], tls.client_ca_pem.as_deref())?,
            fcm: Acceptors::new(tls, &[b"h2"], None)?,
            oauth: Acceptors::new(tls, &[b"h2", b"http/1.1"], None)?,
        })
    }
}

impl Acceptors {
    fn new(tls: &Tls, alpn: &[&[u8]], client_ca: Option<&str>) -> Result<Self, SimulatorError> {
        let make = |what, identity| acceptor(what, identity, alpn, client_ca);
        let faulty = match &tls.faulty {
            Some(faulty) => Some([
                make("the expired certificate", &faulty.expired)?,
                make("the certificate with a wrong name", &faulty.wrong_name)?,
                make("the untrusted certificate", &faulty.untrusted)?,
            ]),
            None => None,
        };
        Ok(Self {
            good: make("the server certificate", &tls.server)?,
            faulty,
        })
    }

    fn pick(&self, reaction: Option<&Reaction>) -> &TlsAcceptor {
        let index = match reaction {
            Some(Reaction::Certificate(CertificateFault::Expired)) => 0,
            Some(Reaction::Certificate(CertificateFault::WrongName)) => 1,
            Some(Reaction::Certificate(CertificateFault::Untrusted)) => 2,
            _ => return &self.good,
        };
        self.faulty
            .as_ref()
            .map_or(&self.good, |faulty| &faulty[index])
    }
}

fn acceptor(
    what: &str,
    identity: &Identity,
    alpn: &[&[u8]],
    client_ca: Option<&str>,
) -> Result<TlsAcceptor, SimulatorError> {
    let fault = |error: &dyn std::fmt::Display| SimulatorError::config(what, error);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(&error))?;
    let builder = match client_ca {
        Some(pem) => {
            let mut roots = rustls::RootCertStore::empty();
            for certificate in certificates("the client authority", pem)? {
                roots
                    .add(certificate)
                    .map_err(|error| SimulatorError::config("the client authority", error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| SimulatorError::config("the client authority", error))?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let chain = certificates(what, &identity.certificate_pem)?;
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes())
        .map_err(|error| fault(&error))?;
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| fault(&error))?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(what: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>, SimulatorError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(chain) if chain.is_empty() => Err(SimulatorError::config(what, "no certificate in it")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(SimulatorError::config(what, error)),
    }
}

/// What a listener can be told.
#[derive(Clone, Copy)]
pub(crate) enum Command {
    CloseConnections,
    SetListening(bool),
    SetAccepting(bool),
}

/// Where connections come from.
struct Ear {
    address: std::net::SocketAddr,
    /// `None`: the system refuses connections.
    socket: Option<TcpListener>,
    /// `false`: the system takes connections, and they wait here for ever.
    is_accepting: bool,
}

impl Ear {
    async fn accept(&self) -> std::io::Result<TcpStream> {
        match &self.socket {
            Some(socket) if self.is_accepting => socket.accept().await.map(|(stream, _)| stream),
            Some(_) | None => std::future::pending().await,
        }
    }
}

type Done = oneshot::Sender<Result<(), SimulatorError>>;
pub(crate) type Door = mpsc::Sender<(Command, Done)>;

/// The way to each listener.
#[derive(Clone)]
pub(crate) struct Doors(pub(crate) [Door; 3]);

impl Doors {
    pub(crate) async fn send(
        &self,
        provider: Provider,
        command: Command,
    ) -> Result<(), SimulatorError> {
        let (done, result) = oneshot::channel();
        let sent = self.0[provider.index()].send((command, done)).await;
        sent.map_err(|_| SimulatorError::Stopped)?;
        result.await.map_err(|_| SimulatorError::Stopped)?
    }
}

/// The server behind a listener.
#[derive(Clone)]
pub(crate) enum Service {
    Apns(Arc<Scope<Apns>>),
    Fcm(Arc<Scope<Fcm>>),
    Oauth(Arc<Oauth>),
}

impl Service {
    const fn provider(&self) -> Provider {
        match self {
            Self::Apns(_) => Provider::Apns,
            Self::Fcm(_) => Provider::Fcm,
            Self::Oauth(_) => Provider::Oauth,
        }
    }
}

/// A listener's task.
pub(crate) struct Listener {
    pub(crate) shared: Arc<Shared>,
    pub(crate) config: Arc<Config>,
    pub(crate) service: Service,
    pub(crate) acceptors: Acceptors,
}

impl Listener {
    /// Streams of a connection in the fast mode, which the token endpoint has not.
    fn max_streams(&self) -> Option<u32> {
        match self.service {
            Service::Apns(_) => Some(self.config.apns.max_streams),
            Service::Fcm(_) => Some(self.config.fcm.max_streams),
            Service::Oauth(_) => None,
        }
    }

    /// Starts it. Its connections end with it.
    pub(crate) fn spawn(self, bound: Bound) -> DoorAndTask {
        let (door, commands) = mpsc::channel(8);
        let task: JoinHandle<()> = tokio::spawn(Arc::new(self).run(bound, commands));
        (door, task)
    }

    async fn run(
        self: Arc<Self>,
        (socket, address): Bound,
        mut commands: mpsc::Receiver<(Command, Done)>,
    ) {
        let mut ear = Ear {
            address,
            socket: Some(socket),
            is_accepting: true,
        };
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                Some((command, done)) = commands.recv() => {
                    let result = self.obey(command, &mut ear, &mut connections).await;
                    // Who asked may be gone.
                    drop(done.send(result));
                }
                Some(_) = connections.join_next() => {}
                accepted = ear.accept() => match accepted {
                    Ok(stream) => self.open(stream, &mut connections),
                    // Such as too many open files: wait for one to close rather than spin.
                    Err(error) => {
                        tracing::warn!(provider = self.service.provider().name(), %error, "cannot accept a connection");
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    }
                },
            }
        }
    }

    async fn obey(
        &self,
        command: Command,
        ear: &mut Ear,
        connections: &mut JoinSet<()>,
    ) -> Result<(), SimulatorError> {
        match command {
            Command::CloseConnections => connections.shutdown().await,
            Command::SetListening(false) => {
                ear.socket = None;
                connections.shutdown().await;
            }
            Command::SetListening(true) if ear.socket.is_none() => {
                let address = ear.address;
                let failed = |source| SimulatorError::Listen {
                    what: self.service.provider().name(),
                    address,
                    source,
                };
                ear.socket = Some(TcpListener::bind(address).await.map_err(failed)?);
            }
            Command::SetListening(true) => {}
            Command::SetAccepting(is_accepting) => ear.is_accepting = is_accepting,
        }
        Ok(())
    }

    fn open(self: &Arc<Self>, stream: TcpStream, connections: &mut JoinSet<()>) {
        let provider = self.service.provider();
        let full = connections.len() >= self.config.limits.connections;
        self.shared.books.connections(provider, |totals| {
            totals.opened += 1;
            totals.refused += u64::from(full);
            totals.open += u64::from(!full);
        });
        if !full {
            let guard = Open {
                listener: Arc::clone(self),
            };
            connections.spawn(guard.serve(stream));
        }
    }
}

/// One connection; counted as open until it is dropped.
struct Open {
    listener: Arc<Listener>,
}

impl Drop for Open {
    fn drop(&mut self) {
        let provider = self.listener.service.provider();
        self.listener.shared.books.connections(provider, |totals| {
            totals.open = totals.open.saturating_sub(1)
        });
    }
}

impl Open {
    async fn serve(self, stream: TcpStream) {
        let listener = &self.listener;
        let provider = listener.service.provider();
        let fired = listener.shared.rules.find(Stage::Connection, provider, "");
        if let Some(fired) = &fired {
            tokio::time::sleep(fired.delay).await;
        }
        let reaction = fired.as_ref().map(Fired::reaction);
        match reaction {
            Some(Reaction::Close(close)) if close.after != Moment::Handshake => return,
            Some(Reaction::Hang) => return tokio::time::sleep(listener.config.limits.hold).await,
            _ => {}
        }
        // Without it answers wait for the client's acknowledgements; the connection works either way.
        drop(stream.set_nodelay(true));
        let handshake = listener.acceptors.pick(reaction).accept(stream);
        let Ok(Ok(tls)) = tokio::time::timeout(HANDSHAKE, handshake).await else {
            listener
                .shared
                .books
                .connections(provider, |totals| totals.handshakes_failed += 1);
            return;
        };
        let certificate = tls
            .get_ref()
            .1
            .peer_certificates()
            .is_some_and(|chain| !chain.is_empty());
        match reaction {
            Some(Reaction::Close(_)) => return,
            Some(Reaction::Silence(_)) => {
                return tokio::time::sleep(listener.config.limits.hold).await;
            }
            _ => {}
        }
        if let (true, Some(max_streams)) = (listener.config.fast, listener.max_streams()) {
            let shared = Arc::clone(&listener.shared);
            return Box::pin(fast::serve(shared, provider, max_streams, tls)).await;
        }
        match &listener.service {
            Service::Apns(scope) => {
                Box::pin(server::serve(Arc::clone(scope), tls, certificate, fired)).await
            }
            Service::Fcm(scope) => {
                Box::pin(server::serve(Arc::clone(scope), tls, certificate, fired)).await
            }
            Service::Oauth(_) if matches!(reaction, Some(Reaction::Freeze)) => {
                tokio::time::sleep(listener.config.limits.hold).await;
            }
            Service::Oauth(oauth) => http_server::serve(tls, Arc::clone(oauth)).await,
        }
    }
}
