//! Pools and outcomes: what waits, what is on its way, what has ended and is not recorded.

use std::sync::Arc;

use fanfare_core::dispatch;
use fanfare_types::{
    Address, AddressKind, Channel, Delivery, Environment, Lane, Live, Outcome, Timestamp,
};

use crate::actor::{Msg, Present};
use crate::world::{Ended, Op, World, shop};

impl World {
    /// Hands on what there are permits for, or ends it when it is over.
    pub(crate) fn feed(&mut self, present: &mut Present, life: u64) {
        if present.core.is_withdrawn() {
            return present.feeds.clear();
        }
        if let Some(outcome) = present.over(self.now) {
            for feed in present.feeds.drain(..) {
                let live = feed.live;
                feed.ordinals
                    .iter()
                    .for_each(|_| live.progress.recording(1));
                let ordinals = feed.ordinals.into();
                self.task(life, Op::End(live, ordinals, outcome));
            }
        }
        while let Some(feed) = present.feeds.front_mut() {
            let Ok(mut permits) = self.admission.try_take(&shop(), Lane::Bulk, 1) else {
                // It asks again with the next event, as the shell does with a timer.
                self.is_feed_waiting = true;
                return;
            };
            let permit = permits.split().expect("one was taken");
            let ordinal = feed.ordinals.pop_front().expect("some are left");
            let live = feed.live.clone();
            if feed.ordinals.is_empty() {
                present.feeds.pop_front();
            }
            self.waiting.push(delivery(&live, ordinal, permit));
        }
    }

    /// Those who hold deliveries look at them: the withdrawn are dropped, the cancelled end.
    pub(crate) fn sweep(&mut self) {
        let (over, stay) = self.waiting.drain(..).partition(is_over);
        self.waiting = stay;
        self.take_out(over);
    }

    fn take_out(&mut self, over: Vec<Delivery>) {
        for delivery in over {
            if delivery.live.is_withdrawn() {
                drop(delivery);
            } else {
                self.ends(delivery, Outcome::Cancelled);
            }
        }
    }

    /// One that waits is handed over, or ends.
    pub(crate) fn hand_over(&mut self) {
        let at = self.dice.below(self.waiting.len());
        let delivery = self.waiting.swap_remove(at);
        if is_over(&delivery) {
            return self.take_out(vec![delivery]);
        }
        let expires_at = delivery.live.options.expires_at;
        if let Some((outcome, _)) = dispatch::over(false, expires_at, self.now) {
            return self.ends(delivery, outcome);
        }
        assert!(
            !self.is_quiet,
            "handed over after the answer to a pause or cancel"
        );
        let chunk = &self.store.chunks[&delivery.live.id];
        let ordinal = delivery.ordinal as usize;
        assert_eq!(chunk.outcomes[ordinal], None, "it has its outcome");
        let recipient = chunk.recipients[ordinal];
        let sent = self.sent.entry(recipient).or_default();
        let doubt = self.doubt.get(&recipient).copied().unwrap_or(0);
        assert!(
            *sent <= doubt,
            "{recipient} was sent {sent} times, {doubt} in doubt"
        );
        *sent += 1;
        delivery.live.progress.handed_over(1);
        self.flying.push(delivery);
    }

    /// The provider answers; now and then it is not the last word.
    pub(crate) fn answer(&mut self) {
        let at = self.dice.below(self.flying.len());
        let delivery = self.flying.swap_remove(at);
        delivery.live.progress.came_back(1);
        if self.dice.once_in(8) {
            // Refused for now: it was not sent.
            let recipient = self.recipient(&delivery);
            *self.doubt.entry(recipient).or_default() += 1;
            if is_over(&delivery) {
                return self.take_out(vec![delivery]);
            }
            return self.waiting.push(delivery);
        }
        let outcome = match self.dice.once_in(6) {
            true => Outcome::Dead,
            false => Outcome::Delivered,
        };
        self.ends(delivery, outcome);
    }

    fn ends(&mut self, delivery: Delivery, outcome: Outcome) {
        delivery.live.progress.recording(1);
        self.buffer.push(Ended { delivery, outcome });
    }

    pub(crate) fn flush(&mut self) {
        self.is_writing = true;
        let endings = std::mem::take(&mut self.buffer);
        self.task(0, Op::Record(endings));
    }

    /// The write is durable: the books are closed.
    pub(crate) fn close(&mut self, endings: Vec<Ended>) {
        self.is_writing = false;
        let mut chunks: Vec<_> = endings.iter().map(|e| e.delivery.live.id).collect();
        chunks.sort_unstable();
        chunks.dedup();
        let count = endings.len() as u64;
        for mut ended in endings {
            ended.delivery.ended(ended.outcome);
        }
        self.tell(Msg::Recorded(chunks, count));
    }

    pub(crate) fn recipient(&self, delivery: &Delivery) -> u32 {
        let chunk = &self.store.chunks[&delivery.live.id];
        chunk.recipients[delivery.ordinal as usize]
    }
}

fn is_over(delivery: &Delivery) -> bool {
    delivery.live.is_withdrawn() || delivery.live.is_cancelled()
}

fn delivery(live: &Arc<Live>, ordinal: u32, permit: fanfare_types::Permit) -> Delivery {
    let kind = AddressKind::RegistrationToken;
    Delivery {
        live: live.clone(),
        ordinal,
        device: None,
        address: Address::new(Channel::Fcm, kind, Environment::Production, "a"),
        locale: None,
        variables: None,
        registered_at: Timestamp(1),
        routed_at: Timestamp(1),
        attempts: 0,
        auth_refreshes: 0,
        permit,
    }
}
