//! Pool: sends what one credential sends in one environment: the shell around `core::pool`.
//!
//! Parent: `pools`, which starts it again, empty. A crash loses the deliveries that waited and takes its connections
//! with it, and theirs; all of them are still in the journal, and the feeder brings them back at once. A connection that
//! crashes is replaced as the core asks for it, within limits.

pub(crate) mod credential;

use std::collections::HashMap;
use std::sync::Arc;

use fanfare_core::pool::{
    ConnectionId, Effect, Ended, Limits, Moved, Pool as Core, Recovery, Returned, World,
};
use fanfare_core::restart::{History, Policy, Verdict};
use fanfare_core::retry;
use fanfare_core::revocations::Revocations;
use fanfare_core::token::Dating;
use fanfare_providers::Error;
use fanfare_telemetry::Telemetry;
use fanfare_types::{Clock, Delivery, Secret, Tenure, Timestamp};
use http::HeaderValue;
use ractor::{Actor, ActorProcessingErr, ActorRef, ActorRuntime, RpcReplyPort, SupervisionEvent};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::connection::{self, Connection};
use crate::dispatcher::DispatcherHandle;
use crate::failpoint::{failpoint, failpoints, handling};
use crate::outcomes::{Ending, OutcomesHandle};
use crate::pools::Pools;
use crate::random::Random;
use crate::system::PoolStats;
use crate::{GaveUp, task};
use credential::{Credential, Renewed};

#[derive(Clone)]
pub(crate) struct Args {
    pub(crate) credential: Credential,
    /// Where deliveries go that move to another credential.
    pub(crate) pools: Pools,
    pub(crate) outcomes: OutcomesHandle,
    pub(crate) dispatcher: DispatcherHandle,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) tenure: Arc<Tenure>,
    pub(crate) link: fanfare_link::Config,
    pub(crate) recovery: Recovery,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) telemetry: Telemetry,
    /// Runtimes that connections are spread over; the pool's own when empty.
    pub(crate) senders: Arc<[Handle]>,
    /// Which of them comes first, so that not every pool begins with the same.
    pub(crate) first_sender: usize,
    /// How often its connections may crash.
    pub(crate) restart: Policy,
    /// Told why, when they do so too often.
    pub(crate) gave_up: GaveUp,
}

pub(crate) enum Msg {
    Work(Vec<Delivery>),
    News(ConnectionId, News),
    Token(Result<Renewed, Error>),
    /// A notification of the app was cancelled, or a campaign withdrawn.
    Cancelled,
    /// The credential has other limits.
    Limits(Box<Limits>),
    /// Another credential has taken over: give away what waits, and stop when the last connection is closed.
    Retire,
    /// Deliveries of a pool that has retired.
    Moved(Vec<Moved>),
    Wake,
    Stats(RpcReplyPort<PoolStats>),
    /// Answers when the last connection is closed.
    Drain(RpcReplyPort<()>),
}

failpoints!("pool", Msg: Work, News, Token, Cancelled, Limits, Retire, Moved, Wake, Stats, Drain);

/// What a connection tells.
pub(crate) enum News {
    Opened,
    Streams(u32),
    /// `calm`: we were too much for the provider.
    GoingAway {
        calm: bool,
    },
    /// The provider answered nothing for as long as an answer may take.
    Silent,
    Returned(Vec<Returned>),
    Closed,
}

pub(crate) struct State {
    args: Args,
    core: Core,
    effects: Vec<Effect>,
    connections: HashMap<ConnectionId, ActorRef<connection::Msg>>,
    token: Option<Arc<Secret<HeaderValue>>>,
    timer: Option<AbortHandle>,
    crashes: History,
    drains: Vec<RpcReplyPort<()>>,
    is_retired: bool,
}

pub(crate) struct Pool;

