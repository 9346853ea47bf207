//! Connection: owns one HTTP/2 connection to a provider, encodes what its pool hands over, classifies the answers.
//!
//! Parent: its pool, which opens another when load asks for it; nothing is restarted. It lives on a sender's
//! runtime, where it runs its link's driver. A link that ends gives every push back, as not sent or unknown, and so does
//! a crash of the actor itself. What was on its way to or from it is lost then: the feeder reads it again.

mod flights;
mod owned;

use std::sync::Arc;

use fanfare_core::pool::{ConnectionId, How, Job, Returned};
use fanfare_core::revocations::{Revocations, Standing};
use fanfare_core::token::Generation;
use fanfare_link::{Answer, Driver, Endpoint, Event, Lost, Sender, tls};
use fanfare_providers::{Codec, Judged, Refused};
use fanfare_telemetry::{self as telemetry, Telemetry};
use fanfare_types::{AppId, Channel, Clock, Delivery, Reason, Secret, Tenure, Verdict};
use http::HeaderValue;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::time::Instant;

use crate::failpoint::{failpoint, failpoints, handling};
use crate::in_a_row::InARow;
use crate::pool::{self, News};
use crate::task;
use flights::{Flight, Flights, Landed};
use owned::{OpenGauge, Task};

/// Deliveries in one message to the pool.
const BATCH_MAX: usize = 64;

/// Surely not processed by the provider.
const NOT_SENT: Reason = Reason::of("not_sent");
/// Written, and no answer came.
const NO_ANSWER: Reason = Reason::of("no_answer");

/// Why a connection ended that nobody is to blame for.
const CLOSED: &str = "closed";
/// A panic ended it.
const CRASHED: &str = "crashed";

pub(crate) struct Args {
    pub(crate) id: ConnectionId,
    pub(crate) pool: ActorRef<pool::Msg>,
    pub(crate) app: AppId,
    pub(crate) channel: Channel,
    pub(crate) endpoint: Endpoint,
    pub(crate) tls: tls::Client,
    pub(crate) link: fanfare_link::Config,
    pub(crate) codec: Codec,
    pub(crate) revocations: Arc<Revocations>,
    /// Until when anything may be handed over.
    pub(crate) tenure: Arc<Tenure>,
    pub(crate) clock: Clock,
    pub(crate) telemetry: Telemetry,
}

