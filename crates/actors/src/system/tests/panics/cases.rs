//! What panics, when, and in which scene.

use super::super::super::root;
use crate::campaigns::{run as campaign, supervisor as campaigns};
use crate::failpoint::Named;
use crate::failpoint::plan::{self, Point};
use crate::fleet::actor as fleet;
use crate::pools::supervisor;
use crate::{
    connection, dispatcher, feeder, outcomes, pool, reaper, registry, sweeper, user, users,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Registrations and notifications go on meanwhile, and the tree heals.
    Traffic,
    /// The same, and the credentials and limits are others again and again.
    Reloading,
    /// Devices grow old and are swept.
    Sweeping,
    /// While the tree drains; the next one goes on.
    Draining,
    /// The tree says that it gives up, and the next one goes on.
    Fatal,
}

pub(super) struct Case {
    pub(super) point: Point,
    /// At which passes it panics.
    pub(super) at: &'static [usize],
    /// What panics besides, so that the point is passed at all.
    pub(super) after: &'static [(Point, &'static [usize])],
    pub(super) kind: Kind,
}

impl Case {
    pub(super) fn arm(&self) {
        let mut points = vec![(self.point, self.at)];
        points.extend(self.after);
        plan::arm(&points);
    }

    /// Whether it has panicked as often as it was to.
    pub(super) fn is_over(&self) -> bool {
        plan::panicked(self.point) == self.at.len()
    }
}

/// Every message of every actor.
pub(super) fn messages() -> Vec<Point> {
    fn of<M: Named>() -> impl Iterator<Item = Point> {
        M::POINTS.iter().map(|point| (M::ACTOR, *point))
    }
    let all = of::<root::Msg>()
        .chain(of::<registry::Msg>())
        .chain(of::<users::Msg>())
        .chain(of::<user::Call>())
        .chain(of::<dispatcher::Msg>())
        .chain(of::<supervisor::Msg>())
        .chain(of::<pool::Msg>())
        .chain(of::<connection::Msg>())
        .chain(of::<outcomes::Msg>())
        .chain(of::<reaper::Msg>())
        .chain(of::<feeder::Msg>())
        .chain(of::<sweeper::Msg>())
        .chain(of::<fleet::Msg>())
        .chain(of::<campaigns::Msg>())
        .chain(of::<campaign::Msg>());
    all.collect()
}

/// Starts, events of supervision, and tasks.
const OTHERS: &[Point] = &[
    ("root", "pre_start"),
    ("root", "supervision"),
    ("registry", "pre_start"),
    ("registry", "supervision"),
    ("users", "pre_start"),
    ("users", "supervision"),
    ("user", "pre_start"),
    ("user", "post_start"),
    ("dispatcher", "pre_start"),
    ("dispatcher", "route"),
    ("pools", "pre_start"),
    ("pools", "supervision"),
    ("pool", "pre_start"),
    ("pool", "supervision"),
    ("pool", "start"),
    ("pool", "renew"),
    ("connection", "pre_start"),
    ("connection", "dial"),
    ("connection", "drive"),
    ("outcomes", "pre_start"),
    ("outcomes", "write"),
    ("outcomes", "recorded"),
    ("reaper", "pre_start"),
    ("reaper", "burial"),
    ("feeder", "pre_start"),
    ("feeder", "walk"),
    ("sweeper", "pre_start"),
    ("sweeper", "registry"),
    ("sweeper", "journal"),
    ("fleet", "pre_start"),
    ("fleet", "call"),
    ("fleet", "hear"),
    ("fleet", "tell"),
    ("campaigns", "pre_start"),
    ("campaigns", "supervision"),
    ("campaigns", "walk"),
    ("campaigns", "look"),
    ("campaigns", "start"),
    ("campaigns", "pause"),
    ("campaign", "pre_start"),
    ("campaign", "find"),
    ("campaign", "load"),
    ("campaign", "chunks"),
    ("campaign", "page"),
    ("campaign", "open"),
    ("campaign", "finish"),
    ("campaign", "end"),
];

pub(super) fn all() -> Vec<Case> {
    let points = messages().into_iter().chain(OTHERS.iter().copied());
    points.map(case).collect()
}

/// First, second and later.
const OFTEN: &[usize] = &[1, 2, 5];
const TWICE: &[usize] = &[1, 2];
const ONCE: &[usize] = &[1];
/// Until a few campaigns are given up.
const FOR_LONG: &[usize] = &{
    let mut at = [0; 60];
    let mut n = 0;
    while n < at.len() {
        at[n] = n + 1;
        n += 1;
    }
    at
};

fn case(point: Point) -> Case {
    let case = |at, after, kind| Case {
        point,
        at,
        after,
        kind,
    };
    let twice = |after| case(TWICE, after, Kind::Traffic);
    match point {
        ("root", "Draining") | ("fleet", "Leave") | (_, "Drain") => case(ONCE, &[], Kind::Draining),
        ("root", "pre_start") => case(ONCE, &[], Kind::Fatal),
        ("root", _) => case(ONCE, &[(("dispatcher", "Deliveries"), ONCE)], Kind::Fatal),
        ("registry", "pre_start") => twice(&[(("registry", "Passivate"), ONCE)]),
        ("registry", "Start" | "supervision") | ("users", "pre_start") => {
            twice(&[(("users", "Start"), &[1, 2, 3, 4])])
        }
        ("dispatcher", "pre_start") => twice(&[(("dispatcher", "Deliveries"), ONCE)]),
        ("pools", "Reload") | ("pool", "Limits" | "Retire" | "Moved") | ("reaper", "Served") => {
            case(TWICE, &[], Kind::Reloading)
        }
        ("pools", "pre_start") => {
            twice(&[(("pool", "Work"), ONCE), (("pools", "supervision"), ONCE)])
        }
        ("pools", _) | ("pool", "pre_start") => twice(&[(("pool", "Work"), &[1, 2, 3, 4])]),
        // Now and then only: at the start of a pool and of a connection.
        ("pool", "Token" | "renew") | ("connection", "pre_start" | "dial" | "Dialled") => {
            twice(&[])
        }
        ("outcomes", "pre_start") => twice(&[(("outcomes", "Ended"), ONCE)]),
        ("reaper", "pre_start") => twice(&[(("reaper", "Answers"), ONCE)]),
        ("fleet", "pre_start") => twice(&[(("fleet", "Wake"), ONCE)]),
        ("feeder", "pre_start") => twice(&[(("feeder", "Wanted"), ONCE)]),
        ("sweeper", "pre_start" | "registry" | "journal") => twice(&[(("sweeper", "Prune"), ONCE)]),
        ("sweeper", "WalkEnded") => {
            let after = &[
                (("sweeper", "Prune"), ONCE),
                (("sweeper", "registry"), TWICE),
            ];
            case(ONCE, after, Kind::Traffic)
        }

        ("campaigns", "pre_start") => twice(&[(("campaigns", "Changed"), ONCE)]),
        // What fails is looked at again a second later.
        ("campaigns", "Failed" | "start") | ("campaign", "pre_start") => twice(&[]),
        ("campaigns", "pause") => case(ONCE, &[(("campaign", "Found"), FOR_LONG)], Kind::Traffic),
        ("user", "MarkStale" | "Purge") => case(OFTEN, &[], Kind::Sweeping),
        _ => case(OFTEN, &[], Kind::Traffic),
    }
}
