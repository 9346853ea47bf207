//! A delivery under way: one notification to one endpoint, and the notification's live books.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::losses::Losses;
use crate::message::Variables;
use crate::notification::Options;
use crate::permit::Permit;
use crate::{
    Address, AppId, Counts, DeviceId, Hold, Message, NotificationId, Outcome, Reason, Run,
    Timestamp, UserId,
};

/// A notification in memory, shared by its deliveries.
#[derive(Debug)]
pub struct Live {
    pub id: NotificationId,
    pub app: AppId,
    pub created_at: Timestamp,
    pub options: Options,
    /// All chunks of a campaign share one.
    pub message: Arc<Message>,
    pub variables: Arc<Variables>,
    pub progress: Progress,
    /// The run of the campaign that this is a chunk of; `None` for a notification.
    pub run: Option<Arc<Run>>,
    /// This node's hold on its slot.
    pub hold: Arc<Hold>,
}

impl Live {
    /// From now on nothing more of it is handed over, and what waits ends.
    pub fn is_cancelled(&self) -> bool {
        self.progress.is_cancelled() || self.run.as_ref().is_some_and(|run| run.is_cancelled())
    }

    /// Whoever has deliveries of it drops them: their campaign is paused, the gateway drains, or they are another
    /// node's by now.
    pub fn is_withdrawn(&self) -> bool {
        self.hold.is_lost() || self.run.as_ref().is_some_and(|run| run.is_withdrawn())
    }
}

/// The live books of one notification. `waiting` is what remains of `recipients`, so the sum always holds.
#[derive(Debug, Default)]
pub struct Progress {
    recipients: u64,
    cancelled: AtomicBool,
    in_flight: AtomicU64,
    recording: AtomicU64,
    ended: [AtomicU64; 6],
    losses: Losses,
}

impl Progress {
    /// Books that start from what the journal already holds.
    pub fn new(recipients: u64, ended: Counts) -> Self {
        let mut ended = ended;
        let progress = Progress {
            recipients,
            ..Progress::default()
        };
        for outcome in Outcome::ALL {
            progress.ended[outcome.index()].store(*ended.of(*outcome), Ordering::Relaxed);
        }
        progress
    }

    pub fn recipients(&self) -> u64 {
        self.recipients
    }

    /// From now on nothing more of this notification is handed over.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// So many deliveries were handed to a connection.
    pub fn handed_over(&self, count: u64) {
        self.in_flight.fetch_add(count, Ordering::AcqRel);
    }

    /// So many handed-over deliveries came back, whatever the answers.
    pub fn came_back(&self, count: u64) {
        self.in_flight.fetch_sub(count, Ordering::AcqRel);
    }

    /// So many deliveries ended, and their outcomes are on their way to the journal.
    pub fn recording(&self, count: u64) {
        self.recording.fetch_add(count, Ordering::AcqRel);
    }

    /// Deliveries that were dropped before they had ended.
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    /// This outcome of so many deliveries is durable. Returns whether they were the last.
    pub fn ended(&self, outcome: Outcome, count: u64) -> bool {
        self.recording.fetch_sub(count, Ordering::AcqRel);
        self.ended[outcome.index()].fetch_add(count, Ordering::AcqRel);
        self.ended
            .iter()
            .map(|count| count.load(Ordering::Acquire))
            .sum::<u64>()
            >= self.recipients
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for outcome in Outcome::ALL {
            *counts.of(*outcome) = self.ended[outcome.index()].load(Ordering::Acquire);
        }
        let left = self.recipients.saturating_sub(counts.terminal());
        // What has its answer but not its outcome in the journal is still under way.
        let recording = self.recording.load(Ordering::Acquire);
        counts.in_flight = (self.in_flight.load(Ordering::Acquire) + recording).min(left);
        counts.waiting = left - counts.in_flight;
        counts
    }
}

