//! Until when whoever told the others something waits for them.

use std::time::Duration;

use fanfare_types::{NodeId, Timestamp};

/// Something that was told, and who has not acknowledged it.
#[derive(Clone, Debug)]
pub struct Telling {
    left: Vec<NodeId>,
    until: Timestamp,
}

impl Telling {
    /// It was durable in the inboxes of these by `now`. Whoever has not listened since hands nothing over `settled_after`
    /// that.
    pub fn new(to: Vec<NodeId>, settled_after: Duration, now: Timestamp) -> Self {
        Telling {
            left: to,
            until: now + settled_after,
        }
    }

    /// These have acted upon it.
    pub fn on_heard(&mut self, by: &[NodeId]) {
        self.left.retain(|node| !by.contains(node));
    }

    pub fn is_over(&self, now: Timestamp) -> bool {
        self.left.is_empty() || now >= self.until
    }
}

#[cfg(test)]
mod tests {
    use fanfare_types::ids::Id96;

    use super::*;

    #[test]
    fn it_is_over_when_all_have_heard_or_can_hand_nothing_over_any_more() {
        let [one, other] = [1, 2].map(|n| NodeId(Id96::new(Timestamp(n), n)));
        let wait = Duration::from_millis(1_100);
        let mut telling = Telling::new(vec![one, other], wait, Timestamp(1_000));
        telling.on_heard(&[one]);
        assert!(!telling.is_over(Timestamp(2_099)) && telling.is_over(Timestamp(2_100)));
        telling.on_heard(&[one, other]);
        assert!(telling.is_over(Timestamp(1_000)));
        assert!(Telling::new(Vec::new(), wait, Timestamp(1)).is_over(Timestamp(1)));
    }
}
