//! What kind of world a seed makes. Each fault is wholly absent from half of the worlds, so that the others meet
//! in every combination, and some of them often (swarm testing: Groce and others, ISSTA 2012).

use std::time::Duration;

use crate::dice::Dice;

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) apps: usize,
    pub(crate) users: usize,
    pub(crate) addresses: usize,
    pub(crate) sharing: bool,
    pub(crate) delete_dead: bool,
    pub(crate) devices_per_user_max: usize,
    /// How long things go wrong; afterwards all is well.
    pub(crate) span: Duration,
    pub(crate) acts: usize,
    pub(crate) deliveries_max: usize,
    pub(crate) deliveries_per_app_max: usize,
    pub(crate) connections_max: usize,
    pub(crate) streams: u32,
    pub(crate) rate_max: Option<u32>,
    pub(crate) revocations_max: usize,
    pub(crate) flush_count: usize,
    /// Most recipients named as bare addresses in one send.
    pub(crate) fan_out: usize,
    /// Longest a message waits in a mailbox.
    pub(crate) lag_max: u64,
    /// The last app's pools and providers meet no fault: nobody else's may reach them.
    pub(crate) quiet_app: bool,
    pub(crate) store: StoreFaults,
    pub(crate) provider: ProviderFaults,
    pub(crate) weights: Weights,
}

/// Per mille of calls.
#[derive(Clone, Debug)]
pub(crate) struct StoreFaults {
    pub(crate) latency_max: u64,
    pub(crate) fails: u32,
    pub(crate) unknown: u32,
    pub(crate) read_fails: u32,
}

/// Per mille of pushes.
#[derive(Clone, Debug)]
pub(crate) struct ProviderFaults {
    pub(crate) latency_max: u64,
    pub(crate) refused_stream: u32,
    pub(crate) reset: u32,
    pub(crate) no_answer: u32,
    pub(crate) server: u32,
    pub(crate) throttle: u32,
    pub(crate) bad_request: u32,
    pub(crate) dead: u32,
    pub(crate) suspect: u32,
    pub(crate) unsendable: u32,
    pub(crate) dial_fails: u32,
    pub(crate) token_fails: u32,
    pub(crate) token_life: u64,
}

/// How often each kind of thing is done.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    pub(crate) send: u32,
    pub(crate) cancel: u32,
    pub(crate) register: u32,
    pub(crate) change: u32,
    pub(crate) connection: u32,
    pub(crate) provider: u32,
    pub(crate) token: u32,
    pub(crate) disk: u32,
    pub(crate) actor: u32,
    pub(crate) process: u32,
    pub(crate) drain: u32,
    pub(crate) clock: u32,
}

impl Options {
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let apps = 2 + dice.below(2);
        let weights = Weights {
            send: 30,
            cancel: some(dice, &[2, 8]),
            register: 12,
            change: some(dice, &[3, 12]),
            connection: some(dice, &[5, 25]),
            provider: some(dice, &[3, 10]),
            token: some(dice, &[2, 8]),
            disk: some(dice, &[2, 6]),
            actor: some(dice, &[2, 12]),
            process: some(dice, &[1, 6]),
            drain: some(dice, &[1, 3]),
            clock: if dice.chance(120) { 3 } else { 0 },
        };
        Options {
            apps,
            users: 2 + dice.below(5),
            addresses: 2 + dice.below(6),
            sharing: dice.chance(250),
            delete_dead: dice.chance(300),
            devices_per_user_max: 1 + dice.below(4),
            span: Duration::from_secs(dice.pick(&[2, 10, 60, 600])),
            acts: 20 + dice.below(50),
            deliveries_max: dice.pick(&[8, 20, 60, 1_000]),
            deliveries_per_app_max: dice.pick(&[5, 15, 50, 1_000]),
            connections_max: 1 + dice.below(3),
            streams: dice.pick(&[1, 2, 10, 100]),
            rate_max: dice.chance(300).then(|| dice.pick(&[2, 10, 100])),
            revocations_max: dice.pick(&[2, 1_000]),
            flush_count: dice.pick(&[1, 8, 256]),
            fan_out: dice.pick(&[1, 6, 30]),
            lag_max: dice.pick(&[0, 2, 40]),
            quiet_app: dice.chance(400),
            store: StoreFaults::draw(dice),
            provider: ProviderFaults::draw(dice),
            weights,
        }
    }

    pub(crate) fn is_quiet(&self, app: usize) -> bool {
        self.quiet_app && app + 1 == self.apps
    }
}

impl StoreFaults {
    fn draw(dice: &mut Dice) -> Self {
        StoreFaults {
            latency_max: dice.pick(&[1, 10, 500]),
            fails: some(dice, &[10, 150]),
            unknown: some(dice, &[10, 150]),
            read_fails: some(dice, &[10, 150]),
        }
    }
}

impl ProviderFaults {
    fn draw(dice: &mut Dice) -> Self {
        ProviderFaults {
            latency_max: dice.pick(&[5, 100, 3_000]),
            refused_stream: some(dice, &[10, 300]),
            reset: some(dice, &[10, 200]),
            no_answer: some(dice, &[5, 100]),
            server: some(dice, &[10, 300]),
            throttle: some(dice, &[10, 150]),
            bad_request: some(dice, &[10, 50]),
            dead: some(dice, &[20, 150]),
            suspect: some(dice, &[20, 400]),
            unsendable: some(dice, &[20]),
            dial_fails: some(dice, &[50, 400]),
            token_fails: some(dice, &[50, 400]),
            token_life: dice.pick(&[3, 60, 3_000]),
        }
    }
}

/// None of it in half of the worlds.
fn some(dice: &mut Dice, rates: &[u32]) -> u32 {
    match dice.chance(500) {
        true => dice.pick(rates),
        false => 0,
    }
}
