//! What several nodes share, in memory: a stand-in for the database in tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use fanfare_store::fleet::{Notice, NoticeId, Told};
use fanfare_store::{Error, Fleet, Result};
use fanfare_types::{Census, Epoch, Lease, Node, NodeId, Slot};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

#[derive(Default)]
pub(crate) struct Commons {
    inside: Mutex<Inside>,
    is_away: AtomicBool,
}

#[derive(Default)]
struct Inside {
    nodes: BTreeMap<NodeId, Node>,
    leases: BTreeMap<Slot, Lease>,
    fences: BTreeMap<Slot, Epoch>,
    inboxes: BTreeMap<(NodeId, u64), BTreeMap<NoticeId, Vec<Notice>>>,
    heard: BTreeMap<NoticeId, BTreeSet<NodeId>>,
}

impl Commons {
    /// Whether nothing gets through.
    pub(crate) fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    /// Takes whoever has this name for dead.
    pub(crate) fn bury_by_name(&self, name: &str) {
        self.inside.lock().nodes.retain(|_, node| node.name != name);
    }

    /// How many slots whoever has this name holds.
    pub(crate) fn held_by(&self, name: &str) -> usize {
        let inside = self.inside.lock();
        let named = |id: &NodeId| inside.nodes.get(id).is_some_and(|node| node.name == name);
        let leases = inside.leases.values();
        leases
            .filter(|lease| lease.holder.as_ref().is_some_and(named))
            .count()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let inside = self.inside.lock();
        inside
            .nodes
            .values()
            .map(|node| node.name.clone())
            .collect()
    }

    fn with<'a, T: Send + 'a>(
        &'a self,
        call: impl FnOnce(&mut Inside) -> Result<T> + Send + 'a,
    ) -> BoxFuture<'a, Result<T>> {
        Box::pin(async move {
            match self.is_away.load(Ordering::SeqCst) {
                true => Err(Error::Unavailable("away".to_owned())),
                false => call(&mut self.inside.lock()),
            }
        })
    }
}

impl Inside {
    fn lease(&self, slot: Slot) -> Lease {
        let never = Lease {
            slot,
            epoch: Epoch(0),
            holder: None,
        };
        self.leases.get(&slot).copied().unwrap_or(never)
    }
}

impl Fleet for Commons {
    fn census(&self) -> BoxFuture<'_, Result<Census>> {
        self.with(|inside| {
            Ok(Census {
                nodes: inside.nodes.values().cloned().collect(),
                slots: Slot::all().map(|slot| inside.lease(slot)).collect(),
            })
        })
    }

    fn join(&self, id: NodeId, name: &str) -> BoxFuture<'_, Result<()>> {
        let name = name.to_owned();
        self.with(move |inside| {
            let node = Node {
                id,
                name,
                beat: 0,
                is_draining: false,
                inbox: 0,
                doing: String::new(),
            };
            inside.nodes.entry(id).or_insert(node);
            Ok(())
        })
    }

    fn beat<'a>(&'a self, node: &'a Node) -> BoxFuture<'a, Result<bool>> {
        self.with(move |inside| match inside.nodes.get_mut(&node.id) {
            Some(known) if known.beat + 1 == node.beat => {
                *known = node.clone();
                Ok(true)
            }
            Some(known) => Ok(known.beat == node.beat),
            None => Ok(false),
        })
    }

    fn bury(&self, id: NodeId, beat: u64) -> BoxFuture<'_, Result<bool>> {
        self.with(move |inside| {
            let is_so = inside.nodes.get(&id).is_some_and(|node| node.beat == beat);
            Ok(is_so && inside.nodes.remove(&id).is_some())
        })
    }

    fn leave(&self, id: NodeId) -> BoxFuture<'_, Result<()>> {
        self.with(move |inside| {
            inside.nodes.remove(&id);
            Ok(())
        })
    }

    fn claim(&self, id: NodeId, seen: Vec<Lease>) -> BoxFuture<'_, Result<bool>> {
        self.with(move |inside| {
            let is_so = seen.iter().all(|lease| inside.lease(lease.slot) == *lease);
            for lease in seen.into_iter().filter(|_| is_so) {
                let claimed = Lease {
                    epoch: Epoch(lease.epoch.0 + 1),
                    holder: Some(id),
                    ..lease
                };
                inside.leases.insert(lease.slot, claimed);
            }
            Ok(is_so)
        })
    }

    fn release(&self, slot: Slot, epoch: Epoch) -> BoxFuture<'_, Result<()>> {
        self.with(move |inside| {
            let lease = inside.lease(slot);
            if lease.epoch == epoch {
                let free = Lease {
                    holder: None,
                    ..lease
                };
                inside.leases.insert(slot, free);
            }
            Ok(())
        })
    }

    fn take_up(&self, slot: Slot, epoch: Epoch) -> BoxFuture<'_, Result<()>> {
        self.with(move |inside| {
            let fence = inside.fences.entry(slot).or_default();
            if *fence > epoch {
                return Err(Error::Unavailable("somebody else's".to_owned()));
            }
            *fence = epoch;
            Ok(())
        })
    }

    fn give_up(&self, _: Slot) {}

    fn tell(
        &self,
        from: NodeId,
        id: NoticeId,
        notices: Vec<Notice>,
    ) -> BoxFuture<'_, Result<Vec<NodeId>>> {
        self.with(move |inside| {
            let others = inside.nodes.values().filter(|node| node.id != from);
            let to: Vec<_> = others.map(|node| (node.id, node.inbox)).collect();
            for at in &to {
                let inbox = inside.inboxes.entry(*at).or_default();
                inbox.insert(id, notices.clone());
            }
            Ok(to.into_iter().map(|(id, _)| id).collect())
        })
    }

    fn hear(&self, id: NodeId, inbox: u64) -> BoxFuture<'_, Result<Vec<Told>>> {
        self.with(move |inside| {
            let both = [inbox.checked_sub(1), Some(inbox)].into_iter().flatten();
            let told = both.filter_map(|inbox| inside.inboxes.get(&(id, inbox)));
            let told = told.flatten().map(|(id, notices)| Told {
                id: *id,
                notices: notices.clone(),
            });
            Ok(told.collect())
        })
    }

    fn acknowledge(&self, id: NodeId, heard: Vec<NoticeId>) -> BoxFuture<'_, Result<()>> {
        self.with(move |inside| {
            for notice in heard {
                inside.heard.entry(notice).or_default().insert(id);
            }
            Ok(())
        })
    }

    fn heard(&self, id: NoticeId) -> BoxFuture<'_, Result<Vec<NodeId>>> {
        self.with(move |inside| {
            let heard = inside.heard.get(&id).into_iter().flatten();
            Ok(heard.copied().collect())
        })
    }
}
