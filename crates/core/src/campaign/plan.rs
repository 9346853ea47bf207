//! What a campaign's standing asks of whoever runs campaigns.

use fanfare_types::{CampaignState, Timestamp};

/// A campaign as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    pub state: CampaignState,
    pub start_at: Option<Timestamp>,
    /// Something that was opened has no outcome.
    pub has_open: bool,
    /// Its app is configured.
    pub is_served: bool,
    /// It has a run, or had one that may not be gone.
    pub has_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    Nothing,
    /// There is to be a run.
    Run,
    /// There is to be none: withdraw it.
    Withdraw,
    /// There is to be a run that ends what waits.
    Cancel,
    /// Its time has come.
    Start,
    /// Look again at this instant.
    LookAt(Timestamp),
}

/// What is to be done about it.
pub fn plan(sight: Sight, now: Timestamp) -> Plan {
    use CampaignState::{Cancelled, Completed, Draft, Failed, Paused, Running, Scheduled};
    match sight.state {
        Running if sight.is_served => Plan::Run,
        // What was opened ends though nobody serves the app.
        Cancelled if sight.has_open || sight.has_run => Plan::Cancel,
        Scheduled if sight.is_served => match sight.start_at {
            Some(at) if at > now => Plan::LookAt(at),
            Some(_) => Plan::Start,
            None => Plan::Nothing,
        },
        Running | Paused | Draft | Completed | Failed | Scheduled if sight.has_run => {
            Plan::Withdraw
        }
        _ => Plan::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CampaignState::*;

    const SIGHT: Sight = Sight {
        state: Running,
        start_at: Some(Timestamp(100)),
        has_open: true,
        is_served: true,
        has_run: false,
    };

    #[test]
    fn every_standing_has_its_plan() {
        let now = Timestamp(100);
        let plan = |state, has_run| {
            let sight = Sight {
                state,
                has_run,
                ..SIGHT
            };
            super::plan(sight, now)
        };
        for (state, without, with) in [
            (Draft, Plan::Nothing, Plan::Withdraw),
            (Scheduled, Plan::Start, Plan::Start),
            (Running, Plan::Run, Plan::Run),
            (Paused, Plan::Nothing, Plan::Withdraw),
            (Completed, Plan::Nothing, Plan::Withdraw),
            (Cancelled, Plan::Cancel, Plan::Cancel),
            (Failed, Plan::Nothing, Plan::Withdraw),
        ] {
            assert_eq!(plan(state, false), without, "{state}");
            assert_eq!(plan(state, true), with, "{state}");
        }
    }

    #[test]
    fn one_that_is_not_served_waits_and_a_cancelled_one_ends() {
        let not_served = Sight {
            is_served: false,
            has_run: true,
            ..SIGHT
        };
        assert_eq!(plan(not_served, Timestamp(1)), Plan::Withdraw);
        let of = |state, has_open| Sight {
            state,
            has_open,
            has_run: false,
            ..not_served
        };
        assert_eq!(plan(of(Scheduled, false), Timestamp(500)), Plan::Nothing);
        assert_eq!(plan(of(Cancelled, true), Timestamp(1)), Plan::Cancel);
        assert_eq!(plan(of(Cancelled, false), Timestamp(1)), Plan::Nothing);
    }

    #[test]
    fn a_scheduled_one_is_looked_at_when_it_is_due() {
        let scheduled = Sight {
            state: Scheduled,
            ..SIGHT
        };
        assert_eq!(plan(scheduled, Timestamp(99)), Plan::LookAt(Timestamp(100)));
    }
}
