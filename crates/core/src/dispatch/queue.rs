//! The order of routing: lanes by weight, apps in turn, deliveries first come first served.

use std::collections::{HashMap, VecDeque};

use fanfare_types::{AppId, Delivery, Lane};

#[derive(Debug)]
pub(super) struct Queue {
    urgent: Apps,
    bulk: Apps,
    urgent_weight: u32,
    /// Urgent batches taken since bulk had its turn.
    in_a_row: u32,
}

/// The queues of one lane. Only apps with something waiting are in `turns`, each once.
#[derive(Debug, Default)]
struct Apps {
    turns: VecDeque<AppId>,
    waiting: HashMap<AppId, VecDeque<Delivery>>,
    len: usize,
}

impl Queue {
    pub(super) fn new(urgent_weight: u32) -> Self {
        Queue {
            urgent: Apps::default(),
            bulk: Apps::default(),
            urgent_weight,
            in_a_row: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.urgent.len + self.bulk.len
    }

    pub(super) fn push(&mut self, delivery: Delivery) {
        let apps = self.lane(delivery.live.options.lane);
        let app = delivery.live.app.clone();
        apps.queue(app).push_back(delivery);
        apps.len += 1;
    }

    /// Returns a taken batch to the head of its queue, in its order.
    pub(super) fn put_back(&mut self, batch: Vec<Delivery>) {
        for delivery in batch.into_iter().rev() {
            let apps = self.lane(delivery.live.options.lane);
            let app = delivery.live.app.clone();
            apps.queue(app).push_front(delivery);
            apps.len += 1;
        }
    }

    /// The next batch, all of one app and lane.
    pub(super) fn take(&mut self, batch_max: usize) -> Option<(AppId, Vec<Delivery>)> {
        let bulk_turn = self.in_a_row >= self.urgent_weight && self.bulk.len > 0;
        if self.urgent.len > 0 && !bulk_turn {
            self.in_a_row = self.in_a_row.saturating_add(1);
            return self.urgent.take(batch_max);
        }
        self.in_a_row = 0;
        self.bulk.take(batch_max)
    }

    /// Takes out those of an app that are over; the order of the others stays.
    pub(super) fn take_out(
        &mut self,
        app: &AppId,
        is_over: impl Fn(&Delivery) -> bool,
    ) -> Vec<Delivery> {
        let mut over = self.urgent.take_out(app, &is_over);
        over.append(&mut self.bulk.take_out(app, &is_over));
        over
    }

    pub(super) fn clear(&mut self) {
        self.urgent = Apps::default();
        self.bulk = Apps::default();
    }

    fn lane(&mut self, lane: Lane) -> &mut Apps {
        match lane {
            Lane::Urgent => &mut self.urgent,
            Lane::Bulk => &mut self.bulk,
        }
    }
}

impl Apps {
    fn queue(&mut self, app: AppId) -> &mut VecDeque<Delivery> {
        if !self.waiting.contains_key(&app) {
            self.turns.push_back(app.clone());
        }
        self.waiting.entry(app).or_default()
    }

    fn take_out(&mut self, app: &AppId, is_over: impl Fn(&Delivery) -> bool) -> Vec<Delivery> {
        let Some(queue) = self.waiting.get_mut(app) else {
            return Vec::new();
        };
        let (over, stay): (Vec<_>, Vec<_>) = queue.drain(..).partition(is_over);
        queue.extend(stay);
        if queue.is_empty() {
            self.waiting.remove(app);
            self.turns.retain(|turn| turn != app);
        }
        self.len -= over.len();
        over
    }

    fn take(&mut self, batch_max: usize) -> Option<(AppId, Vec<Delivery>)> {
        let app = self.turns.pop_front()?;
        let queue = self.waiting.get_mut(&app)?;
        let count = queue.len().min(batch_max);
        let batch: Vec<_> = queue.drain(..count).collect();
        if queue.is_empty() {
            self.waiting.remove(&app);
        } else {
            self.turns.push_back(app.clone());
        }
        self.len -= count;
        Some((app, batch))
    }
}
