//! What a node has seen of the others' beats, by its own clock.

use std::collections::BTreeMap;
use std::time::Duration;

use fanfare_types::{Census, NodeId, Timestamp};

/// A beat, and when it was seen first.
#[derive(Clone, Copy, Debug)]
struct Seen {
    beat: u64,
    since: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct Sight {
    nodes: BTreeMap<NodeId, Seen>,
    looked_at: Timestamp,
}

impl Sight {
    /// What a census says that came at `now`. Who did not look for half a lease, because it was frozen or the store was
    /// away, cannot know whether the others beat meanwhile: it begins anew with each of them.
    pub(super) fn look(&mut self, census: &Census, lease: Duration, now: Timestamp) {
        if now.since(self.looked_at) > lease / 2 {
            self.nodes.clear();
        }
        self.looked_at = now;
        self.nodes.retain(|id, _| census.node(*id).is_some());
        for node in &census.nodes {
            let seen = Seen {
                beat: node.beat,
                since: now,
            };
            let known = self.nodes.entry(node.id).or_insert(seen);
            if known.beat != node.beat {
                *known = seen;
            }
        }
    }

    /// How long its beat has stood still.
    pub(super) fn stands_still(&self, id: NodeId, now: Timestamp) -> Duration {
        let seen = self.nodes.get(&id);
        seen.map_or(Duration::ZERO, |seen| now.since(seen.since))
    }
}
