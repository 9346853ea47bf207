//! The whole gateway, simulated: every decision of `fanfare-core` as it is, on one queue of events with one seeded
//! source of chance, in a modelled world of stores, providers, networks, users and crashes. What is real, what is
//! modelled, what is checked and how to replay a seed is in `docs/simulation.md`.

#![allow(
    clippy::print_stdout,
    reason = "a failing seed says how it came to that"
)]

mod accept;
mod acts;
mod books;
mod coverage;
mod dice;
mod dispatcher;
mod event;
mod feeder;
mod gateway;
mod lines;
mod options;
mod outcomes;
mod pools;
mod provider;
mod reaper;
mod rules;
mod sim;
mod store;
mod supervision;
mod users;

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

use coverage::{Coverage, Seen};
use sim::Sim;

/// Seeds of an ordinary test run.
const SEEDS: u64 = 3_000;

/// Lines of a failing seed's trace that are printed.
const LAST_LINES: usize = 40;

/// Seeds that fail before the others are left alone.
const FAILURES_MAX: usize = 10;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}

/// Runs a seed. A failing one says where it failed and why.
fn run(seed: u64, coverage: &mut Coverage) -> Result<(), String> {
    let mut sim = Sim::new(seed, false);
    let ran = catch_unwind(AssertUnwindSafe(|| sim.run()));
    coverage.add(&sim.coverage);
    ran.map_err(|panic| format!("seed {seed}, step {}: {}", sim.steps, message(&*panic)))
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message")
}

/// How a failing seed came to its end, and how to see all of it.
fn tell(seed: u64) {
    let mut sim = Sim::new(seed, true);
    drop(catch_unwind(AssertUnwindSafe(|| sim.run())));
    let lines: Vec<_> = sim.trace_lines().collect();
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    println!("{}\n", last.join("\n"));
    println!("TEST_SIM_SEED={seed} cargo test -p fanfare-core --test simulation -- --nocapture");
}

/// Runs seeds until some have failed, and says which.
fn run_all(seeds: Range<u64>, coverage: &mut Coverage) {
    let (first, begun) = (seeds.start, Instant::now());
    let mut failed = Vec::new();
    for seed in seeds {
        if let Err(why) = run(seed, coverage) {
            if failed.is_empty() {
                tell(seed);
            }
            let seeds = seed - first + 1;
            failed.push(format!(
                "{why} (after {seeds} seeds, {:?})",
                begun.elapsed()
            ));
        }
        if (seed - first) % 50_000 == 49_999 {
            println!("{} seeds in {:?}", seed - first + 1, begun.elapsed());
        }
        if failed.len() == FAILURES_MAX {
            break;
        }
    }
    println!("{:?}", begun.elapsed());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_seed_keeps_every_promise() {
    if let Some(seed) = number("TEST_SIM_SEED") {
        let mut sim = Sim::new(seed, true);
        let ran = catch_unwind(AssertUnwindSafe(|| sim.run()));
        println!("{:#?}", sim.options);
        sim.trace_lines().for_each(|line| println!("{line}"));
        println!("seed {seed}: {} steps", sim.steps);
        return ran.unwrap_or_else(|panic| resume_unwind(panic));
    }
    let seeds = number("TEST_SIM_SEEDS").unwrap_or(SEEDS);
    let first = number("TEST_SIM_FIRST").unwrap_or(0);
    let mut coverage = Coverage::new();
    run_all(first..first + seeds, &mut coverage);
    for seen in Seen::ALL {
        println!("{:>10}  {}", coverage.count(*seen), seen.words());
    }
    if seeds >= SEEDS {
        let missing = coverage.missing();
        assert!(missing.is_empty(), "never occurred: {missing:#?}");
    }
}

#[test]
fn a_seed_rolls_the_same_world_again() {
    for seed in 0..20 {
        let mut worlds = [Sim::new(seed, true), Sim::new(seed, true)];
        worlds.iter_mut().for_each(Sim::run);
        let [one, other] = &worlds;
        assert!(one.trace_lines().eq(other.trace_lines()), "seed {seed}");
    }
}
