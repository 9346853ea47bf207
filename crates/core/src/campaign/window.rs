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

/// How many recipients of one campaign may be in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    pub window: usize,
    /// With those that wait out a throttle of their devices.
    pub most: usize,
}

/// The share of one campaign: apps share the lane evenly, campaigns of an app what it may have. All shares together
/// fit into the budgets, unless there are more campaigns than room; then each has one.
pub fn share(window: usize, room: Room) -> Share {
    let most = part(room);
    Share {
        window: most.min(window.max(1)),
        most,
    }
}

fn part(room: Room) -> usize {
    let shared = |budget: usize| budget / SHARED.1 * SHARED.0 + budget % SHARED.1;
    let app = shared(room.bulk) / room.apps.max(1);
    let app = app.min(shared(room.app));
    match room.bulk.min(room.app) {
        0 => 0,
        _ => (app / room.campaigns.max(1)).max(1),
    }
}

/// Its window at its rate, and beside it those that were set `aside`: whoever waits for minutes for one device's sake
/// keeps no room that others could use, up to all that the campaign may have.
pub fn window(share: Share, rate: Option<u64>, aside: usize) -> usize {
    let ahead = rate.map(|rate| usize::try_from(rate).unwrap_or(usize::MAX));
    let ahead = ahead.map(|rate| rate.saturating_mul(RATE_AHEAD).max(AHEAD_MIN));
    let window = ahead.map_or(share.window, |ahead| share.window.min(ahead));
    window + aside.min(share.most.saturating_sub(window))
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
        let most = |room| share(usize::MAX, room).window;
        assert_eq!(share(8_192, ROOM).window, 8_192);
        let hundred = Room {
            campaigns: 100,
            ..ROOM
        };
        assert_eq!(share(8_192, hundred).window, 750);
        let two_apps = Room { apps: 2, ..ROOM };
        assert_eq!(most(two_apps), 60_000);
    }

    #[test]
    fn whatever_the_room_each_has_one_and_without_any_none() {
        let tight = Room {
            bulk: 80,
            campaigns: 1_000,
            ..ROOM
        };
        let (one, none) = (share(8_192, tight), share(8_192, Room { app: 0, ..ROOM }));
        assert_eq!((one.window, one.most), (1, 1));
        assert_eq!((none.window, none.most), (0, 0));
    }

    #[test]
    fn a_slow_one_reads_no_further_ahead_than_it_sends_soon() {
        let of = |window| Share {
            window,
            most: 75_000,
        };
        assert_eq!(window(of(8_192), None, 0), 8_192);
        assert_eq!(window(of(8_192), Some(500), 0), 2_000);
        assert_eq!(window(of(8_192), Some(1), 0), 1_024);
        assert_eq!(window(of(100), Some(1), 0), 100);
    }

    #[test]
    fn those_set_aside_keep_no_room_until_all_its_part_is_theirs() {
        let share = share(8_192, ROOM);
        assert_eq!(window(share, None, 100), 8_292);
        assert_eq!(window(share, Some(500), 8_192), 10_192);
        assert_eq!(window(share, None, 1_000_000), 75_000);
    }
}
