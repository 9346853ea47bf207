//! One user's writes, strictly in order.
//!
//! Parent: its shard ([`crate::users`]). Restart: none; the next call has a new one made. A crash loses the calls
//! that wait for this user (their callers are told), and nothing that was acknowledged: the actor keeps no rows,
//! each piece of work reads the store, decides in `core` and applies the change.

use std::sync::Arc;

use fanfare_core::registration::{self, Decision, Known, Patch, Register};
use fanfare_core::revocations::Revocations;
use fanfare_store::Store;
use fanfare_store::fleet::Notice;
use fanfare_telemetry::{Registration, Telemetry};
use fanfare_types::{AppId, Applied, Clock, Device, DeviceId, Timestamp};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;

use crate::directory::{Seat, Ticket};
use crate::failpoint::{failpoint, failpoints, handling};
use crate::fleet::FleetHandle;
use crate::registry::{Registered, RuleBook, Rules};
use crate::{Error, Result};

/// How often one piece of work is decided anew because others changed the same rows; each time somebody else
/// got on.
const TRIES_MAX: usize = 32;

/// How often a write of unknown outcome that did not happen is tried anew: a store in trouble is not helped by
/// more of them.
const UNKNOWN_MAX: usize = 2;

/// `None` when there was nothing to change (no such row, or the rule did not hold).
pub(crate) type Answer = Result<Option<Box<Registered>>>;

/// What all users' actors share.
pub(crate) struct Context {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) fleet: FleetHandle,
    pub(crate) telemetry: Telemetry,
    pub(crate) clock: Clock,
    pub(crate) random: Arc<dyn Fn() -> u64 + Send + Sync>,
}

pub(crate) struct Args {
    pub(crate) seat: Seat,
    pub(crate) rules: RuleBook,
    pub(crate) context: Arc<Context>,
}

/// The one message: work, and its place in the queue.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) work: Work,
    pub(crate) ticket: Ticket,
}

/// Its points are the commands.
#[cfg(any(test, feature = "failpoints"))]
impl crate::failpoint::Named for Call {
    const ACTOR: &'static str = Command::ACTOR;
    #[cfg(test)]
    const POINTS: &'static [&'static str] = Command::POINTS;

    fn point(&self) -> &'static str {
        self.work.command.point()
    }
}

#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) command: Box<Command>,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// What may be asked of a user's devices.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    Register(Register),
    Patch(DeviceId, Patch),
    Remove(DeviceId),
    Unregister(String),
    Deactivate(DeviceId),
    Bury(DeviceId, Timestamp),
    MarkStale(DeviceId, Timestamp),
    Purge(DeviceId, Timestamp),
}

failpoints!("user", Command: Register, Patch, Remove, Unregister, Deactivate, Bury, MarkStale, Purge);

pub(crate) struct State {
    seat: Seat,
    rules: RuleBook,
    context: Arc<Context>,
}

impl Context {
    /// What was routed for these devices before is read again, on every node.
    async fn revoke(&self, app: AppId, devices: Vec<DeviceId>) -> Result<()> {
        if devices.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        for id in &devices {
            self.revocations.revoke(*id, now);
        }
        self.fleet.tell(Notice::Revoked { app, devices }).await
    }
}

impl State {
    /// Reads, decides, applies, until the change was decided on what still held.
    async fn perform(&self, command: &Command) -> Answer {
        // As they are now, for the whole piece of work; an app that is gone by now changes nothing.
        let Some(rules) = self.rules.of(&self.seat.key().app) else {
            return Ok(None);
        };
        let mut unknown = 0;
        for _ in 0..TRIES_MAX {
            let Some(decision) = self.decide(command, &rules).await? else {
                return Ok(None);
            };
            match self.apply(&decision).await {
                Ok(Applied::Done) => {}
                Ok(Applied::Conflict) => continue,
                Err(error @ Error::Store(fanfare_store::Error::Unknown(_))) => {
                    if !self.is_done(&decision).await? {
                        unknown += 1;
                        if unknown == UNKNOWN_MAX {
                            return Err(error);
                        }
                        continue;
                    }
                }
                Err(error) => return Err(error),
            }
            self.count(command, &decision);
            return Ok(Some(Box::new(Registered {
                device: decision.device,
                is_new: decision.is_new,
            })));
        }
        Err(Error::Contended)
    }

    /// Carries a change out and revokes what it revokes, here and on the other nodes, before any answer, so that nothing
    /// routed earlier is handed over after it. A task of its own: the change goes on when this actor is stopped (its shard died),
    /// and a row that was changed without its revocations would look settled to the next registration.
    async fn apply(&self, decision: &Decision) -> Result<Applied> {
        let (context, change) = (self.context.clone(), decision.change.clone());
        let (app, revoked) = (decision.device.app.clone(), decision.revoked.clone());
        let applying = tokio::spawn(async move {
            let applied = context.store.apply(change).await;
            // Of unknown outcome: it may have happened, so what it revokes is revoked either way.
            if let Ok(Applied::Done) | Err(fanfare_store::Error::Unknown(_)) = &applied {
                context.revoke(app, revoked).await?;
            }
            Ok(applied?)
        });
        match applying.await {
            Ok(applied) => applied,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(fanfare_store::Error::Closed.into()),
        }
    }

