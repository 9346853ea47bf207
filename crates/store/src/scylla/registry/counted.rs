//! Delivery facts as they lie beside a row: what pushes said of it, up to now.
//!
//! Plain writes, since a compare-and-set for each delivery would cost more than the delivery. Two nodes that write at
//! once may lose one of two counts; none is counted twice.

use fanfare_types::{Device, Facts, Timestamp};

use super::row::{opt, put_opt};
use crate::codec::{Input, VERSION, put_number};

/// What was counted, the row's own counts included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    /// The row whose failures these are: at another revision its own count holds, which may have begun anew.
    revision: u64,
    delivered: u64,
    delivered_at: Option<Timestamp>,
    failures: u32,
}

impl Counted {
    /// A row, with what is counted already, and these facts more.
    pub(super) fn of(device: &Device, facts: &Facts) -> Self {
        let is_current = facts
            .failed_registration
            .is_some_and(|registered| device.registered_at <= registered);
        let before = match facts.delivered {
            0 => device.consecutive_failures,
            _ => 0,
        };
        let failures = if is_current { facts.failures } else { 0 };
        Counted {
            revision: device.revision,
            delivered: device.notification_count.saturating_add(facts.delivered),
            delivered_at: device.last_used_at.max(facts.delivered_at),
            failures: before.saturating_add(failures),
        }
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// The row as it is, its facts told.
    pub(super) fn add_to(&self, device: &mut Device) {
        device.notification_count = device.notification_count.max(self.delivered);
        device.last_used_at = device.last_used_at.max(self.delivered_at);
        if device.revision == self.revision {
            device.consecutive_failures = self.failures;
        }
    }

    pub(super) fn pack(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_number(&mut out, self.revision);
        put_number(&mut out, self.delivered);
        put_opt(&mut out, self.delivered_at.map(Timestamp::as_millis));
        put_number(&mut out, self.failures.into());
        out
    }

    pub(super) fn unpack(blob: &[u8]) -> Option<Self> {
        let mut input = Input(blob);
        if input.byte()? != VERSION {
            return None;
        }
        let counted = Counted {
            revision: input.number()?,
            delivered: input.number()?,
            delivered_at: opt(&mut input)?.map(Timestamp),
            failures: u32::try_from(input.number()?).ok()?,
        };
        input.0.is_empty().then_some(counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::fixtures::device;

    fn facts(device: &Device, delivered: u64, failures: u32) -> Facts {
        Facts {
            app: device.app.clone(),
            device: device.as_ref(),
            delivered,
            delivered_at: (delivered > 0).then_some(Timestamp(9)),
            failures,
            failed_registration: Some(device.registered_at),
        }
    }

    #[test]
    fn facts_come_back_as_they_were() {
        let ada = device(1, "ada", "t");
        for counted in [
            Counted::of(&ada, &facts(&ada, 0, 3)),
            Counted::of(&ada, &facts(&ada, 1 << 40, 0)),
        ] {
            let packed = counted.pack();
            assert_eq!(Counted::unpack(&packed), Some(counted));
            assert_eq!(Counted::unpack(&packed[1..]), None);
            assert_eq!(Counted::unpack(&[&packed[..], &[0]].concat()), None);
        }
    }

    #[test]
    fn a_later_row_keeps_deliveries_and_its_own_failures() {
        let mut ada = device(1, "ada", "t");
        let counted = Counted::of(&ada, &facts(&ada, 2, 3));
        let mut told = ada.clone();
        counted.add_to(&mut told);
        assert_eq!((told.notification_count, told.consecutive_failures), (2, 3));
        // Written by somebody who had not seen the facts.
        ada.revision += 1;
        counted.add_to(&mut ada);
        assert_eq!((ada.notification_count, ada.consecutive_failures), (2, 0));
    }
}
