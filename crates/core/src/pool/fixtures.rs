//! Deliveries for tests, and a pool with a world around it.

use std::sync::Arc;
use std::time::Duration;

use fanfare_types::message::Variables;
use fanfare_types::{
    Address, AddressKind, AppId, Budget, CampaignId, Channel, Counts, Delivery, DeviceId,
    Environment, Hold, Lane, Live, Message, MissingVariable, NotificationId, OnUnknown, Options,
    Outcome, Pace, Permits, Priority, Progress, Reason, Run, Slot, Tenure, Timestamp, UserId,
    Verdict,
};

use super::{ConnectionId, Effect, Ended, How, Job, Limits, Pool, Returned, World};
use crate::retry;
use crate::revocations::{self, Revocations};
use crate::token::Generation;

pub(crate) const START: Timestamp = Timestamp(1_700_000_000_000);
pub(crate) const TTL: Duration = Duration::from_secs(3_600);

pub(crate) fn live(lane: Lane, created_at: Timestamp, ttl: Duration) -> Arc<Live> {
    Arc::new(Live {
        id: NotificationId::new(created_at, 1),
        app: AppId::new("shop").unwrap(),
        created_at,
        options: Options {
            priority: Priority::High,
            collapse_key: None,
            lane,
            on_unknown: OnUnknown::Retry,
            expires_at: created_at + ttl,
            send_at: None,
        },
        message: Message::default().into(),
        variables: Variables::new().into(),
        progress: Progress::new(1, Counts::default()),
        run: None,
        hold: Hold::new(Slot::of_shard(0)),
    })
}

/// A chunk of a campaign: bulk.
pub(crate) fn chunk(run: &Arc<Run>, created_at: Timestamp) -> Arc<Live> {
    let mut live = live(Lane::Bulk, created_at, TTL);
    Arc::get_mut(&mut live).expect("its only holder").run = Some(run.clone());
    live
}

/// A run of a campaign with this rate.
pub(crate) fn run(rate: Option<u32>) -> Arc<Run> {
    let campaign = CampaignId::new(START, 1);
    Run::new(campaign, MissingVariable::Fail, Pace::new(rate))
}

/// A device of its own for each ordinal, routed when the notification was accepted.
pub(crate) fn delivery_of(live: Arc<Live>, ordinal: u32, budget: &Arc<Budget>) -> Delivery {
    let budgets: Arc<[Arc<Budget>]> = [budget.clone()].into();
    let created_at = live.created_at;
    Delivery {
        live,
        ordinal,
        device: Some((device(ordinal), UserId::new("ada").unwrap())),
        address: Address::new(
            Channel::IosPush,
            AddressKind::RegistrationToken,
            Environment::Production,
            "0a",
        ),
        locale: None,
        variables: None,
        registered_at: created_at,
        routed_at: created_at,
        attempts: 0,
        auth_refreshes: 0,
        permit: Permits::try_take(&budgets, 1).unwrap().split().unwrap(),
    }
}

pub(crate) fn device(ordinal: u32) -> DeviceId {
    DeviceId::new(START, u64::from(ordinal))
}

pub(crate) fn delivery(ordinal: u32, lane: Lane) -> Delivery {
    delivery_of(live(lane, START, TTL), ordinal, &Budget::new(1))
}

/// A pool with everything an event needs, and what it let out.
pub(crate) struct Rig {
    pub(crate) pool: Pool,
    pub(crate) revocations: Revocations,
    pub(crate) tenure: Arc<Tenure>,
    pub(crate) now: Timestamp,
    pub(crate) effects: Vec<Effect>,
    seed: u64,
}

impl Rig {
    pub(crate) fn new(channel: Channel, change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::for_channel(channel, 4, None);
        change(&mut limits);
        Rig {
            pool: Pool::new(limits, retry::Policy::for_channel(channel), true),
            revocations: Revocations::new(revocations::Limits::default()),
            tenure: Tenure::alone(),
            now: START,
            effects: Vec::new(),
            seed: 1,
        }
    }

    /// With one open connection of 100 streams and a token.
    pub(crate) fn open(channel: Channel, change: impl FnOnce(&mut Limits)) -> Self {
        let mut rig = Rig::new(channel, change);
        rig.work(1, Lane::Bulk);
        rig.token();
        rig.up(0, 100);
        let handed = rig.handed();
        rig.answer_all(handed, Verdict::Accepted);
        rig.effects.clear();
        rig
    }

