//! A campaign, simulated: the machine of its runs, its states and its ledger as they are, in a modelled world of a
//! store, pools, outcomes and whoever steers, with crashes of each part at every step. One seeded source of chance
//! decides what happens next. What is checked is in `world.rs`.
//!
//! `TEST_SIM_SEEDS=n` runs more seeds, `TEST_SIM_SEED=n` one of them.

mod actor;
mod dice;
mod faults;
mod sending;
mod store;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use world::{Seen, World};

/// Seeds of an ordinary test run.
const SEEDS: u64 = 4_000;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn every_seed_keeps_every_promise() {
    let one = number("TEST_SIM_SEED");
    let seeds = match one {
        Some(seed) => seed..seed + 1,
        None => 0..number("TEST_SIM_SEEDS").unwrap_or(SEEDS),
    };
    let many = seeds.end - seeds.start >= SEEDS;
    let mut seen = Seen::default();
    for seed in seeds {
        let mut world = World::new(seed);
        let ran = catch_unwind(AssertUnwindSafe(|| world.run()));
        seen.add(&world.seen);
        if let Err(panic) = ran {
            for line in world.trace.iter().rev().take(60).rev() {
                println!("{line}");
            }
            println!("TEST_SIM_SEED={seed} cargo test -p fanfare-core --test campaigns");
            resume_unwind(panic);
        }
    }
    println!("{seen:?}");
    if many {
        seen.nothing_is_missing();
    }
}
