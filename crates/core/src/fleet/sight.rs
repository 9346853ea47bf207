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

#[cfg(test)]
mod tests {
    use fanfare_types::Node;
    use fanfare_types::ids::Id96;

    use super::*;

    const LEASE: Duration = Duration::from_secs(5);

    fn id() -> NodeId {
        NodeId(Id96::new(Timestamp(1), 1))
    }

    fn census(beat: u64) -> Census {
        let node = Node {
            id: id(),
            name: String::new(),
            beat,
            is_draining: false,
            inbox: 0,
            doing: String::new(),
        };
        Census {
            nodes: vec![node],
            slots: Vec::new(),
        }
    }

    /// Looks every half second, from one instant to another.
    fn look(sight: &mut Sight, beat: u64, from: u64, to: u64) {
        for at in (from..=to).step_by(500) {
            sight.look(&census(beat), LEASE, Timestamp(at));
        }
    }

    #[test]
    fn a_beat_stands_still_from_when_it_was_seen_first() {
        let mut sight = Sight::default();
        look(&mut sight, 7, 10_000, 15_000);
        assert_eq!(sight.stands_still(id(), Timestamp(15_000)), LEASE);
        look(&mut sight, 8, 15_500, 15_500);
        assert!(sight.stands_still(id(), Timestamp(15_500)).is_zero());
    }

    #[test]
    fn who_did_not_look_begins_anew() {
        let mut sight = Sight::default();
        look(&mut sight, 7, 10_000, 12_000);
        look(&mut sight, 7, 15_000, 16_000);
        let still = sight.stands_still(id(), Timestamp(16_000));
        assert_eq!(still, Duration::from_secs(1));
    }
}
