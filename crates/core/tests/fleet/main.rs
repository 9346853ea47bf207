//! Several nodes on one store, simulated: each is the real [`fanfare_core::fleet::Member`] with a clock of its own, in a
//! modelled world of a store whose answers are late, lost, unknown or come true afterwards, of processes that are frozen,
//! killed and started, and of times without a store. One seeded source of chance decides what happens next. What is
//! checked at every step is in `world.rs`.
//!
//! `TEST_SIM_SEEDS=n` runs more seeds, `TEST_SIM_SEED=n` one of them.

mod dice;
mod process;
mod store;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use world::{Seen, World};

/// Seeds of an ordinary test run.
const SEEDS: u64 = 40;

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
            for line in world.trace.iter().rev().take(80).rev() {
                println!("{line}");
            }
            println!("TEST_SIM_SEED={seed} cargo test -p fanfare-core --test fleet");
            resume_unwind(panic);
        }
    }
    println!("{seen:?}");
    if many {
        seen.nothing_is_missing();
    }
}
