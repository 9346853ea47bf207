//! Rates, whatever the wakes: kept within 2 % over any 5 s, over several pools, also while they change.

use std::sync::Arc;
use std::time::Duration;

use fanfare_types::{Budget, Run, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::pool::fixtures::{START, chunk, delivery_of, run};

const WIDE: Room = Room {
    all: 1_000_000,
    bulk: 1_000_000,
};

/// In which a rate is kept.
const WINDOW: Duration = Duration::from_secs(5);

/// How much of each flow waits, whatever leaves.
const BACKLOG: u32 = 4_000;

/// A campaign that goes through some pools, and what left of it.
struct Paced {
    run: Arc<Run>,
    /// By millisecond since the start.
    left: Vec<u64>,
    allowed: Vec<u64>,
}

fn campaign(rate: u32, pools: &mut [Lanes]) -> Paced {
    let run = run(Some(rate));
    let live = chunk(&run, START);
    let budget = Budget::new(BACKLOG as usize * pools.len());
    for lanes in pools {
        for ordinal in 0..BACKLOG {
            lanes.push(Job::new(delivery_of(live.clone(), ordinal, &budget)));
        }
    }
    Paced {
        run,
        left: Vec::new(),
        allowed: Vec::new(),
    }
}

/// Takes what may leave now; what is taken waits again.
fn take(lanes: &mut Lanes, campaigns: &mut [Paced], now: Timestamp) {
    if !lanes.look(now) {
        return;
    }
    let mut taken = Vec::new();
    while let Some(job) = lanes.take(WIDE, now) {
        let run = job.delivery.live.run.as_ref().expect("a campaign");
        let of = |paced: &&mut Paced| Arc::ptr_eq(&paced.run, run);
        let paced = campaigns.iter_mut().find(of).expect("a campaign of this");
        *paced.left.last_mut().expect("this millisecond") += 1;
        taken.push(job);
    }
    taken.into_iter().for_each(|job| lanes.push(job));
}

fn is_kept(paced: &Paced) -> Result<(), TestCaseError> {
    let window = usize::try_from(WINDOW.as_millis()).expect("small");
    for from in (0..paced.left.len() - window).step_by(50) {
        let sum = |of: &[u64]| of[from..from + window].iter().sum::<u64>();
        // In thousandths of a push.
        let (left, allowed) = (sum(&paced.left) * 1_000, sum(&paced.allowed));
        // 2 % of the window at the highest rate in it, and a push: what is owed when a rate is lowered is not made up
        // for.
        let highest = paced.allowed[from..from + window].iter().max();
        let slack = highest.copied().unwrap_or(0) * 100 + 1_000;
        prop_assert!(
            left.abs_diff(allowed) <= slack,
            "{left} of {allowed} from {from} ms on"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Pools wake when they asked to, up to 10 ms late, and whenever an answer comes.
    #[test]
    fn a_rate_is_kept_in_any_five_seconds(
        rates in prop::collection::vec(prop::sample::select(vec![1_u32, 7, 10, 333, 5_000, 20_000]), 1..4),
        changes in prop::collection::vec((1_u64..9_000, 0_usize..3, prop::sample::select(vec![3_u32, 50, 2_000, 50_000])), 0..5),
        pools in 1_usize..4,
        lateness in prop::collection::vec(0_u64..10, 16),
        answers in prop::collection::vec(1_u64..400, 16),
    ) {
        let mut pools: Vec<_> = (0..pools).map(|_| Lanes::new(8)).collect();
        let mut campaigns: Vec<_> = rates.iter().map(|rate| campaign(*rate, &mut pools)).collect();
        let mut wakes = vec![START; pools.len()];
        let (mut late, mut answer) = (lateness.iter().cycle(), answers.iter().cycle());
        let mut answered_at = START;
        for ms in 0..10_000 {
            let now = Timestamp(START.0 + ms);
            for (_, which, rate) in changes.iter().filter(|(at, ..)| *at == ms) {
                let which = which % campaigns.len();
                campaigns[which].run.pace.set_rate(Some(*rate), now);
            }
            for paced in &mut campaigns {
                paced.left.push(0);
                paced.allowed.push(u64::from(paced.run.pace.rate().unwrap_or(0)));
            }
            let is_answer = now >= answered_at;
            if is_answer {
                answered_at = Timestamp(now.0 + answer.next().unwrap_or(&1));
            }
            for (lanes, wake) in pools.iter_mut().zip(&mut wakes) {
                if !is_answer && now < *wake {
                    continue;
                }
                take(lanes, &mut campaigns, now);
                let at = lanes.wake_at().unwrap_or(now).max(now + Duration::from_millis(5));
                *wake = Timestamp(at.0 + late.next().unwrap_or(&0));
            }
        }
        for paced in &campaigns {
            is_kept(paced)?;
        }
    }

    /// Whatever is pushed, taken, put back and swept: nothing is lost, doubled or out of its order.
    #[test]
    fn what_is_pushed_is_taken_once_and_in_order(
        steps in prop::collection::vec((0_u8..8, 0_usize..5, 1_u32..30), 1..120),
    ) {
        let mut lanes = Lanes::new(3);
        let runs = [Some(5), Some(300), None, None, None].map(run);
        let lives = runs.each_ref().map(|run| chunk(run, START));
        let budget = Budget::new(100_000);
        let (mut now, mut pushed, mut taken, mut swept) = (START, [0_u32; 5], [0_u32; 5], 0_u32);
        for (what, which, count) in steps {
            match what {
                0..=2 if !lives[which].is_withdrawn() => for _ in 0..count {
                    let ordinal = pushed[which];
                    pushed[which] += 1;
                    lanes.push(Job::new(delivery_of(lives[which].clone(), ordinal, &budget)));
                },
                3..=5 => for _ in 0..count {
                    now = now + Duration::from_millis(u64::from(count));
                    lanes.look(now);
                    let Some(mut job) = lanes.take(WIDE, now) else { break };
                    if what == 5 {
                        let (of, ordinal) = (job.delivery.live.clone(), job.delivery.ordinal);
                        lanes.put_back(job);
                        job = lanes.take(WIDE, now).expect("it was put back");
                        prop_assert!(Arc::ptr_eq(&of, &job.delivery.live) && ordinal == job.delivery.ordinal);
                    }
                    let of = lives.iter().position(|live| Arc::ptr_eq(live, &job.delivery.live));
                    let of = of.expect("a chunk of this");
                    prop_assert_eq!(job.delivery.ordinal, taken[of], "in its order");
                    taken[of] += 1;
                },
                6 if count == 1 => {
                    runs[which].withdraw();
                    let over = lanes.sweep(now, true, |job| job.delivery.live.is_withdrawn());
                    swept += u32::try_from(over.len()).expect("few");
                }
                _ => now = now + Duration::from_millis(u64::from(count)),
            }
            let there = pushed.iter().sum::<u32>() - taken.iter().sum::<u32>() - swept;
            prop_assert_eq!(lanes.len(), there as usize);
        }
        let rest = lanes.take_all().count();
        prop_assert_eq!(rest + (taken.iter().sum::<u32>() + swept) as usize, pushed.iter().sum::<u32>() as usize);
        prop_assert!(lanes.is_empty());
    }
}
