//! The copy's place in the fleet: while it works it holds every slot, so that no gateway serves meanwhile.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use fanfare_store::Fleet;
use fanfare_store::fleet::{Census, Node, NodeId};
use fanfare_store::scylla::Scylla;
use fanfare_types::ids::Id96;
use fanfare_types::{Clock, Epoch};
use futures_util::future::try_join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const NAME: &str = "fanfare store copy";

pub(super) struct Seat {
    store: Arc<Scylla>,
    id: NodeId,
    lost: watch::Receiver<bool>,
    beating: JoinHandle<()>,
}

impl Seat {
    /// Takes every slot.
    ///
    /// # Errors
    /// Gateways serve the cluster.
    pub(super) async fn take(store: Arc<Scylla>, lease: Duration) -> anyhow::Result<Seat> {
        let fleet: &dyn Fleet = &*store;
        let before = fleet.census().await.context("cannot read who is there")?;
        bury_the_dead(fleet, &before, lease).await?;
        let id = NodeId(Id96::new(Clock::system().now(), random()?));
        fleet.join(id, NAME).await?;
        let census = fleet.census().await?;
        ensure!(
            census.nodes.len() == 1 && fleet.claim(id, census.slots.clone()).await?,
            "a gateway started meanwhile; stop it"
        );
        let taken = census.slots.iter().map(|lease| {
            let epoch = Epoch(lease.epoch.0 + 1);
            fleet.take_up(lease.slot, epoch)
        });
        try_join_all(taken).await?;
        let (tell, lost) = watch::channel(false);
        let beating = tokio::spawn(beat(store.clone(), id, lease, tell));
        Ok(Seat {
            store,
            id,
            lost,
            beating,
        })
    }

    /// When the cluster has taken this process for dead.
    pub(super) async fn lost(&self) -> anyhow::Error {
        let mut lost = self.lost.clone();
        drop(lost.wait_for(|lost| *lost).await);
        anyhow::anyhow!(
            "the copy was taken for dead, and gateways may serve; stop them and run it again"
        )
    }

    pub(super) async fn leave(self) {
        self.beating.abort();
        let fleet: &dyn Fleet = &*self.store;
        if let Err(error) = fleet.leave(self.id).await {
            tracing::warn!(%error, "the copy's slots are free only after a lease");
        }
    }
}

/// Whoever was killed is still listed, and nobody else would bury it; whoever beats is alive.
async fn bury_the_dead(fleet: &dyn Fleet, before: &Census, lease: Duration) -> anyhow::Result<()> {
    if before.nodes.is_empty() {
        return Ok(());
    }
    tokio::time::sleep(lease).await;
    let now = fleet.census().await?;
    for node in &now.nodes {
        let seen = before.node(node.id);
        let is_silent = seen.is_some_and(|seen| seen.beat == node.beat);
        if !is_silent || !fleet.bury(node.id, node.beat).await? {
            bail!("{} serves this keyspace; stop it first", node.name);
        }
    }
    Ok(())
}

async fn beat(store: Arc<Scylla>, id: NodeId, lease: Duration, lost: watch::Sender<bool>) {
    let fleet: &dyn Fleet = &*store;
    let mut node = Node {
        id,
        name: NAME.to_owned(),
        beat: 0,
        is_draining: false,
        inbox: 0,
        doing: "{}".to_owned(),
    };
    let mut tick = tokio::time::interval(lease / 5);
    loop {
        tick.tick().await;
        node.beat += 1;
        match fleet.beat(&node).await {
            Ok(true) => {}
            Ok(false) => {
                lost.send_replace(true);
                return;
            }
            // The same beat again does no harm.
            Err(_) => node.beat -= 1,
        }
    }
}

/// Nobody else may have drawn it: the machine's own chance.
fn random() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    let filled = aws_lc_rs::rand::fill(&mut bytes);
    filled.map_err(|_| anyhow::anyhow!("the machine gives no random numbers"))?;
    Ok(u64::from_ne_bytes(bytes))
}