    pub(crate) fn event(&mut self, event: impl FnOnce(&mut Pool, &mut World<'_>)) {
        let seed = &mut self.seed;
        let mut random = || {
            // xorshift64 (Marsaglia, 2003)
            *seed ^= *seed << 13;
            *seed ^= *seed >> 7;
            *seed ^= *seed << 17;
            *seed
        };
        let mut world = World {
            now: self.now,
            random: &mut random,
            revocations: &self.revocations,
            tenure: &self.tenure,
            effects: &mut self.effects,
        };
        event(&mut self.pool, &mut world);
    }

    pub(crate) fn work(&mut self, count: u32, lane: Lane) {
        let live = live(lane, self.now, TTL);
        self.work_of(&live, count);
    }

    pub(crate) fn work_of(&mut self, live: &Arc<Live>, count: u32) {
        let budget = Budget::new(count as usize);
        let batch = (0..count).map(|n| delivery_of(live.clone(), n, &budget));
        let batch = batch.collect();
        self.event(|pool, world| pool.on_work(batch, world));
    }

    pub(crate) fn token(&mut self) {
        let life = Duration::from_secs(3_600);
        self.event(|pool, world| pool.on_token(life.mul_f32(0.9), life, world));
    }

    pub(crate) fn up(&mut self, connection: ConnectionId, streams: u32) {
        self.event(|pool, world| pool.on_opened(connection, world));
        self.event(|pool, world| pool.on_streams(connection, streams, world));
    }

    pub(crate) fn after(&mut self, time: Duration) {
        self.now = self.now + time;
        self.event(Pool::on_wake);
    }

    /// What was handed over since last asked.
    pub(crate) fn handed(&mut self) -> Vec<Handed> {
        let mut handed = Vec::new();
        self.effects.retain_mut(|effect| match effect {
            Effect::Hand {
                connection,
                batch,
                token,
            } => {
                let of = |job| Handed {
                    connection: *connection,
                    token: *token,
                    job,
                };
                handed.extend(batch.drain(..).map(of));
                false
            }
            _ => true,
        });
        handed
    }

    pub(crate) fn answer(&mut self, handed: Handed, verdict: Verdict) {
        let Handed {
            connection,
            token,
            mut job,
        } = handed;
        job.delivery.attempts += 1;
        let how = How::Answered {
            verdict,
            reason: Reason::of("theirs"),
            token,
        };
        let batch = vec![Returned { job, how }];
        self.event(|pool, world| pool.on_returned(connection, batch, world));
    }

    pub(crate) fn give_back(&mut self, handed: Handed, how: How) {
        let Handed {
            connection, job, ..
        } = handed;
        let batch = vec![Returned { job, how }];
        self.event(|pool, world| pool.on_returned(connection, batch, world));
    }

    /// When it asked to be woken.
    pub(crate) fn wakes(&self) -> Vec<Timestamp> {
        let wake = |effect: &Effect| match effect {
            Effect::WakeAt(at) => Some(*at),
            _ => None,
        };
        self.effects.iter().filter_map(wake).collect()
    }

    pub(crate) fn answer_all(&mut self, handed: Vec<Handed>, verdict: Verdict) {
        for one in handed {
            self.answer(one, verdict);
        }
    }

    /// How deliveries ended since last asked.
    pub(crate) fn ended(&mut self) -> Vec<(Outcome, String)> {
        let mut ended = Vec::new();
        self.effects.retain_mut(|effect| match effect {
            Effect::End(batch) => {
                let of = |e: Ended| (e.finished.outcome, e.finished.reason.as_str().to_owned());
                ended.extend(batch.drain(..).map(of));
                false
            }
            _ => true,
        });
        ended
    }

    pub(crate) fn count(&self, what: impl Fn(&Effect) -> bool) -> usize {
        self.effects.iter().filter(|effect| what(effect)).count()
    }

    pub(crate) fn opened(&self) -> usize {
        self.count(|effect| matches!(effect, Effect::Open(_)))
    }

    pub(crate) fn renewals(&self) -> usize {
        self.count(|effect| matches!(effect, Effect::RenewToken))
    }

    pub(crate) fn closed(&self) -> Vec<ConnectionId> {
        let id = |effect: &Effect| match effect {
            Effect::Close(id) => Some(*id),
            _ => None,
        };
        self.effects.iter().filter_map(id).collect()
    }

    pub(crate) fn rerouted(&self) -> usize {
        let count = |effect: &Effect| match effect {
            Effect::Reroute(batch) => batch.len(),
            _ => 0,
        };
        self.effects.iter().map(count).sum()
    }
}

/// A job on its way over a connection.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) connection: ConnectionId,
    pub(crate) token: Generation,
    pub(crate) job: Job,
}
