//! The way to one node.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

use super::addresses::Replaced;
use super::gate::{Fault, Gate};
use super::link::Link;

/// One client's way to one node. At most one fault is on it: a new one takes the old one's place.
///
/// # Panics
/// All but [`Way::cut`], after a cut: when another process has taken the address meanwhile.
pub struct Way {
    listens: SocketAddr,
    node: SocketAddr,
    replaced: Arc<Replaced>,
    gate: Arc<Gate>,
    /// Connections so far.
    links: Arc<AtomicU64>,
    /// Whoever accepts; `None` while it is cut.
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Way {
    pub(super) fn open(
        listens: SocketAddr,
        node: SocketAddr,
        replaced: Arc<Replaced>,
    ) -> io::Result<Way> {
        let way = Way {
            listens,
            node,
            replaced,
            gate: Arc::new(Gate::new()),
            links: Arc::default(),
            accepting: Mutex::new(None),
        };
        way.listen(Fault::None)?;
        Ok(way)
    }

    /// Where the client connects.
    pub fn address(&self) -> SocketAddr {
        self.listens
    }

    /// Each answer comes later by so much; they do not wait for each other.
    ///
    /// What the database did for answers that are late it has done: an hour's delay, and then a [`Way::cut`], lose answers
    /// and no request.
    pub fn delay(&self, by: Duration) {
        self.set(Fault::Delay(by));
    }

    /// Closes the connections, and refuses new ones.
    pub fn cut(&self) {
        self.gate.set(Fault::Cut);
        let mut accepting = self.accepting.lock();
        if let Some(accepting) = accepting.take() {
            // It sees the cut when something comes.
            let _woken = TcpStream::connect_timeout(&self.listens, Duration::from_secs(1));
            let _ended = accepting.join();
        }
    }

    /// New connections are accepted and old ones stay, but nothing passes in either direction: neither requests nor
    /// answers. When it heals, all that was held goes on.
    pub fn hang(&self) {
        self.set(Fault::Hang);
    }

    /// Everything passes at once, also what was held.
    pub fn heal(&self) {
        self.set(Fault::None);
    }

    fn set(&self, fault: Fault) {
        self.listen(fault)
            .unwrap_or_else(|error| panic!("listening on {} again: {error}", self.listens));
    }

    /// Sets the fault, which is no cut, and accepts connections.
    fn listen(&self, fault: Fault) -> io::Result<()> {
        let mut accepting = self.accepting.lock();
        if accepting.is_some() {
            self.gate.set(fault);
            return Ok(());
        }
        let listener = TcpListener::bind(self.listens)?;
        self.gate.set(fault);
        let (gate, links) = (self.gate.clone(), self.links.clone());
        let (node, replaced) = (self.node, self.replaced.clone());
        *accepting = Some(thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if gate.is_cut() {
                    return;
                }
                let link = Link {
                    number: links.fetch_add(1, Ordering::Relaxed),
                    node,
                    replaced: replaced.clone(),
                    gate: gate.clone(),
                };
                thread::spawn(move || link.run(client));
            }
        }));
        Ok(())
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.cut();
    }
}
