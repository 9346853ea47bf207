//! Databases of one or several nodes.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::error::During;
use crate::loopback::Block;
use crate::server::{Server, Servers};
use crate::wire::{Connection, Consistency};
use crate::{Error, cassandra, container, wait};

/// The variable that names a database that runs already.
const NODES: &str = "SCYLLA_NODES";

/// Where CQL is spoken.
pub(crate) const PORT: u16 = 9042;

/// Longest time until all nodes are ready. One alone needs 3 s, but tests of several crates may start at once.
const PATIENCE: Duration = Duration::from_secs(240);

/// Longest time for one answer to the question whether a node is ready.
const ANSWER: Duration = Duration::from_secs(2);

/// Nodes that are ready. Those that were started here end with it, and with the process.
///
/// What changes nodes wants `&mut`: so it cannot be done to the [`shared`] one.
pub struct Cluster {
    nodes: Vec<Node>,
    _block: Option<Block>,
}

struct Node {
    address: SocketAddr,
    /// `None`: given, and not started here.
    server: Option<Box<dyn Server>>,
    frozen: bool,
}

/// One node for all tests of this process, started when it is first asked for. Tests on it keep apart by keyspaces of
/// their own.
///
/// # Panics
/// When there is no database to be had, with how to get one.
pub fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Result<Cluster, Error>> = OnceLock::new();
    match SHARED.get_or_init(|| Cluster::start(1)) {
        Ok(cluster) => cluster,
        Err(error) => panic!("{error}"),
    }
}

impl Cluster {
    /// The most nodes that can be asked for.
    pub const MOST_NODES: usize = 5;

    /// A new cluster of so many nodes (1 to [`Cluster::MOST_NODES`]), empty and ready: each answers, and knows all others.
    /// They are replicas in one data center, `datacenter1`, unless `SCYLLA_NODES` names others.
    ///
    /// Blocks: for one node of Cassandra about 3 s on an idle machine, for three 10 s; the first time longer, since it is
    /// fetched.
    ///
    /// # Errors
    /// When no database can be had; when a node does not start, with the end of its log.
    pub fn start(nodes: usize) -> Result<Cluster, Error> {
        if nodes == 0 || nodes > Cluster::MOST_NODES {
            return Err(Error::Count { asked: nodes });
        }
        if let Some(given) = given(nodes)? {
            return Ok(given);
        }
        let block = Block::take().during(|| "looking for free loopback addresses".to_owned())?;
        let not_in_containers = match container::engine() {
            Ok(engine) => return Cluster::launch(container::nodes(&engine, nodes, &block), block),
            Err(reasons) => reasons,
        };
        match cassandra::missing() {
            None => Cluster::launch(cassandra::nodes(nodes, &block)?, block),
            Some(reason) => Err(Error::None {
                tried: format!(
                    "  SCYLLA_NODES is not set\n{not_in_containers}\n  Cassandra: {reason}"
                ),
            }),
        }
    }

    fn launch(servers: Servers, block: Block) -> Result<Cluster, Error> {
        let node = |(address, server)| Node {
            address: SocketAddr::from((address, PORT)),
            server: Some(server),
            frozen: false,
        };
        let mut cluster = Cluster {
            nodes: servers.into_iter().map(node).collect(),
            _block: Some(block),
        };
        for node in &mut cluster.nodes {
            node.server()?.start()?;
        }
        cluster.wait()?;
        Ok(cluster)
    }

    /// Contact points: where each node speaks CQL.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.address).collect()
    }

    /// Kills a node (SIGKILL); nodes are counted from 0. It is gone afterwards; the others note it within 20 s.
    ///
    /// # Errors
    /// [`Error::NotOurs`] for a given database.
    pub fn kill(&mut self, node: usize) -> Result<(), Error> {
        self.nodes[node].server()?.kill()
    }

    /// Freezes a node (SIGSTOP): its connections stay, and nothing is answered.
    ///
    /// # Errors
    /// As [`Cluster::kill`].
    pub fn stop(&mut self, node: usize) -> Result<(), Error> {
        self.nodes[node].server()?.stop()?;
        self.nodes[node].frozen = true;
        Ok(())
    }

    /// Lets a frozen node go on (SIGCONT).
    ///
    /// # Errors
    /// As [`Cluster::kill`].
    pub fn go_on(&mut self, node: usize) -> Result<(), Error> {
        self.nodes[node].server()?.go_on()?;
        self.nodes[node].frozen = false;
        Ok(())
    }

    /// Starts a node again on the data it has, killing it first if it runs; waits until all nodes that run are ready.
    ///
    /// # Errors
    /// As [`Cluster::kill`], and when it does not start.
    pub fn restart(&mut self, node: usize) -> Result<(), Error> {
        self.nodes[node].server()?.start()?;
        self.nodes[node].frozen = false;
        self.wait()
    }

    /// Waits until every node that runs is ready, and they know each other.
    fn wait(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        let runs: Vec<bool> = self.nodes.iter_mut().map(Node::runs).collect();
        let running = runs.iter().filter(|runs| **runs).count();
        let whole = running == self.nodes.len();
        for (index, node) in self.nodes.iter_mut().enumerate() {
            if runs[index] {
                node.wait(index, running, whole, deadline)?;
            }
        }
        Ok(())
    }
}