pub(crate) enum Msg {
    Dialled(fanfare_link::Result<(Sender, Driver)>),
    Hand {
        batch: Vec<Job>,
        /// The `authorization` value; none with certificate credentials.
        token: Option<Arc<Secret<HeaderValue>>>,
        generation: Generation,
    },
    Link(Event),
    /// The link has ended, for this reason; all it had was answered before, unless it broke down.
    Ended(&'static str),
    /// Take no more, finish, close.
    Close,
    /// The pool knows that this connection has ended, and hands nothing over any more.
    Forgotten,
}

failpoints!("connection", Msg: Dialled, Hand, Link, Ended, Close, Forgotten);

pub(crate) struct State {
    args: Args,
    counters: Arc<telemetry::Sender>,
    sender: Option<Sender>,
    flights: Flights,
    /// Dialling, then driving; `None` when the link has ended.
    task: Option<Task>,
    open: Option<OpenGauge>,
    /// The peer has said so.
    going_away: bool,
}

pub(crate) struct Connection;

impl Actor for Connection {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(
        &self,
        myself: ActorRef<Msg>,
        args: Args,
    ) -> Result<State, ActorProcessingErr> {
        failpoint!("connection", "pre_start");
        let (endpoint, tls, link) = (args.endpoint.clone(), args.tls.clone(), args.link.clone());
        let dial = async move { Msg::Dialled(fanfare_link::connect(&endpoint, &tls, &link).await) };
        let name = ("connection", "dial");
        let dial = task::spawn(&myself, name, Msg::Ended(CRASHED), dial);
        Ok(State {
            counters: args.telemetry.sender(&args.app, args.channel),
            sender: None,
            flights: Flights::default(),
            task: Some(Task(dial)),
            open: None,
            going_away: false,
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
        match message {
            Msg::Dialled(dialled) => state.dialled(&myself, dialled),
            Msg::Hand {
                batch,
                token,
                generation,
            } => state.hand(batch, token.as_deref(), generation),
            Msg::Link(Event::Streams(count)) => state.tell(News::Streams(count)),
            Msg::Link(Event::Answers(answers)) => state.answers(answers),
            Msg::Link(Event::GoingAway { reason, calm }) => {
                let (app, provider) = (&state.args.app, state.args.channel.as_str());
                tracing::info!(%app, provider, reason, "provider closes the connection");
                state.going_away = true;
                state.tell(News::GoingAway { calm });
            }
            Msg::Link(Event::Silent) => {
                let (app, provider) = (&state.args.app, state.args.channel.as_str());
                tracing::warn!(%app, provider, "provider answers nothing, replacing the connection");
                state.tell(News::Silent);
            }
            Msg::Ended(cause) => state.end(cause),
            Msg::Close => match &state.sender {
                Some(sender) => sender.close(),
                None => state.end("not_needed"),
            },
            Msg::Forgotten => myself.stop(None),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Msg>,
        event: SupervisionEvent,
        _: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            // It has no children.
            SupervisionEvent::ActorStarted(_)
            | SupervisionEvent::ActorTerminated(..)
            | SupervisionEvent::ActorFailed(..)
            | SupervisionEvent::ProcessGroupChanged(_) => Ok(()),
        }
    }
}

impl State {
    fn dialled(&mut self, myself: &ActorRef<Msg>, dialled: fanfare_link::Result<(Sender, Driver)>) {
        match dialled {
            // Closed before it was open.
            _ if self.task.is_none() => {}
            Ok((sender, driver)) => self.drive(myself, sender, driver),
            Err(error) => {
                let (app, provider) = (&self.args.app, self.args.channel.as_str());
                let cause = error.label();
                tracing::warn!(%app, provider, cause, error = %chain(&error), "cannot connect");
                self.end("not_connected");
            }
        }
    }

    /// Connected: runs the driver, whose events come as messages.
    fn drive(&mut self, myself: &ActorRef<Msg>, sender: Sender, driver: Driver) {
        self.open = Some(OpenGauge::new(&self.args));
        self.sender = Some(sender);
        let events = myself.clone();
        let run = driver.run(move |event| {
            // Events for an actor that is gone are its crash's loss.
            drop(events.cast(Msg::Link(event)));
        });
        let ended = async move {
            match run.await {
                Ok(()) => Msg::Ended(CLOSED),
                Err(error) => Msg::Ended(error.label()),
            }
        };
        // A panic inside is an end like any other.
        let name = ("connection", "drive");
        let driving = task::spawn(myself, name, Msg::Ended(CRASHED), ended);
        self.task = Some(Task(driving));
        self.tell(News::Opened);
    }

    /// The last look before a push leaves, its encoding, and then the link has it.
    fn hand(&mut self, batch: Vec<Job>, token: Option<&Secret<HeaderValue>>, used: Generation) {
        let (now, handed_at) = (self.args.clock.now(), Instant::now());
        let mut back = Vec::new();
        let mut requests = Vec::with_capacity(batch.len());
        // Another node may have all of it by now, or know better.
        let is_over = self.args.tenure.is_over(now);
        for mut job in batch {
            if is_over {
                back.push(returned(job, How::Over));
                continue;
            }
            if self.is_stale(&job.delivery, now) {
                back.push(returned(job, How::Stale));
                continue;
            }
            let live = &job.delivery.live;
            if live.is_withdrawn() || live.is_cancelled() {
                back.push(returned(job, How::Over));
                continue;
            }
            match self.args.codec.encode(&job.delivery, token, now) {
                Err(Refused { outcome, reason }) => {
                    back.push(returned(job, How::Unsendable(outcome, reason)));
                }
                Ok(request) => {
                    job.delivery.attempts += 1;
                    let key = self.flights.insert(Flight::new(job, used, handed_at));
                    requests.push(fanfare_link::Request { key, request });
                }
            }
        }
        self.flights.enter(&requests);
        let refused = match &self.sender {
            Some(sender) => sender.send(requests).err(),
            None => Some(requests),
        };
        let mut landed = Landed::default();
        for request in refused.into_iter().flatten() {
            if let Some(flight) = self.flights.remove(request.key) {
                let mut job = flight.land(&mut landed);
                job.delivery.attempts -= 1;
                back.push(returned(job, How::NotTaken));
            }
        }
        drop(landed);
        self.give_back(back);
    }

    fn is_stale(&self, delivery: &Delivery, now: fanfare_types::Timestamp) -> bool {
        delivery.device.as_ref().is_some_and(|(device, _)| {
            let revocations = &self.args.revocations;
            revocations.standing(*device, delivery.routed_at, now) == Standing::Stale
        })
    }

    fn answers(&mut self, answers: Vec<Answer>) {
        let (now, answered_at) = (self.args.clock.now(), Instant::now());
        let mut back = Vec::with_capacity(answers.len());
        let (mut latencies, mut landed) = (InARow::new(), Landed::default());
        for answer in answers {
            let Some(flight) = self.flights.remove(answer.key) else {
                continue;
            };
            let judged = match answer.result {
                Ok(response) => {
                    self.latency(latencies.add(flight.handed_at), answered_at);
                    let (status, headers) = (response.status, &response.headers);
                    self.args
                        .codec
                        .classify(status, headers, &response.body, now)
                }
                Err(lost) => self::lost(lost),
            };
            back.push(landing(flight, judged, &mut landed));
        }
        self.latency(latencies.end(), answered_at);
        drop(landed);
        self.judged(&back);
        self.give_back(back);
    }

    fn latency(&self, handed: Option<(Instant, u64)>, answered_at: Instant) {
        if let Some((at, count)) = handed {
            let time = answered_at.saturating_duration_since(at);
            self.counters.latency(time, count);
        }
    }

    /// Counts the verdicts.
    fn judged(&self, back: &[Returned]) {
        let mut verdicts = InARow::new();
        let told = |(verdict, count)| self.counters.verdict(verdict, count);
        for Returned { how, .. } in back {
            if let How::Answered { verdict, .. } = how {
                verdicts.add(*verdict).into_iter().for_each(told);
            }
        }
        verdicts.end().into_iter().for_each(told);
    }

    fn give_back(&self, mut back: Vec<Returned>) {
        while back.len() > BATCH_MAX {
            let rest = back.split_off(BATCH_MAX);
            self.tell(News::Returned(std::mem::replace(&mut back, rest)));
        }
        if !back.is_empty() {
            self.tell(News::Returned(back));
        }
    }

    /// The link is gone: whatever it still owes was written, for all we know. What the pool hands over before it
    /// knows goes back untouched.
    fn end(&mut self, cause: &'static str) {
        if self.task.take().is_none() {
            return;
        }
        self.sender = None;
        let left = self.flights.drain();
        let mut landed = Landed::default();
        let back: Vec<_> = left
            .into_iter()
            .map(|flight| landing(flight, lost(Lost::Unknown), &mut landed))
            .collect();
        drop(landed);
        self.judged(&back);
        self.give_back(back);
        if let Some(mut open) = self.open.take() {
            open.cause = match (self.going_away, cause) {
                (true, CLOSED) => "going_away",
                _ => cause,
            };
        }
        self.tell(News::Closed);
    }

    fn tell(&self, news: News) {
        // A pool that is gone takes its connections with it.
        drop(self.args.pool.cast(pool::Msg::News(self.args.id, news)));
    }
}

impl Drop for State {
    /// After a crash, what it had goes back like that of any connection that ends.
    fn drop(&mut self) {
        self.end(CRASHED);
    }
}

fn landing(flight: Flight, judged: Judged, landed: &mut Landed) -> Returned {
    let how = How::Answered {
        verdict: judged.verdict,
        reason: judged.reason,
        token: flight.token,
    };
    returned(flight.land(landed), how)
}

fn returned(job: Job, how: How) -> Returned {
    Returned { job, how }
}

fn lost(lost: Lost) -> Judged {
    match lost {
        Lost::NotSent => Judged {
            verdict: Verdict::NotSent,
            reason: NOT_SENT,
        },
        Lost::Unknown => Judged {
            verdict: Verdict::Unknown,
            reason: NO_ANSWER,
        },
    }
}

/// An error with its causes, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
