//! kill -9 of the real binary at seeded instants, while it accepts, registers and sends to providers that fail.
//!
//! What must hold is checked against three books that cannot all be wrong in the same way: what callers were told,
//! what the gateway says afterwards, and what the simulators saw.

#![allow(
    clippy::print_stdout,
    reason = "figures for whoever asks with --nocapture"
)]

mod chance;
mod faults;
mod registrars;
mod senders;
mod verdict;

use std::time::{Duration, Instant};

use fanfare_simulator::Provider;

use crate::harness::{Options, World, eventually};
use crate::outside::{Client, Outside, store_is_sound};
use crate::process::Serving;
use crate::store::Kind;
use chance::Chance;
use registrars::Registrars;
use senders::Senders;

/// Rounds of a test run; `TEST_KILL_ROUNDS` makes it more.
const ROUNDS: u32 = 50;

/// On a cluster each waits until what the killed one held is free.
const ROUNDS_ON_A_CLUSTER: u32 = 5;

/// What a machine under load may take. The figures that are printed tell what it took.
const READY_WITHIN: Duration = Duration::from_secs(10);

fn number_of(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is not a number: {text}"))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_at_any_instant_loses_nothing() {
    let default = match Kind::wanted() {
        Kind::Embedded => ROUNDS,
        Kind::Scylla => ROUNDS_ON_A_CLUSTER,
    };
    let rounds = u32::try_from(number_of("TEST_KILL_ROUNDS", default.into())).expect("rounds");
    let seed = number_of("TEST_KILL_SEED", std::process::id().into());
    println!("{rounds} rounds; TEST_KILL_SEED={seed} draws the same instants and faults");
    let mut world = World::with(Options {
        tables: "[link]\nrequest_timeout = \"700ms\"\n",
        simulated: Some(|config| config.limits.book_entries = 5_000_000),
        ..Options::default()
    })
    .await;
    let mut rig = Rig {
        senders: Senders::new(&world).await,
        registrars: Registrars::default(),
        chance: Chance::new(seed),
        kills: Vec::new(),
        ready: Vec::new(),
    };
    assert!(world.drain().await);
    for _ in 0..rounds {
        rig.round(&world).await;
    }
    rig.finish(&world).await;
}

/// A kill: what the simulators had seen by then, and whether connections were cut before it.
#[derive(Clone, Copy)]
pub(crate) struct Kill {
    /// Entries in the simulators' books; whatever has a later place came after the kill.
    pub(crate) seen: u64,
    /// A rule of the round closed connections, so answers of others on them may be lost as well.
    pub(crate) closes: bool,
}

struct Rig {
    senders: Senders,
    registrars: Registrars,
    chance: Chance,
    kills: Vec<Kill>,
    ready: Vec<Duration>,
}

impl Rig {
    /// Starts, works, kills, and looks at what is left on disk.
    async fn round(&mut self, world: &World) {
        let (rules, closes) = faults::draw(&mut self.chance);
        world.rules(&rules);
        let mut alive = if self.chance.one_in(5) {
            // In the middle of its start.
            let after = Duration::from_millis(self.chance.below(200));
            start_and_wait(world, after).await
        } else {
            let outside = Outside::start(world, &[]).await;
            self.ready.push(outside.ready().await);
            self.registrars.read_back(&outside.client).await;
            let until = Instant::now() + Duration::from_millis(self.chance.below(500));
            self.work(&outside.client, until).await;
            outside.serving
        };
        alive.signal("KILL").await;
        alive.ended().await;
        self.senders.killed();
        let seen = all_is_quiet(world).await;
        self.kills.push(Kill { seen, closes });
        store_is_sound(world).await;
    }

    /// Everybody asks without pause until the instant of the kill; who waits for an answer then gets none.
    async fn work(&mut self, client: &Client, until: Instant) {
        let work = async {
            tokio::join!(
                self.senders.work(client, &mut self.chance),
                self.registrars.work(client)
            )
        };
        let stopped = tokio::time::timeout_at(until.into(), work).await;
        assert!(stopped.is_err(), "they never stop by themselves");
    }

    /// Without faults and kills everything comes to its end, and all books agree.
    async fn finish(mut self, world: &World) {
        world.rules(&serde_json::json!([]));
        let mut outside = Outside::start(world, &[]).await;
        self.ready.push(outside.ready().await);
        self.registrars.read_back(&outside.client).await;
        let sent = self.senders.finish(&outside.client).await;
        let account = verdict::compare(world, &sent, &self.kills);
        self.ready.sort_unstable();
        let (median, longest) = (
            self.ready[self.ready.len() / 2],
            self.ready[self.ready.len() - 1],
        );
        println!(
            "{} kills, {} while starting; ready again after {median:?} (median), {longest:?} (longest)",
            self.kills.len(),
            self.kills.len() + 1 - self.ready.len(),
        );
        println!("{account}; {}", self.registrars);
        assert!(longest <= READY_WITHIN, "ready only after {longest:?}");
        outside.serving.signal("TERM").await;
        assert!(outside.serving.ended().await.success());
        store_is_sound(world).await;
    }
}

async fn start_and_wait(world: &World, after: Duration) -> Serving {
    let config = world.sandbox.config.to_str().expect("UTF-8");
    let serving = Serving::spawn(world.directory.path(), &["serve", "--config", config], &[]);
    // The instant is the test's input; nothing is waited for.
    tokio::time::sleep(after).await;
    serving
}

/// The simulators have booked all that the killed process sent: its connections are gone.
async fn all_is_quiet(world: &World) -> u64 {
    eventually(|| async {
        let totals = world.simulator.books().totals();
        let open =
            [Provider::Apns, Provider::Fcm].map(|provider| totals.of(provider).connections.open);
        (open == [0, 0]).then_some(totals.logged)
    })
    .await
}