impl Actor for Pool {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, _: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        failpoint!("pool", "pre_start");
        let credential = &args.credential;
        let retry = retry::Policy::for_channel(credential.channel());
        Ok(State {
            core: Core::new(
                credential.limits(&args.recovery),
                retry,
                credential.needs_token(),
            ),
            effects: Vec::new(),
            connections: HashMap::new(),
            token: None,
            timer: None,
            crashes: History::default(),
            drains: Vec::new(),
            is_retired: false,
            args,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        message: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        handling!(&message);
        let now = state.args.clock.now();
        if let Msg::News(id, News::Closed) = &message {
            // Whatever it was handed arrives there before this.
            state.cast(*id, connection::Msg::Forgotten);
            state.connections.remove(id);
        }
        match message {
            Msg::Stats(reply) => drop(reply.send(state.stats(now))),
            message => state.feed(message, now),
        }
        let mut effects = std::mem::take(&mut state.effects);
        for effect in effects.drain(..) {
            state.perform(effect, &myself, now);
        }
        // Its room is used again.
        state.effects = effects;
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        failpoint!("pool", "supervision");
        match event {
            SupervisionEvent::ActorTerminated(who, ..) => state.gone(who.get_id(), &myself),
            SupervisionEvent::ActorFailed(who, error) => {
                let app = state.args.credential.app();
                tracing::error!(%app, %error, "connection crashed");
                state.args.telemetry.actor_restarted("connection");
                state.crashed(&error.to_string());
                state.gone(who.get_id(), &myself);
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

impl State {
    fn feed(&mut self, message: Msg, now: Timestamp) {
        let random = &self.args.random;
        let mut world = World {
            now,
            random: &mut || random.next(),
            revocations: &self.args.revocations,
            tenure: &self.args.tenure,
            effects: &mut self.effects,
        };
        let world = &mut world;
        match message {
            Msg::Work(batch) => self.core.on_work(batch, world),
            Msg::News(id, News::Opened) => self.core.on_opened(id, world),
            Msg::News(id, News::Streams(count)) => self.core.on_streams(id, count, world),
            Msg::News(id, News::GoingAway { calm }) => self.core.on_going_away(id, calm, world),
            Msg::News(id, News::Silent) => self.core.on_silent(id, world),
            Msg::News(id, News::Returned(batch)) => self.core.on_returned(id, batch, world),
            Msg::News(id, News::Closed) => self.core.on_closed(id, world),
            Msg::Token(Ok(renewed)) => {
                self.token = Some(Arc::new(renewed.value));
                self.core
                    .on_token(renewed.renew_after, renewed.lifetime, world);
            }
            Msg::Token(Err(error)) => {
                let refused = !matches!(error, Error::TokenUnavailable(_));
                self.core.on_no_token(refused, world);
            }
            Msg::Cancelled => self.core.on_cancelled(world),
            Msg::Limits(limits) => self.core.on_limits(*limits, world),
            Msg::Retire => {
                self.is_retired = true;
                self.core.on_retired(world);
            }
            Msg::Moved(batch) => self.core.on_moved(batch, world),
            Msg::Wake => self.core.on_wake(world),
            Msg::Drain(reply) => {
                self.drains.push(reply);
                self.core.on_drain(world);
            }
            Msg::Stats(_) => {}
        }
    }

    fn perform(&mut self, effect: Effect, myself: &ActorRef<Msg>, now: Timestamp) {
        match effect {
            Effect::Hand {
                connection,
                batch,
                token: generation,
            } => {
                let token = self.token.clone();
                self.cast(
                    connection,
                    connection::Msg::Hand {
                        batch,
                        token,
                        generation,
                    },
                );
            }
            Effect::Open(id) => self.open(id, myself),
            Effect::Close(id) => self.cast(id, connection::Msg::Close),
            Effect::RenewToken => self.renew(myself),
            Effect::End(batch) => {
                let ending = |Ended { finished, verdict }| Ending { finished, verdict };
                self.args
                    .outcomes
                    .ended(batch.into_iter().map(ending).collect());
            }
            Effect::Reroute(batch) => self.args.dispatcher.dispatch(batch),
            Effect::Move(batch) => self.args.pools.moved(batch),
            Effect::WakeAt(at) => {
                let timer = myself.send_after(at.since(now), || Msg::Wake);
                if let Some(before) = self.timer.replace(timer.abort_handle()) {
                    before.abort();
                }
            }
            Effect::Refused(refused) => self.log_refused(refused),
            Effect::Drained => {
                for reply in self.drains.drain(..) {
                    // Whoever asked may have stopped waiting.
                    drop(reply.send(()));
                }
                if self.is_retired {
                    myself.stop(None);
                }
            }
        }
    }

    fn cast(&self, id: ConnectionId, message: connection::Msg) {
        if let Some(connection) = self.connections.get(&id) {
            // One that just died is told by supervision, and what it was sent is its crash's loss.
            drop(connection.cast(message));
        }
    }

    /// Starts a connection on its sender's runtime.
    fn open(&mut self, id: ConnectionId, myself: &ActorRef<Msg>) {
        match self.connection(id, myself) {
            Ok(connection) => {
                self.connections.insert(id, connection);
            }
            Err(error) => {
                tracing::error!(%error, "connection cannot be started");
                drop(myself.cast(Msg::News(id, News::Closed)));
            }
        }
    }

    fn connection(
        &self,
        id: ConnectionId,
        myself: &ActorRef<Msg>,
    ) -> Result<ActorRef<connection::Msg>, ActorProcessingErr> {
        let Args {
            credential,
            senders,
            ..
        } = &self.args;
        let args = connection::Args {
            id,
            pool: myself.clone(),
            app: credential.app().clone(),
            channel: credential.channel(),
            endpoint: credential.endpoint().clone(),
            tls: credential.tls().clone(),
            link: credential.link(&self.args.link),
            codec: credential.codec()?,
            revocations: self.args.revocations.clone(),
            tenure: self.args.tenure.clone(),
            clock: self.args.clock.clone(),
            telemetry: self.args.telemetry.clone(),
        };
        let turn = usize::try_from(id).unwrap_or(0) + self.args.first_sender;
        let sender = senders.get(turn % senders.len().max(1));
        let (connection, started) = {
            let _entered = sender.map(Handle::enter);
            ActorRuntime::spawn_linked_instant(None, Connection, args, myself.get_cell())?
        };
        let closed = move || Msg::News(id, News::Closed);
        // Of one that could not start, or whose runtime is gone, supervision tells nothing.
        task::spawn(myself, ("pool", "start"), closed(), async move {
            let is_up = matches!(started.await, Ok(Ok(_)));
            (!is_up).then(closed)
        });
        Ok(connection)
    }

    fn renew(&self, myself: &ActorRef<Msg>) {
        let issued_at = match self.core.token_dating() {
            Dating::Wall => self.args.clock.wall(),
            Dating::Gateway => self.args.clock.now(),
        };
        let renewal = self.args.credential.renew(issued_at);
        let telemetry = self.args.telemetry.clone();
        let (app, channel) = (
            self.args.credential.app().clone(),
            self.args.credential.channel(),
        );
        let panicked = Msg::Token(Err(Error::TokenUnavailable("panicked".to_owned())));
        // A pool that is gone begins anew.
        task::spawn(myself, ("pool", "renew"), panicked, async move {
            let renewed = renewal.await;
            telemetry.provider_token(&app, channel, renewed.is_ok());
            if let Err(error) = &renewed {
                let provider = channel.as_str();
                tracing::warn!(%app, provider, %error, "provider token could not be renewed");
            }
            Msg::Token(renewed)
        });
    }

    fn log_refused(&self, refused: bool) {
        let credential = &self.args.credential;
        let (app, provider) = (credential.app(), credential.channel().as_str());
        let environment = credential.environment().as_str();
        match refused {
            true => tracing::error!(
                %app,
                provider,
                environment,
                "provider refuses the credential, project or topic; trying now and then"
            ),
            false => {
                tracing::info!(%app, provider, environment, "provider takes the credential again")
            }
        }
    }

    fn crashed(&mut self, why: &str) {
        let verdict = self
            .crashes
            .on_death(&self.args.restart, self.args.clock.now());
        if verdict == Verdict::GiveUp {
            let credential = &self.args.credential;
            let (app, provider) = (credential.app(), credential.channel());
            let why = format!("connections of {app} ({provider}) keep crashing: {why}");
            (self.args.gave_up)(why);
        }
    }

    /// A connection actor ended. Its last words may still be in the mailbox, so this queues behind them.
    fn gone(&self, who: ractor::ActorId, myself: &ActorRef<Msg>) {
        let found = self.connections.iter().find(|(_, c)| c.get_id() == who);
        if let Some((id, _)) = found {
            drop(myself.cast(Msg::News(*id, News::Closed)));
        }
    }

    fn stats(&self, now: Timestamp) -> PoolStats {
        let figures = self.core.figures(now);
        let credential = &self.args.credential;
        PoolStats {
            app: credential.app().as_str().to_owned(),
            provider: credential.channel().as_str(),
            environment: credential.environment().as_str(),
            connections: figures.connections,
            streams: figures.streams,
            in_flight: figures.in_flight,
            waiting: figures.waiting,
            retrying: figures.retrying,
            breaker: figures.breaker,
            credential_usable: figures.credential_usable,
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if let Some(timer) = &self.timer {
            timer.abort();
        }
    }
}
