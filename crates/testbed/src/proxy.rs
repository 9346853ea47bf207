//! Faults between a client and the database.
//!
//! A driver connects to the addresses that the database announces, in `system.local`, `system.peers` and events, and not
//! only to its contact points. So a proxy replaces the nodes' addresses by its own in every answer that passes: a client
//! that was given a proxy's contact points knows no other way, and each client can have a proxy, and faults, of its own.

mod addresses;
mod gate;
mod link;
mod way;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::error::During;
use crate::loopback::Block;
use crate::{Cluster, Error};

use addresses::Replaced;
pub use way::Way;

/// One client's way to every node of a [`Cluster`], through proxies that pass everything on until told otherwise.
///
/// They understand version 4 of the protocol, without compression and TLS; connections that speak otherwise are closed.
/// The nodes may die and come back meanwhile. All connections end when it is dropped.
pub struct Proxy {
    ways: Vec<Way>,
    _block: Block,
}

impl Cluster {
    /// A way of its own to this cluster, for one client (or for several that are to share its faults).
    ///
    /// # Errors
    /// When the system gives it no addresses.
    pub fn proxy(&self) -> Result<Proxy, Error> {
        let block = Block::take().during(|| "looking for free loopback addresses".to_owned())?;
        let nodes = self.addresses();
        let own = |index: usize| block.address(index as u8 + 1);
        let replaced = nodes.iter().enumerate().filter_map(|(index, node)| {
            let IpAddr::V4(ip) = node.ip() else {
                return None;
            };
            Some((ip, own(index)))
        });
        let replaced = Arc::new(Replaced::new(replaced));
        let way = |(index, node): (usize, &SocketAddr)| {
            let listens = SocketAddr::from((own(index), node.port()));
            Way::open(listens, *node, replaced.clone()).during(|| format!("listening on {listens}"))
        };
        let ways = nodes
            .iter()
            .enumerate()
            .map(way)
            .collect::<Result<_, _>>()?;
        Ok(Proxy {
            ways,
            _block: block,
        })
    }
}

impl Proxy {
    /// Contact points for the client.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.ways.iter().map(Way::address).collect()
    }

    /// The way to one node, counted from 0, for a fault on it alone.
    pub fn node(&self, node: usize) -> &Way {
        &self.ways[node]
    }

    /// [`Way::delay`] on the way to every node.
    pub fn delay(&self, by: Duration) {
        self.ways.iter().for_each(|way| way.delay(by));
    }

    /// [`Way::cut`] on the way to every node.
    pub fn cut(&self) {
        self.ways.iter().for_each(Way::cut);
    }

    /// [`Way::hang`] on the way to every node.
    pub fn hang(&self) {
        self.ways.iter().for_each(Way::hang);
    }

    /// [`Way::heal`] on the way to every node.
    pub fn heal(&self) {
        self.ways.iter().for_each(Way::heal);
    }
}
