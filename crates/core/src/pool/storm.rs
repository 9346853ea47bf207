//! A provider that answers 5xx to everything for ten minutes, in virtual time: nobody storms back.

use std::collections::BTreeMap;
use std::time::Duration;

use fanfare_types::{Channel, Lane, Outcome, Timestamp, Verdict};

use super::Effect;
use super::fixtures::{Rig, START};

const PUSHES: u32 = 600;
const TICK: Duration = Duration::from_millis(100);
const STORM: Duration = Duration::from_secs(600);

/// When each push was attempted, and what became of all.
struct Course {
    attempts: BTreeMap<u32, Vec<Timestamp>>,
    outcomes: Vec<Outcome>,
}

impl Course {
    /// Attempts in each second since the start.
    fn by_second(&self) -> BTreeMap<u64, usize> {
        let mut seconds = BTreeMap::new();
        for at in self.attempts.values().flatten() {
            *seconds.entry(at.since(START).as_secs()).or_default() += 1;
        }
        seconds
    }
}

/// Runs until all have ended: 5xx for [`STORM`], then all is well again.
fn weathered(channel: Channel) -> Course {
    let mut rig = Rig::open(channel, |_| {});
    let mut course = Course {
        attempts: BTreeMap::new(),
        outcomes: Vec::new(),
    };
    rig.work(PUSHES, Lane::Bulk);
    while course.outcomes.len() < PUSHES as usize {
        assert!(rig.now < START + 3 * STORM, "{}", course.outcomes.len());
        let (mut opened, mut routed) = (Vec::new(), Vec::new());
        rig.effects.retain_mut(|effect| match effect {
            Effect::Open(id) => {
                opened.push(*id);
                false
            }
            Effect::Reroute(batch) => {
                routed.append(batch);
                false
            }
            Effect::WakeAt(_) => false,
            _ => true,
        });
        for connection in opened {
            rig.up(connection, 100);
        }
        for delivery in &mut routed {
            delivery.routed_at = rig.now;
        }
        if !routed.is_empty() {
            rig.event(|pool, world| pool.on_work(routed, world));
        }
        for handed in rig.handed() {
            let ordinal = handed.job.delivery.ordinal;
            course.attempts.entry(ordinal).or_default().push(rig.now);
            let verdict = match rig.now < START + STORM {
                true => Verdict::Server { after: None },
                false => Verdict::Accepted,
            };
            rig.answer(handed, verdict);
        }
        course
            .outcomes
            .extend(rig.ended().into_iter().map(|(outcome, _)| outcome));
        rig.after(TICK);
    }
    course
}

#[test]
fn ten_minutes_of_5xx_cost_each_push_a_few_attempts_and_end_well() {
    for (channel, few) in [(Channel::IosPush, 7..=8), (Channel::Fcm, 7..=9)] {
        let course = weathered(channel);
        assert!(
            course
                .outcomes
                .iter()
                .all(|outcome| *outcome == Outcome::Delivered)
        );
        for (ordinal, attempts) in &course.attempts {
            let count = attempts.len();
            assert!(
                few.contains(&count),
                "{channel}: push {ordinal} made {count} attempts"
            );
            let waits = attempts.windows(2).map(|pair| pair[1].since(pair[0]));
            let first = Duration::from_secs(if channel == Channel::Fcm { 10 } else { 15 });
            for (doublings, wait) in (0..).zip(waits) {
                let longest = (first * 2u32.pow(doublings)).min(Duration::from_secs(900));
                // Handed over at the next tick.
                assert!(
                    wait >= longest / 2 && wait <= longest + 2 * TICK,
                    "{wait:?} of {longest:?}"
                );
            }
        }
    }
}

#[test]
fn nobody_comes_back_with_all_the_others() {
    let course = weathered(Channel::IosPush);
    let seconds = course.by_second();
    // All at once only when they came; spread over half of the first wait by the first retry, and wider by each.
    let most = |from: u64, to: u64| seconds.range(from..to).map(|(_, count)| *count).max();
    assert!(most(7, 16) <= Some(130), "{seconds:?}");
    assert!(most(23, 46) <= Some(80), "{seconds:?}");
    assert!(
        most(600, 1_800) <= Some(30),
        "no herd when it is over: {seconds:?}"
    );
}
