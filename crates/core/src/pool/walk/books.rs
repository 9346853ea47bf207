//! What must hold after every step of the walk.

use super::*;

impl Walk {
    /// Carries the effects out, and looks whether they may be.
    pub(super) fn look(&mut self) {
        for effect in std::mem::take(&mut self.rig.effects) {
            match effect {
                Effect::Hand {
                    connection,
                    batch,
                    token,
                } => self.hand(connection, batch, token),
                Effect::Open(id) => {
                    assert!(self.lines.insert(id, Line::default()).is_none());
                    let live = self.lines.values().filter(|line| !line.is_closing);
                    assert!(live.count() <= self.connections_max);
                    assert!(self.lines.len() <= 2 * CONNECTIONS_MAX);
                }
                Effect::Close(id) => self.line(id).is_closing = true,
                Effect::RenewToken => {
                    let patience = token::Limits::default().patience;
                    let is_late = self.rig.now.since(self.renewing_since) >= patience;
                    assert!(!self.is_renewing || is_late, "one renewal at a time");
                    self.is_renewing = true;
                    self.renewing_since = self.rig.now;
                }
                Effect::End(batch) => {
                    assert!(batch.len() <= 64);
                    for ended in batch {
                        self.moved(&ended.finished.delivery, Place::Ended);
                    }
                }
                Effect::Reroute(batch) => {
                    assert!(batch.len() <= 64);
                    for delivery in batch {
                        self.moved(&delivery, Place::BeingRouted);
                        self.routing.push(delivery);
                    }
                }
                Effect::WakeAt(at) => assert!(at > self.rig.now),
                Effect::Refused(_) => {}
                Effect::Move(_) | Effect::Drained => panic!("nobody drains, nobody retires"),
            }
        }
        self.look_at_losses();
        self.add_up();
    }

    /// Nothing is dropped but what was withdrawn.
    pub(super) fn look_at_losses(&mut self) {
        let chunks = self.lives.iter().filter(|live| live.run.is_some());
        let dropped: Vec<_> = chunks
            .map(|live| (live.is_withdrawn(), live.progress.losses().take()))
            .filter(|(_, lost)| !lost.is_empty())
            .collect();
        for (is_withdrawn, lost) in dropped {
            for ordinal in lost {
                match self.places.get(&ordinal) {
                    Some(Place::Pool) if is_withdrawn => {
                        self.put(ordinal, Place::Lost);
                    }
                    // Those that ended, or went down with their connection, were dropped by the test.
                    Some(Place::Ended | Place::Lost) => {}
                    from => panic!("{ordinal} was dropped from {from:?}"),
                }
            }
        }
    }

    pub(super) fn add_up(&self) {
        let count = |place| self.counts.get(&place).copied().unwrap_or(0);
        let figures = self.rig.pool.figures(self.rig.now);
        assert_eq!(figures.waiting + figures.retrying, count(Place::Pool));
        let under_way: usize = self.lines.values().map(|line| line.jobs.len()).sum();
        assert_eq!(figures.in_flight, under_way);
        let under_way = under_way + self.late;
        assert_eq!(count(Place::OnConnection), under_way);
        let held = count(Place::Pool) + under_way + self.routing.len();
        assert_eq!(self.budget.taken(), held, "permits");
    }
}
