//! The whole: three providers and the control API on one runtime.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::apns::Apns;
use crate::books::Books;
use crate::config::Config;
use crate::control::Control;
use crate::fcm::Fcm;
use crate::listener::{Command, Door, Doors, Listener, Service, TlsSetup};
use crate::oauth::{AccessTokens, Oauth};
use crate::rules::{Rule, RuleState, Rules};
use crate::server::Scope;
use crate::{Provider, SimulatorError};

/// Where a simulator listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// APNs, TLS.
    pub apns: SocketAddr,
    /// FCM, TLS.
    pub fcm: SocketAddr,
    /// The token endpoint, TLS.
    pub oauth: SocketAddr,
    /// The control API, plain HTTP.
    pub control: Option<SocketAddr>,
}

impl Addresses {
    /// `https://localhost:PORT` of APNs.
    #[must_use]
    pub fn apns_url(&self) -> String {
        format!("https://localhost:{}", self.apns.port())
    }

    /// `https://localhost:PORT` of FCM.
    #[must_use]
    pub fn fcm_url(&self) -> String {
        format!("https://localhost:{}", self.fcm.port())
    }

    /// The `token_uri` for a service account: `https://localhost:PORT/token`.
    #[must_use]
    pub fn token_uri(&self) -> String {
        format!("https://localhost:{}/token", self.oauth.port())
    }

    /// `http://ADDRESS` of the control API.
    #[must_use]
    pub fn control_url(&self) -> Option<String> {
        self.control.map(|address| format!("http://{address}"))
    }
}

/// What connections, the control API and the library share.
pub(crate) struct Shared {
    pub(crate) books: Books,
    pub(crate) rules: Rules,
}

/// Running servers. They end when this is dropped.
pub struct Simulator {
    addresses: Addresses,
    shared: Arc<Shared>,
    doors: Doors,
    tasks: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulator")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl Simulator {
    /// Listens on all addresses, on the present runtime.
    ///
    /// # Errors
    /// [`SimulatorError::Config`] for keys and certificates that cannot be read, [`SimulatorError::Listen`] for an
    /// address that cannot be had.
    pub async fn start(config: Config) -> Result<Self, SimulatorError> {
        config.check()?;
        let tls = TlsSetup::new(&config.tls)?;
        let shared = Arc::new(Shared {
            books: Books::new(config.limits.book_entries),
            rules: Rules::new(
                config.limits.rules,
                config.tls.faulty.is_some(),
                config.fast,
            ),
        });
        let apns_at = bind("apns", config.listen.apns).await?;
        let fcm_at = bind("fcm", config.listen.fcm).await?;
        let oauth_at = bind("oauth", config.listen.oauth).await?;
        let control_at = match config.listen.control {
            Some(address) => Some(bind("control", address).await?),
            None => None,
        };
        let addresses = Addresses {
            apns: apns_at.1,
            fcm: fcm_at.1,
            oauth: oauth_at.1,
            control: control_at.as_ref().map(|(_, address)| *address),
        };
        let tokens = Arc::new(AccessTokens::new(config.fcm.access_token_ttl));
        let apns = Apns::new(&config)?;
        let fcm = Fcm::new(&config, Arc::clone(&tokens));
        let oauth = Oauth::new(&config, tokens, addresses.oauth, Arc::clone(&shared))?;
        let config = Arc::new(config);
        let listen = |bound, acceptors, service| {
            let (shared, config) = (Arc::clone(&shared), Arc::clone(&config));
            Listener {
                shared,
                config,
                service,
                acceptors,
            }
            .spawn(bound)
        };
        let apns = Service::Apns(Arc::new(scope(apns, &shared, &config)));
        let fcm = Service::Fcm(Arc::new(scope(fcm, &shared, &config)));
        let (apns_door, apns_task) = listen(apns_at, tls.apns, apns);
        let (fcm_door, fcm_task) = listen(fcm_at, tls.fcm, fcm);
        let (oauth_door, oauth_task) = listen(oauth_at, tls.oauth, Service::Oauth(Arc::new(oauth)));
        let doors = Doors([apns_door, fcm_door, oauth_door]);
        let mut tasks = vec![apns_task, fcm_task, oauth_task];
        if let Some((socket, _)) = control_at {
            let control = Control {
                shared: Arc::clone(&shared),
                doors: doors.clone(),
                addresses: addresses.clone(),
            };
            tasks.push(tokio::spawn(control.serve(socket)));
        }
        Ok(Self {
            addresses,
            shared,
            doors,
            tasks,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What was asked and answered.
    #[must_use]
    pub fn books(&self) -> Books {
        self.shared.books.clone()
    }

    /// Replaces the script.
    ///
    /// # Errors
    /// [`SimulatorError::Rule`]; nothing is changed then.
    pub fn set_rules(&self, rules: Vec<Rule>) -> Result<(), SimulatorError> {
        self.shared.rules.set(rules)
    }

    /// Adds rules behind those in force, which keep their counts.
    ///
    /// # Errors
    /// [`SimulatorError::Rule`]; nothing is changed then.
    pub fn add_rules(&self, rules: Vec<Rule>) -> Result<(), SimulatorError> {
        self.shared.rules.add(rules)
    }

    /// Removes all rules.
    pub fn clear_rules(&self) {
        // An empty list cannot be refused.
        drop(self.shared.rules.set(Vec::new()));
    }

    /// The script in force with its counts.
    #[must_use]
    pub fn rules(&self) -> Vec<RuleState> {
        self.shared.rules.state()
    }

    /// Closes a provider's connections; new ones are taken. Returns once they are closed.
    ///
    /// # Errors
    /// [`SimulatorError::Stopped`].
    pub async fn close_connections(&self, provider: Provider) -> Result<(), SimulatorError> {
        self.doors.send(provider, Command::CloseConnections).await
    }

    /// Stops listening (`false`: connections are closed and new ones refused by the system) or listens again on the
    /// same port. Returns once it is so.
    ///
    /// # Errors
    /// [`SimulatorError::Listen`] when the port was taken meanwhile, [`SimulatorError::Stopped`].
    pub async fn set_listening(
        &self,
        provider: Provider,
        listening: bool,
    ) -> Result<(), SimulatorError> {
        self.doors
            .send(provider, Command::SetListening(listening))
            .await
    }

    /// Leaves new connections unanswered in the system's queue (`false`) or takes them, and those that waited. Returns
    /// once it is so. Open connections go on.
    ///
    /// # Errors
    /// [`SimulatorError::Stopped`].
    pub async fn set_accepting(
        &self,
        provider: Provider,
        accepting: bool,
    ) -> Result<(), SimulatorError> {
        self.doors
            .send(provider, Command::SetAccepting(accepting))
            .await
    }

    /// Closes everything and waits for it.
    pub async fn shutdown(mut self) {
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            // Aborted: that is the result.
            drop(task.await);
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn scope<J>(judge: J, shared: &Arc<Shared>, config: &Arc<Config>) -> Scope<J> {
    Scope {
        judge,
        shared: Arc::clone(shared),
        config: Arc::clone(config),
        drawn: AtomicU64::new(0),
    }
}

async fn bind(
    what: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), SimulatorError> {
    let failed = |source| SimulatorError::Listen {
        what,
        address,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    Ok((listener, local))
}

pub(crate) type Bound = (TcpListener, SocketAddr);
pub(crate) type DoorAndTask = (Door, JoinHandle<()>);
