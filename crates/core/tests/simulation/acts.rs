//! What the world does: callers and users ask, providers and networks misbehave, disks and clocks, actors and the
//! process fail. In the end all is well again.

use std::time::Duration;

use fanfare_core::registration::{Patch, Register};
use fanfare_types::device::Meta;
use fanfare_types::{
    Address, AddressKind, Channel, DeviceId, Environment, Lane, OnUnknown, Options, Priority,
    Status, UserId,
};

use crate::accept::{Accepting, To};
use crate::coverage::Seen;
use crate::event::{Actor, Event};
use crate::gateway::WAYS;
use crate::lines::LineEvent;
use crate::provider::Condition;
use crate::sim::{Disk, Sim};
use crate::users::{Command, Op};

/// How long a push may be of use, in seconds.
const TTLS: [u64; 5] = [2, 20, 120, 600, 3_600];
/// How long a provider is in trouble, in milliseconds.
const TROUBLES: [u64; 4] = [500, 5_000, 40_000, 300_000];
/// By how much a clock is set, in milliseconds.
const JUMPS: [i64; 6] = [-3_600_000, -2_000, -50, 50, 2_000, 3_600_000];

impl Sim {
    pub(crate) fn plan_acts(&mut self) {
        let span = self.options.span;
        let millis = u64::try_from(span.as_millis()).expect("64 bits");
        for _ in 0..self.options.acts {
            self.later_within(0, millis, Event::Act);
        }
        self.later(span, Event::Heal);
    }

    pub(crate) fn act(&mut self) {
        if !self.g.up {
            return;
        }
        let w = &self.options.weights;
        let weights = [
            w.send,
            w.cancel,
            w.register,
            w.change,
            w.connection,
            w.provider,
            w.token,
            w.disk,
            w.actor,
            w.process,
            w.drain,
            w.clock,
        ];
        match self.dice.weighted(&weights) {
            0 => self.ask_to_send(),
            1 => self.ask_to_cancel(),
            2 => self.ask_to_register(),
            3 => self.ask_to_change(),
            4 => self.disturb_connection(),
            5 => self.disturb_provider(),
            6 => self.disturb_tokens(),
            7 => self.disturb_disk(),
            8 => self.kill_some_actor(),
            9 => self.crash_soon(),
            10 => self.begin_drain(),
            _ => self.set_clock(),
        }
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&mut self) {
        self.healed_at = Some(self.at);
        self.disk = Disk::default();
        self.g.hammered = None;
        for condition in &mut self.provider.conditions {
            *condition = Condition::default();
        }
        let up = self.g.lines.iter().filter(|(_, line)| line.is_up());
        let lines: Vec<_> = up.map(|(line, _)| *line).collect();
        for line in lines {
            let streams = self.streams_of(self.g.lines[&line].pool);
            self.on_line(line, LineEvent::Streams(streams));
        }
    }

    fn ask_to_send(&mut self) {
        let app = self.dice.below(self.options.apps);
        let to = self.recipients(app);
        let now = self.now();
        let soon = self.options.span.as_millis() as u64 / 2;
        let send_at = self
            .dice
            .chance(200)
            .then(|| now + self.dice.millis(0, soon));
        let ttl = Duration::from_secs(self.dice.pick(&TTLS));
        let options = Options {
            priority: Priority::High,
            collapse_key: None,
            lane: self.dice.pick(&[Lane::Urgent, Lane::Bulk]),
            on_unknown: match self.dice.chance(300) {
                true => OnUnknown::Drop,
                false => OnUnknown::Retry,
            },
            expires_at: send_at.unwrap_or(now) + ttl,
            send_at,
        };
        self.accept(Accepting::new(app, to, options));
    }

    fn recipients(&mut self, app: usize) -> To {
        match self.dice.below(4) {
            0 | 1 => {
                let count = 1 + self.dice.below(3);
                let first = self.dice.below(self.users.len());
                let users = self.users.iter().cycle().skip(first);
                let mut users: Vec<UserId> = users.take(count).cloned().collect();
                users.sort_unstable();
                users.dedup();
                To::Users(users)
            }
            2 => {
                let mut devices: Vec<DeviceId> = self.devices_of_app(app);
                let keep = 1 + self.dice.below(4);
                devices.truncate(keep);
                To::Devices(devices)
            }
            _ => {
                let count = 1 + self.dice.below(self.options.fan_out);
                let mut addresses = Vec::new();
                for _ in 0..count {
                    self.timers += 1;
                    let value = format!("bare{}", self.timers);
                    addresses.push(address(self.dice.below(2), &value));
                }
                To::Addresses(addresses)
            }
        }
    }

    fn devices_of_app(&self, app: usize) -> Vec<DeviceId> {
        let of_app = self.store.devices().filter(|row| row.app == self.apps[app]);
        of_app.map(|row| row.id).collect()
    }

    fn ask_to_cancel(&mut self) {
        let count = self.books.accepted.len();
        let place = self.dice.below(count);
        if let Some(id) = self.books.accepted.iter().nth(place).copied() {
            let app = self.app(&self.store.journal[&id].record.app);
            self.cancel(app, id);
        }
    }

    fn some_address(&mut self) -> Address {
        let number = self.dice.below(self.options.addresses);
        address(number % 2, &format!("device{number}"))
    }

