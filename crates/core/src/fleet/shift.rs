//! Who is to have how many slots: as many as the others, but for one.

use std::collections::BTreeMap;

use fanfare_types::{Census, Lease, NodeId, Slot};

/// What a node is to do so that everybody comes to an even share. All who see the same come to the same, so that two
/// seldom want the same slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shift {
    pub(super) claim: Vec<Lease>,
    /// How many of those it has.
    pub(super) give_up: usize,
}

/// `counts`: whether a node is to have any. `me` among them.
pub(super) fn shift(me: NodeId, census: &Census, counts: impl Fn(NodeId) -> bool) -> Shift {
    let mut held: BTreeMap<NodeId, usize> = census
        .nodes
        .iter()
        .map(|node| node.id)
        .filter(|id| counts(*id))
        .map(|id| (id, 0))
        .collect();
    let mut free = Vec::new();
    for lease in &census.slots {
        match census.holder(lease) {
            None => free.push(*lease),
            Some(holder) => {
                if let Some(count) = held.get_mut(&holder) {
                    *count += 1;
                }
            }
        }
    }
    let had = held.get(&me).copied();
    let mut shift = Shift::default();
    for lease in free {
        let least = held.iter().min_by_key(|(id, count)| (**count, **id));
        let Some(id) = least.map(|(id, _)| *id) else {
            break;
        };
        held.entry(id).and_modify(|count| *count += 1);
        if id == me {
            shift.claim.push(lease);
        }
    }
    // Others lack what only one who has more can give them.
    if let Some(had) = had {
        shift.give_up = had.saturating_sub(target(me, &held));
    }
    shift
}

/// Its share: the slots by the nodes, and those left over to the ones with most, so that few move.
fn target(me: NodeId, held: &BTreeMap<NodeId, usize>) -> usize {
    let slots = usize::from(Slot::COUNT);
    let mut ranked: Vec<_> = held.iter().map(|(id, count)| (*count, *id)).collect();
    ranked.sort_unstable_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)));
    let rank = ranked.iter().position(|(_, id)| *id == me);
    let more = slots % ranked.len().max(1);
    let share = slots / ranked.len().max(1);
    share + usize::from(rank.is_some_and(|rank| rank < more))
}

#[cfg(test)]
mod tests {
    use fanfare_types::ids::Id96;
    use fanfare_types::{Epoch, Node, Timestamp};

    use super::*;

    fn id(number: u64) -> NodeId {
        NodeId(Id96::new(Timestamp(number), number))
    }

    fn census(nodes: u64, holder: impl Fn(u8) -> Option<NodeId>) -> Census {
        let node = |number| Node {
            id: id(number),
            name: String::new(),
            beat: 9,
            is_draining: false,
            inbox: 0,
            doing: String::new(),
        };
        let lease = |slot: Slot| Lease {
            slot,
            epoch: Epoch(1),
            holder: holder(slot.number()),
        };
        Census {
            nodes: (0..nodes).map(node).collect(),
            slots: Slot::all().map(lease).collect(),
        }
    }

    /// Everybody does what it is to do, until nobody is to do anything; how many slots moved.
    fn settle(census: &mut Census, counts: impl Fn(NodeId) -> bool + Copy) -> usize {
        let mut moved = 0;
        for _ in 0..10 {
            let nodes: Vec<_> = census.nodes.iter().map(|node| node.id).collect();
            let shifts: Vec<_> = nodes.iter().map(|id| shift(*id, census, counts)).collect();
            if shifts.iter().all(|s| *s == Shift::default()) {
                return moved;
            }
            for (id, shift) in nodes.into_iter().zip(shifts) {
                for claimed in shift.claim {
                    let lease = &mut census.slots[usize::from(claimed.slot.number())];
                    assert_eq!(*lease, claimed, "two wanted the same");
                    lease.holder = Some(id);
                    moved += 1;
                }
                let its = |lease: &&mut Lease| lease.holder == Some(id);
                let give = census.slots.iter_mut().filter(its).take(shift.give_up);
                give.for_each(|lease| lease.holder = None);
            }
        }
        panic!("they come to no end: {census:?}");
    }

    fn spread(census: &Census, nodes: impl Iterator<Item = u64>) -> (usize, usize) {
        let count = |n| {
            let its = census.slots.iter().filter(|l| l.holder == Some(id(n)));
            its.count()
        };
        let counts: Vec<_> = nodes.map(count).collect();
        (*counts.iter().min().unwrap(), *counts.iter().max().unwrap())
    }

    #[test]
    fn everybody_comes_to_an_even_share() {
        for nodes in 1..=20 {
            let mut census = census(nodes, |_| None);
            assert_eq!(settle(&mut census, |_| true), 64);
            let (least, most) = spread(&census, 0..nodes);
            assert!(most - least <= 1, "{nodes} nodes: {least} to {most}");
        }
    }

    #[test]
    fn one_more_node_moves_its_share_and_no_more() {
        let mut census = census(4, |slot| Some(id(u64::from(slot) % 3)));
        let moved = settle(&mut census, |_| true);
        assert_eq!((moved, spread(&census, 0..4)), (16, (16, 16)));
    }

    #[test]
    fn of_a_node_that_is_gone_only_what_it_held_moves() {
        let mut census = census(3, |slot| Some(id(u64::from(slot) % 4)));
        let moved = settle(&mut census, |_| true);
        assert_eq!((moved, spread(&census, 0..3)), (16, (21, 22)));
    }

    #[test]
    fn one_that_does_not_count_gets_nothing_and_keeps_what_it_has() {
        let mut census = census(3, |slot| (slot < 20).then(|| id(2)));
        settle(&mut census, |node| node != id(2));
        assert_eq!(spread(&census, 2..3), (20, 20));
        assert_eq!(spread(&census, 0..2), (22, 22));
        assert_eq!(shift(id(2), &census, |node| node != id(2)).give_up, 0);
    }
}