impl Node {
    fn server(&mut self) -> Result<&mut dyn Server, Error> {
        match &mut self.server {
            Some(server) => Ok(server.as_mut()),
            None => Err(Error::NotOurs),
        }
    }

    fn runs(&mut self) -> bool {
        let ended = self.server.as_mut().is_some_and(|server| server.ended());
        !ended && !self.frozen
    }

    /// Waits until it answers and sees so many nodes, itself among them.
    fn wait(
        &mut self,
        index: usize,
        running: usize,
        whole: bool,
        deadline: Instant,
    ) -> Result<(), Error> {
        let mut fault = "is not ready".to_owned();
        let found = wait::until(deadline, || {
            let seen = look(self.address, running, whole);
            // Only now: another server at this address would have answered, too.
            if self.server.as_mut().is_some_and(|server| server.ended()) {
                return Some(Err("ended by itself".to_owned()));
            }
            seen.map_err(|why| fault = format!("is not ready ({why})"))
                .ok()
                .map(Ok)
        });
        let fault = match found {
            Some(Ok(())) => return Ok(()),
            Some(Err(ended)) => ended,
            None => fault,
        };
        let log = self.server.as_ref().map(|server| server.log_tail());
        Err(Error::Start {
            node: index,
            fault,
            log: log.unwrap_or_default(),
        })
    }
}

/// Whether a node is up and, where there are several, sees the others.
fn look(address: SocketAddr, running: usize, whole: bool) -> io::Result<()> {
    Connection::connect(address, ANSWER)?.options()?;
    if running == 1 {
        return Ok(());
    }
    let mut connection = Connection::open(address, ANSWER)?;
    let mut ask = |statement| connection.query(statement, Consistency::One);
    let peers = ask("SELECT schema_version FROM system.peers")?;
    if peers.len() + 1 < running {
        return Err(io::Error::other(format!("it sees {} others", peers.len())));
    }
    if whole {
        let own = ask("SELECT schema_version FROM system.local")?;
        if peers.iter().any(|peer| Some(peer) != own.first()) {
            return Err(io::Error::other("they do not agree on the schema yet"));
        }
        // A table with three replicas that every Cassandra has and nobody writes: a node that is thought to be down
        // makes this fail.
        let all = "SELECT * FROM system_distributed.view_build_status";
        connection.query(all, Consistency::All)?;
    }
    Ok(())
}

/// What `SCYLLA_NODES` names.
fn given(nodes: usize) -> Result<Option<Cluster>, Error> {
    let Some(value) = std::env::var_os(NODES).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let value = value.to_string_lossy();
    let refused = |fault: String| Error::Given {
        value: value.clone().into_owned(),
        fault,
    };
    let addresses = parse(&value).map_err(refused)?;
    if addresses.len() < nodes {
        return Err(refused(format!("this test needs {nodes} nodes")));
    }
    for address in &addresses {
        let mut seen = Connection::connect(*address, ANSWER);
        let answered = seen.as_mut().map_err(|error| error.kind().into());
        let answered = answered.and_then(Connection::options);
        answered.map_err(|error: io::Error| refused(format!("{address}: {error}")))?;
    }
    let node = |address| Node {
        address,
        server: None,
        frozen: false,
    };
    Ok(Some(Cluster {
        nodes: addresses.into_iter().map(node).collect(),
        _block: None,
    }))
}

/// `host:port`, separated by commas.
fn parse(value: &str) -> Result<Vec<SocketAddr>, String> {
    let resolve = |node: &str| {
        let mut found = node
            .to_socket_addrs()
            .map_err(|error| format!("{node}: {error}"))?;
        found.next().ok_or_else(|| format!("{node}: no address"))
    };
    value.split(',').map(str::trim).map(resolve).collect()
}