    fn ask_to_register(&mut self) {
        let app = self.dice.below(self.options.apps);
        let user = self.dice.below(self.users.len());
        let register = Register {
            device_key: match self.dice.below(3) {
                0 => None,
                n => Some(format!("key{n}")),
            },
            address: self.some_address(),
            platform: None,
            tenant: None,
            meta: Meta::default(),
            tags: None,
        };
        // A device that is registered again is alive.
        self.provider
            .dead
            .remove(&(app, register.address.expose().to_owned()));
        self.call_user(Op::new(app, user, Command::Register(register)));
    }

    fn ask_to_change(&mut self) {
        let count = self.store.devices().count();
        let place = self.dice.below(count);
        let Some(row) = self.store.devices().nth(place) else {
            return;
        };
        let (app, user, id) = (self.app(&row.app), self.user(&row.user), row.id);
        let command = match self.dice.below(4) {
            0 => Command::Remove(id),
            1 => Command::Patch(
                id,
                Patch {
                    address: Some(self.some_address()),
                    ..Patch::default()
                },
            ),
            _ => Command::Patch(
                id,
                Patch {
                    status: Some(self.dice.pick(&[Status::Active, Status::Inactive])),
                    ..Patch::default()
                },
            ),
        };
        self.call_user(Op::new(app, user, command));
    }

    fn disturb_connection(&mut self) {
        let up = self
            .g
            .lines
            .iter()
            .filter(|(_, line)| line.is_up() && !self.options.is_quiet(line.pool / WAYS));
        let lines: Vec<_> = up.map(|(line, _)| *line).collect();
        if lines.is_empty() {
            return;
        }
        let line = self.dice.pick(&lines);
        let most = self.options.streams as usize;
        let event = match self.dice.below(8) {
            0 | 1 => LineEvent::GoesAway(self.dice.chance(200)),
            2 | 3 => LineEvent::Dies,
            4 => LineEvent::GoesSilent,
            5 => LineEvent::Streams(0),
            6 => LineEvent::Streams(1),
            _ => LineEvent::Streams(most),
        };
        self.on_line(line, event);
    }

    fn some_pool(&mut self) -> Option<usize> {
        let pool = self.dice.below(self.g.pools.len());
        (!self.options.is_quiet(pool / WAYS)).then_some(pool)
    }

    fn disturb_provider(&mut self) {
        let Some(pool) = self.some_pool() else {
            return;
        };
        let until = self.at + self.dice.pick(&TROUBLES);
        let kind = self.dice.below(4);
        let condition = &mut self.provider.conditions[pool];
        match kind {
            0 => condition.storm_until = until,
            1 => condition.config_until = until,
            2 => condition.throttle_until = until,
            _ => {
                condition.gone_until = until;
                let lines: Vec<_> = self.g.pools[pool].lines().collect();
                for line in lines {
                    self.on_line(line, LineEvent::Dies);
                }
            }
        }
    }

    fn disturb_tokens(&mut self) {
        let Some(pool) = self.some_pool() else {
            return;
        };
        let until = self.at + self.dice.pick(&TROUBLES);
        let kind = self.dice.below(5);
        let serials = self.provider.serials;
        let condition = &mut self.provider.conditions[pool];
        match kind {
            0 => condition.auth_until = until,
            1 => condition.serial_min = serials,
            2 => condition.tokens_down_until = until,
            3 => condition.tokens_refused_until = until,
            _ => condition.tokens_slow_until = until,
        }
    }

    fn disturb_disk(&mut self) {
        let full = self.dice.chance(500);
        self.mark(if full {
            Seen::StoreFull
        } else {
            Seen::StoreSlow
        });
        self.disk = Disk {
            is_full: full,
            is_slow: !full,
        };
        self.later_within(100, 20_000, Event::DiskBack);
    }

    fn kill_some_actor(&mut self) {
        let actor = match self.dice.below(8) {
            0 => Actor::Dispatcher,
            1 => Actor::Outcomes,
            2 => Actor::Feeder,
            3 => Actor::Reaper,
            4 => match self.some_pool() {
                Some(pool) => Actor::Pool(pool),
                None => return,
            },
            5 | 6 => {
                let lines = self.g.lines.iter();
                let lines = lines.filter(|(_, line)| !self.options.is_quiet(line.pool / WAYS));
                let lines: Vec<_> = lines.map(|(line, _)| *line).collect();
                if lines.is_empty() {
                    return;
                }
                Actor::Line(self.dice.pick(&lines))
            }
            _ => {
                let busy = self.g.users.iter().filter(|(_, calls)| !calls.is_empty());
                let busy: Vec<_> = busy.map(|(name, _)| *name).collect();
                if busy.is_empty() {
                    return;
                }
                let (app, user) = self.dice.pick(&busy);
                return self.user_dies(app, user);
            }
        };
        if self.dice.chance(30) {
            self.g.hammered = Some(actor);
        }
        self.kill(actor);
    }

    /// At once, or in the middle of work that was just begun.
    fn crash_soon(&mut self) {
        if self.dice.chance(300) {
            return self.crash();
        }
        self.ask_to_send();
        self.ask_to_register();
        let most = self.dice.pick(&[5, 50, 500]);
        self.later_within(0, most, Event::Crash);
    }

    fn set_clock(&mut self) {
        let jump = self.dice.pick(&JUMPS);
        self.mark(if jump > 0 {
            Seen::ClockForward
        } else {
            Seen::ClockBack
        });
        self.clock_off = (self.clock_off + jump).clamp(-7_200_000, 7_200_000);
    }
}

fn address(way: usize, value: &str) -> Address {
    let channel = match way {
        0 => Channel::IosPush,
        _ => Channel::Fcm,
    };
    let kind = AddressKind::RegistrationToken;
    Address::new(channel, kind, Environment::Production, value)
}