/// One push under way. It owns its permit: dropping the delivery gives the permit back. One that is dropped
/// before [`Delivery::ended`] was lost to a crash, and its notification's [`Losses`] have it.
pub struct Delivery {
    pub live: Arc<Live>,
    /// Index in the record's targets; with the notification id it makes the `apns-id`.
    pub ordinal: u32,
    /// The registered device; `None` when the caller named a bare address.
    pub device: Option<(DeviceId, UserId)>,
    pub address: Address,
    pub locale: Option<Arc<str>>,
    /// The recipient's own, which come before those of the notification.
    pub variables: Option<Arc<Variables>>,
    /// The device's `registered_at` when it was routed; for a bare address, when it was accepted. What a
    /// provider says against the address says nothing against later registrations.
    pub registered_at: Timestamp,
    /// When the device was last read from the store. Older than the freshness bound, it is read again.
    pub routed_at: Timestamp,
    /// Attempts that were handed to a connection.
    pub attempts: u32,
    /// How often a stale provider token has cost this delivery an attempt.
    pub auth_refreshes: u32,
    /// Given back on drop, so that memory is bounded whatever happens to the delivery.
    pub permit: Permit,
}

impl Delivery {
    /// Its outcome is durable: the books say so, and the permit is given back. Returns whether it was the last.
    pub fn ended(&mut self, outcome: Outcome) -> bool {
        self.permit.give_back();
        self.live.progress.ended(outcome, 1)
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if self.permit.is_held() {
            // Before it is told, so that whoever brings it back finds room.
            self.permit.give_back();
            self.live.progress.losses().add([self.ordinal]);
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Delivery({}/{}, attempt {})",
            self.live.id, self.ordinal, self.attempts
        )
    }
}

/// A delivery that has ended, with everything the journal and the reaper need.
#[derive(Debug)]
pub struct Finished {
    pub delivery: Box<Delivery>,
    pub outcome: Outcome,
    pub reason: Reason,
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Variables;
    use crate::{
        AddressKind, Budget, Channel, Environment, Lane, OnUnknown, Permits, Priority, Slot,
    };

    fn delivery(live: &Arc<Live>, ordinal: u32, budget: &Arc<Budget>) -> Delivery {
        let budgets: Arc<[Arc<Budget>]> = [budget.clone()].into();
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
            permit: Permits::try_take(&budgets, 1).unwrap().split().unwrap(),
        }
    }

    #[test]
    fn what_is_dropped_before_its_end_is_lost_and_gives_its_permit_back() {
        let live = Arc::new(Live {
            id: NotificationId::new(Timestamp(1), 1),
            app: AppId::new("shop").unwrap(),
            created_at: Timestamp(1),
            options: Options {
                priority: Priority::High,
                collapse_key: None,
                lane: Lane::Urgent,
                on_unknown: OnUnknown::Retry,
                expires_at: Timestamp(2),
                send_at: None,
            },
            message: Message::default().into(),
            variables: Variables::new().into(),
            progress: Progress::new(2, Counts::default()),
            run: None,
            hold: Hold::new(Slot::of_shard(0)),
        });
        let budget = Budget::new(2);
        let [mut ended, lost] = [0, 1].map(|ordinal| delivery(&live, ordinal, &budget));
        live.progress.recording(1);
        assert!(!ended.ended(Outcome::Delivered));
        assert_eq!(budget.taken(), 1);
        drop((ended, lost));
        assert_eq!(budget.taken(), 0);
        assert_eq!(live.progress.losses().take(), [1]);
    }

    #[test]
    fn the_books_add_up_at_every_step() {
        let progress = Progress::new(
            3,
            Counts {
                delivered: 1,
                ..Counts::default()
            },
        );
        let sum = |p: &Progress| {
            let counts = p.counts();
            counts.waiting + counts.in_flight + counts.terminal()
        };
        assert_eq!(sum(&progress), 3);
        progress.handed_over(1);
        assert_eq!((progress.counts().in_flight, sum(&progress)), (1, 3));
        progress.came_back(1);
        progress.recording(1);
        progress.recording(1);
        assert_eq!((progress.counts().in_flight, sum(&progress)), (2, 3));
        assert!(!progress.ended(Outcome::Dead, 1));
        assert!(progress.ended(Outcome::Expired, 1));
        assert_eq!((progress.counts().waiting, sum(&progress)), (0, 3));
    }
}
