//! How many recipients of a campaign may be in memory: its share of the room that bulk has.

/// Part of the bulk budgets that campaigns share: bulk notifications find room beside them.
const SHARED: (usize, usize) = (3, 4);

/// Seconds of a campaign's rate that are read ahead.
const RATE_AHEAD: usize = 4;

/// Read ahead however slow: some of it may be waiting to be tried again.
const AHEAD_MIN: usize = 1_024;

/// What campaigns share, and how many share it.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// The bulk lane's budget, for all apps.
    pub bulk: usize,
    /// What one app may have of it.
    pub app: usize,
    /// Apps with running campaigns.
    pub apps: usize,
    /// Running campaigns of this app.
    pub campaigns: usize,
}

/// The share of one campaign: apps share the lane evenly, campaigns of an app what it may have. All shares together
/// fit into the budgets, unless there are more campaigns than room; then each has one.
pub fn share(window: usize, room: Room) -> usize {
    let shared = |budget: usize| budget / SHARED.1 * SHARED.0 + budget % SHARED.1;
    let app = shared(room.bulk) / room.apps.max(1);
    let app = app.min(shared(room.app));
    match room.bulk.min(room.app) {
        0 => 0,
        _ => (app / room.campaigns.max(1)).clamp(1, window.max(1)),
    }
}

/// Its window at its rate.
pub fn window(share: usize, rate: Option<u32>) -> usize {
    let ahead = rate.map(|rate| usize::try_from(rate).unwrap_or(usize::MAX));
    let ahead = ahead.map(|rate| rate.saturating_mul(RATE_AHEAD).max(AHEAD_MIN));
    ahead.map_or(share, |ahead| share.min(ahead))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room {
        bulk: 160_000,
        app: 100_000,
        apps: 1,
        campaigns: 1,
    };

    #[test]
    fn one_has_its_window_and_a_hundred_share() {
        assert_eq!(share(8_192, ROOM), 8_192);
        let hundred = Room {
            campaigns: 100,
            ..ROOM
        };
        assert_eq!(share(8_192, hundred), 750);
        let two_apps = Room { apps: 2, ..ROOM };
        assert_eq!(share(100_000, two_apps), 60_000);
    }

    #[test]
    fn whatever_the_room_each_has_one_and_without_any_none() {
        let tight = Room {
            bulk: 80,
            campaigns: 1_000,
            ..ROOM
        };
        assert_eq!(share(8_192, tight), 1);
        assert_eq!(share(8_192, Room { app: 0, ..ROOM }), 0);
    }

    #[test]
    fn a_slow_one_reads_no_further_ahead_than_it_sends_soon() {
        assert_eq!(window(8_192, None), 8_192);
        assert_eq!(window(8_192, Some(500)), 2_000);
        assert_eq!(window(8_192, Some(1)), 1_024);
        assert_eq!(window(100, Some(1)), 100);
    }
}
