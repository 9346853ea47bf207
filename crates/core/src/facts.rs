//! Delivery facts: how often a device was reached, when last, and how often it failed in a row. Summed up here and
//! written behind, so that no push costs a write of its own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use fanfare_types::{AppId, DeviceRef, Facts, Outcome, Timestamp, Verdict};

/// What the end of one delivery says of its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    Delivered,
    /// It failed, and the fault is the address's.
    Failed,
}

/// What an outcome says of the device, if anything.
///
/// A failure is the address's fault when the provider calls it dead, or would not take pushes to this one device
/// until the notification had expired. Anything else is the message's, the credential's, the provider's or the
/// network's. A suspect address does not count: either it is marked, or the credential is wrong, and a wrong
/// credential must switch nothing off.
pub fn said(outcome: Outcome, verdict: Option<Verdict>) -> Option<Said> {
    match (outcome, verdict) {
        (Outcome::Delivered, _) => Some(Said::Delivered),
        (_, Some(Verdict::TokenDead { .. } | Verdict::ThrottleDevice { .. })) => Some(Said::Failed),
        _ => None,
    }
}

/// Facts that wait to be written. Its owner writes them when it [is full](Tally::is_full), so that it holds one
/// batch of endings more than its limit at most.
#[derive(Debug)]
pub struct Tally {
    devices: HashMap<(AppId, DeviceRef), Sums>,
    devices_max: usize,
}

#[derive(Debug, Default)]
struct Sums {
    delivered: u64,
    delivered_at: Option<Timestamp>,
    failures: u32,
    failed_registration: Option<Timestamp>,
}

impl Tally {
    pub fn new(devices_max: usize) -> Self {
        Tally {
            devices: HashMap::new(),
            devices_max,
        }
    }

    /// Notes the end of one delivery. `registered_at` is of the registration it was routed by, `ended_at` when
    /// its answer came.
    pub fn note(
        &mut self,
        app: &AppId,
        device: DeviceRef,
        said: Said,
        registered_at: Timestamp,
        ended_at: Timestamp,
    ) {
        let sums = match self.devices.entry((app.clone(), device)) {
            Entry::Occupied(sums) => sums.into_mut(),
            Entry::Vacant(place) => place.insert(Sums::default()),
        };
        match said {
            Said::Delivered => {
                sums.delivered += 1;
                sums.delivered_at = sums.delivered_at.max(Some(ended_at));
                sums.failures = 0;
                sums.failed_registration = None;
            }
            Said::Failed => {
                sums.failures = sums.failures.saturating_add(1);
                let earliest = sums.failed_registration.unwrap_or(registered_at);
                sums.failed_registration = Some(earliest.min(registered_at));
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.devices.len() >= self.devices_max
    }

    /// All that was noted since the last time, in the order of ids, so that rows next to each other are written
    /// one after the other.
    pub fn take(&mut self) -> Vec<Facts> {
        let facts = |((app, device), sums): ((AppId, DeviceRef), Sums)| Facts {
            app,
            device,
            delivered: sums.delivered,
            delivered_at: sums.delivered_at,
            failures: sums.failures,
            failed_registration: sums.failed_registration,
        };
        let mut all: Vec<Facts> = self.devices.drain().map(facts).collect();
        all.sort_unstable_by(|one, other| {
            (&one.app, one.device.id).cmp(&(&other.app, other.device.id))
        });
        // A burst must not hold its memory for ever.
        self.devices.shrink_to(self.devices_max.min(1_024));
        all
    }
}

#[cfg(test)]
mod tests {
    use fanfare_types::{DeviceId, UserId};

    use super::*;

    fn shop() -> AppId {
        AppId::new("shop").unwrap()
    }

    fn device(n: u64, user: &str) -> DeviceRef {
        DeviceRef {
            user: UserId::new(user).unwrap(),
            id: DeviceId::new(Timestamp(1), n),
        }
    }

    fn noted(ends: &[(Said, u64)]) -> Facts {
        let mut tally = Tally::new(10);
        for (said, at) in ends {
            let (registered, ended) = (Timestamp(*at), Timestamp(*at + 1));
            tally.note(&shop(), device(1, "ada"), *said, registered, ended);
        }
        tally.take().remove(0)
    }

    #[test]
    fn what_is_the_addresss_fault_and_what_is_not() {
        let failed = Some(Said::Failed);
        let throttle = Verdict::ThrottleDevice { after: None };
        for (outcome, verdict, expected) in [
            (
                Outcome::Delivered,
                Some(Verdict::Accepted),
                Some(Said::Delivered),
            ),
            (
                Outcome::Dead,
                Some(Verdict::TokenDead { since: None }),
                failed,
            ),
            (Outcome::Expired, Some(throttle), failed),
            (Outcome::Failed, Some(throttle), failed),
            (Outcome::Dead, Some(Verdict::TokenSuspect), None),
            (Outcome::Rejected, Some(Verdict::BadRequest), None),
            (Outcome::Failed, Some(Verdict::Config), None),
            (Outcome::Failed, Some(Verdict::Unknown), None),
            (
                Outcome::Expired,
                Some(Verdict::Server { after: None }),
                None,
            ),
            (Outcome::Expired, None, None),
            (Outcome::Cancelled, None, None),
        ] {
            assert_eq!(said(outcome, verdict), expected, "{outcome:?} {verdict:?}");
        }
    }

    #[test]
    fn a_delivered_push_ends_the_failures_before_it() {
        let facts = noted(&[
            (Said::Failed, 10),
            (Said::Delivered, 20),
            (Said::Failed, 40),
            (Said::Failed, 30),
        ]);
        assert_eq!(
            (facts.delivered, facts.delivered_at),
            (1, Some(Timestamp(21)))
        );
        assert_eq!(
            (facts.failures, facts.failed_registration),
            (2, Some(Timestamp(30)))
        );
        let facts = noted(&[
            (Said::Failed, 10),
            (Said::Delivered, 30),
            (Said::Delivered, 20),
        ]);
        assert_eq!(
            (facts.delivered, facts.delivered_at),
            (2, Some(Timestamp(31)))
        );
        assert_eq!((facts.failures, facts.failed_registration), (0, None));
    }

    #[test]
    fn devices_are_told_apart_bounded_and_taken_once_in_order() {
        let mut tally = Tally::new(3);
        let note = |tally: &mut Tally, n, user| {
            tally.note(
                &shop(),
                device(n, user),
                Said::Delivered,
                Timestamp(1),
                Timestamp(1),
            );
        };
        for (n, user) in [(2, "ada"), (2, "ada"), (1, "bob")] {
            note(&mut tally, n, user);
            assert!(!tally.is_full() && !tally.is_empty());
        }
        note(&mut tally, 2, "cy");
        assert!(
            tally.is_full(),
            "a row that moved meanwhile is two devices here"
        );
        let facts = tally.take();
        let of: Vec<_> = facts
            .iter()
            .map(|facts| (facts.device.id, facts.delivered))
            .collect();
        let id = |n| device(n, "ada").id;
        assert_eq!(of[0], (id(1), 1));
        assert!(of[1..].contains(&(id(2), 2)) && of[1..].contains(&(id(2), 1)));
        assert!(tally.is_empty() && tally.take().is_empty());
    }
}
