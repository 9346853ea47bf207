//! Three gateways of one world: processes on one keyspace, with one configuration file, each on a port of its own.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Options, World, eventually};
use crate::outside::{Client, Outside};
use crate::process::{Serving, fanfare};
use crate::rig::with_books;

/// `fleet.lease` of these worlds ([`crate::store`]).
pub(crate) const LEASE: Duration = Duration::from_secs(2);

pub(crate) struct Fleet {
    pub(crate) world: World,
    pub(crate) nodes: Vec<Outside>,
    /// The gateways' way to their database, for faults on it.
    pub(crate) proxy: fanfare_testbed::Proxy,
}

impl Fleet {
    /// A world with so many devices, and three gateways that are ready and share all slots evenly.
    pub(crate) async fn of_three(devices: u32) -> Fleet {
        Fleet::with(devices, with_books()).await
    }

    pub(crate) async fn with(devices: u32, options: Options) -> Fleet {
        let mut world = World::with(options).await;
        assert!(world.drain().await);
        crate::fill::fill(&world, devices).await;
        let proxy = fanfare_testbed::shared().proxy().expect("a proxy");
        let mut fleet = Fleet {
            world,
            nodes: Vec::new(),
            proxy,
        };
        for _ in 0..3 {
            fleet.start().await;
        }
        fleet.even(3).await;
        fleet.world.follow(fleet.nodes[0].client.url.clone());
        fleet
    }

    /// One gateway more; its number.
    pub(crate) async fn start(&mut self) -> usize {
        let name = format!("node-{}", self.nodes.len());
        let addresses = self.proxy.addresses().into_iter();
        let addresses: Vec<String> = addresses.map(|address| address.to_string()).collect();
        let variables = [
            ("FANFARE_FLEET__NAME", name.as_str()),
            ("FANFARE_STORE__NODES", &addresses.join(",")),
            // Callers have their answer within two seconds, whatever the database does.
            ("FANFARE_STORE__REQUEST_TIMEOUT", "1500ms"),
        ];
        let node = Outside::start(&self.world, &variables).await;
        node.ready().await;
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub(crate) fn client(&self, node: usize) -> &Client {
        &self.nodes[node].client
    }

    fn serving(&self, node: usize) -> &Serving {
        &self.nodes[node].serving
    }

    /// From now on the world asks another node.
    pub(crate) fn ask(&mut self, node: usize) {
        let url = self.client(node).url.clone();
        self.world.follow(url);
    }

    pub(crate) async fn signal(&self, node: usize, name: &str) {
        self.serving(node).signal(name).await;
    }

    pub(crate) async fn kill(&mut self, node: usize) {
        self.nodes[node].kill().await;
    }

    /// What `fanfare nodes` says.
    pub(crate) async fn census(&self) -> Option<Value> {
        let config = self.world.sandbox.config.to_str().expect("UTF-8");
        let arguments = ["nodes", "--config", config, "--json"];
        let output = fanfare(self.world.directory.path(), &arguments).await;
        serde_json::from_slice(&output.stdout).ok()
    }

    /// Waits until every slot is held, evenly among so many nodes: none has a fifth more or less than its share.
    pub(crate) async fn even(&self, nodes: usize) -> Duration {
        let began = Instant::now();
        eventually(|| async {
            let census = self.census().await?;
            let held = census["nodes"].as_array()?.iter();
            let held = held.filter(|node| node["state"] == "alive");
            let held: Vec<usize> = held
                .filter_map(|node| Some(node["slots"].as_array()?.len()))
                .collect();
            let share = 64.0 / nodes as f64;
            let is_even = |held: &usize| (*held as f64 - share).abs() <= share * 0.2;
            let all = held.iter().sum::<usize>() == 64;
            (held.len() == nodes && all && held.iter().all(is_even)).then_some(())
        })
        .await;
        began.elapsed()
    }
}