    async fn decide(&self, command: &Command, rules: &Rules) -> Result<Option<Decision>> {
        let now = self.context.clock.now();
        let policy = &rules.registration;
        Ok(match command {
            Command::Register(register) => {
                Some(self.decide_register(register.clone(), now, policy).await?)
            }
            Command::Patch(id, patch) => self.decide_patch(*id, patch.clone(), now, policy).await?,
            Command::Remove(id) => self.row(*id).await?.as_ref().map(registration::remove),
            Command::Unregister(device_key) => {
                let own = self.own().await?;
                registration::unregister(&own, device_key, now, policy)
            }
            Command::Deactivate(id) => self
                .row(*id)
                .await?
                .and_then(|row| registration::deactivate(&row, now, policy)),
            Command::Bury(id, dead_since) => self.row(*id).await?.and_then(|row| {
                let on_dead = rules.on_dead_token;
                registration::bury(&row, *dead_since, on_dead, now, policy)
            }),
            Command::MarkStale(id, unseen_since) => self
                .row(*id)
                .await?
                .and_then(|row| registration::mark_stale(&row, *unseen_since, now, policy)),
            Command::Purge(id, before) => self
                .row(*id)
                .await?
                .and_then(|row| registration::purge(&row, *before)),
        })
    }

    async fn decide_register(
        &self,
        register: Register,
        now: Timestamp,
        policy: &registration::Policy,
    ) -> Result<Decision> {
        let key = self.seat.key();
        let store = &self.context.store;
        let (own, holder) = tokio::try_join!(
            store.devices_of(&key.app, vec![key.user.clone()]),
            store.holder(&key.app, policy.key(&register.address, &key.user)),
        )?;
        let known = Known {
            app: &key.app,
            user: &key.user,
            own: &own,
            holder: holder.as_ref(),
            now,
        };
        let new_id = DeviceId::new(now, (self.context.random)());
        Ok(registration::register(register, known, new_id, policy))
    }

    async fn decide_patch(
        &self,
        id: DeviceId,
        patch: Patch,
        now: Timestamp,
        policy: &registration::Policy,
    ) -> Result<Option<Decision>> {
        let Some(row) = self.row(id).await? else {
            return Ok(None);
        };
        let holder = match &patch.address {
            Some(address) => {
                let key = policy.key(address, &row.user);
                self.context.store.holder(&row.app, key).await?
            }
            None => None,
        };
        let twin = match &patch.device_key {
            Some(key) => {
                let mut own = self.own().await?.into_iter();
                own.find(|row| row.device_key.as_ref() == Some(key))
            }
            None => None,
        };
        let (holder, twin) = (holder.as_ref(), twin.as_ref());
        let decision = registration::patch(patch, &row, holder, twin, now, policy);
        Ok(Some(decision))
    }

    async fn own(&self) -> Result<Vec<Device>> {
        let key = self.seat.key();
        let user = vec![key.user.clone()];
        Ok(self.context.store.devices_of(&key.app, user).await?)
    }

    /// The row with this id, if it is this user's.
    async fn row(&self, id: DeviceId) -> Result<Option<Device>> {
        let key = self.seat.key();
        let rows = self.context.store.devices_by_id(&key.app, vec![id]).await?;
        Ok(rows.into_iter().find(|row| row.user == key.user))
    }

    /// After a write of unknown outcome: whether it happened.
    async fn is_done(&self, decision: &Decision) -> Result<bool> {
        let device = &decision.device;
        let read = self
            .context
            .store
            .devices_by_id(&device.app, vec![device.id]);
        Ok(decision.stands_in(&read.await?))
    }

    fn count(&self, command: &Command, decision: &Decision) {
        if let Command::Register(_) = command {
            let kind = match (decision.is_new, decision.is_move()) {
                (true, _) => Registration::Created,
                (false, true) => Registration::Moved,
                (false, false) => Registration::Refreshed,
            };
            self.context
                .telemetry
                .registered(&self.seat.key().app, kind);
        }
    }
}

pub(crate) struct UserActor;

impl Actor for UserActor {
    type Msg = Call;
    type State = State;
    type Arguments = Args;

    async fn pre_start(
        &self,
        _myself: ActorRef<Call>,
        args: Args,
    ) -> std::result::Result<State, ActorProcessingErr> {
        failpoint!("user", "pre_start");
        Ok(State {
            seat: args.seat,
            rules: args.rules,
            context: args.context,
        })
    }

    async fn post_start(
        &self,
        myself: ActorRef<Call>,
        state: &mut State,
    ) -> std::result::Result<(), ActorProcessingErr> {
        failpoint!("user", "post_start");
        state.seat.occupy(myself);
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Call>,
        call: Call,
        state: &mut State,
    ) -> std::result::Result<(), ActorProcessingErr> {
        handling!(&call);
        let Call { work, ticket } = call;
        // Nobody waits for the answer of a call whose time is up.
        if !work.answer.is_closed() {
            let answer = state.perform(&work.command).await;
            drop(work.answer.send(answer));
        }
        drop(ticket);
        if state.seat.leave_if_wanted() {
            myself.stop(None);
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Call>,
        event: SupervisionEvent,
        _: &mut State,
    ) -> std::result::Result<(), ActorProcessingErr> {
        match event {
            // It has no children.
            SupervisionEvent::ActorStarted(_)
            | SupervisionEvent::ActorTerminated(..)
            | SupervisionEvent::ActorFailed(..)
            | SupervisionEvent::ProcessGroupChanged(_) => Ok(()),
        }
    }
}
