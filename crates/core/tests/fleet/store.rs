//! The store as the fleet sees it: compare-and-set, inboxes, acknowledgements.

use std::collections::{BTreeMap, BTreeSet};

use fanfare_types::{Census, Epoch, Lease, Node, NodeId, Slot};

/// What is told is a number.
pub(crate) type Word = u64;

#[derive(Default)]
pub(crate) struct Store {
    nodes: BTreeMap<NodeId, Node>,
    leases: BTreeMap<Slot, Lease>,
    /// By slot, the epoch that its last taker wrote as fence.
    fences: BTreeMap<Slot, Epoch>,
    inboxes: BTreeMap<(NodeId, u64), Vec<Word>>,
    heard: BTreeMap<Word, BTreeSet<NodeId>>,
}

/// A call, as it is carried out at one instant.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Join(NodeId, String),
    Beat(Node),
    /// Slots first; the nodes are read by [`Op::Nodes`], later.
    Slots,
    Nodes(Vec<Lease>),
    Hear(NodeId, u64),
    Bury(NodeId, u64),
    Claim(NodeId, Vec<Lease>),
    TakeUp(Slot, Epoch),
    Release(NodeId, Slot, Epoch),
    Leave(NodeId),
    Put(Word, Vec<(NodeId, u64)>),
    Acknowledge(NodeId, Vec<Word>),
    Heard(Word),
}

#[derive(Clone, Debug)]
pub(crate) enum Said {
    Done,
    Applied(bool),
    Slots(Vec<Lease>),
    Census(Census),
    Words(Vec<Word>),
    Nodes(Vec<NodeId>),
    Refused,
}

impl Store {
    #[expect(clippy::too_many_lines, reason = "a case for each call")]
    pub(crate) fn carry_out(&mut self, op: &Op) -> Said {
        match op {
            Op::Join(id, name) => {
                self.nodes.entry(*id).or_insert_with(|| Node {
                    id: *id,
                    name: name.clone(),
                    beat: 0,
                    is_draining: false,
                    inbox: 0,
                    doing: String::new(),
                });
                Said::Done
            }
            Op::Beat(node) => match self.nodes.get_mut(&node.id) {
                Some(known) if known.beat + 1 == node.beat => {
                    *known = node.clone();
                    Said::Applied(true)
                }
                // A former try.
                Some(known) => Said::Applied(known.beat == node.beat),
                None => Said::Applied(false),
            },
            Op::Slots => Said::Slots(Slot::all().map(|slot| self.lease(slot)).collect()),
            Op::Nodes(slots) => Said::Census(Census {
                nodes: self.nodes.values().cloned().collect(),
                slots: slots.clone(),
            }),
            Op::Hear(id, inbox) => {
                let before = inbox.checked_sub(1);
                let inboxes = [Some(*inbox), before].into_iter().flatten();
                let of = |inbox| self.inboxes.get(&(*id, inbox)).cloned().unwrap_or_default();
                Said::Words(inboxes.flat_map(of).collect())
            }
            Op::Bury(id, beat) => {
                let is_so = self.nodes.get(id).is_some_and(|node| node.beat == *beat);
                if is_so {
                    self.nodes.remove(id);
                }
                Said::Applied(is_so)
            }
            Op::Claim(id, seen) => {
                let is_so = seen.iter().all(|lease| self.lease(lease.slot) == *lease);
                for lease in seen.iter().filter(|_| is_so) {
                    let claimed = Lease {
                        slot: lease.slot,
                        epoch: Epoch(lease.epoch.0 + 1),
                        holder: Some(*id),
                    };
                    self.leases.insert(lease.slot, claimed);
                }
                Said::Applied(is_so)
            }
            Op::TakeUp(slot, epoch) => {
                let fence = self.fences.entry(*slot).or_default();
                match *fence <= *epoch {
                    true => {
                        *fence = *epoch;
                        Said::Done
                    }
                    false => Said::Refused,
                }
            }
            Op::Release(id, slot, epoch) => {
                let lease = self.lease(*slot);
                if (lease.holder, lease.epoch) == (Some(*id), *epoch) {
                    let free = Lease {
                        holder: None,
                        ..lease
                    };
                    self.leases.insert(*slot, free);
                }
                Said::Done
            }
            Op::Leave(id) => {
                self.nodes.remove(id);
                Said::Done
            }
            Op::Put(word, to) => {
                for at in to {
                    self.inboxes.entry(*at).or_default().push(*word);
                }
                Said::Done
            }
            Op::Acknowledge(id, words) => {
                for word in words {
                    self.heard.entry(*word).or_default().insert(*id);
                }
                Said::Done
            }
            Op::Heard(word) => {
                let heard = self.heard.get(word).cloned().unwrap_or_default();
                Said::Nodes(heard.into_iter().collect())
            }
        }
    }

    /// Who there is, and where each listens.
    pub(crate) fn listeners(&self) -> Vec<(NodeId, u64)> {
        let at = |node: &Node| (node.id, node.inbox);
        self.nodes.values().map(at).collect()
    }

    pub(crate) fn lease(&self, slot: Slot) -> Lease {
        let none = Lease {
            slot,
            epoch: Epoch(0),
            holder: None,
        };
        self.leases.get(&slot).copied().unwrap_or(none)
    }
}
