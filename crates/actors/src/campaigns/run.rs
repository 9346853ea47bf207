//! One campaign's run: reads its shards, opens chunks, hands their deliveries on and hears how they end.
//!
//! Parent: the supervisor of campaigns, which starts it again from the store. What a crash costs is time: the successor
//! withdraws the run, waits until nothing of it is with anybody, and goes on with what the store has. Nothing is sent
//! twice for it.

mod feed;
mod opening;
mod tasks;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fanfare_core::admission::Admission;
use fanfare_core::campaign::run::{Aim, Effect, End, Failed, Finished, Opened};
use fanfare_core::campaign::{self, Again};
use fanfare_store::Store;
use fanfare_store::campaigns::{Cursor, OpenChunk, StoredCampaign};
use fanfare_telemetry::Telemetry;
use fanfare_types::{
    AppId, CampaignId, CampaignState, Clock, Delivery, NotificationId, OnLoss, Pace, Run, Slot,
    Timestamp,
};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use super::runs::{Running, Runs};
use crate::dispatcher::DispatcherHandle;
use crate::failpoint::{failpoint, failpoints, handling};
use crate::fleet::FleetHandle;
use crate::random::Random;
use crate::task;
use feed::{Feed, Shared};
use opening::Page;
use tasks::Load;

/// How long what waits for permits waits before it asks again, from half of this to the whole.
const ROOM_POLL: Duration = Duration::from_millis(20);

#[derive(Clone)]
pub(crate) struct Args {
    pub(crate) app: AppId,
    pub(crate) id: CampaignId,
    pub(crate) ways: Ways,
}

/// What every run is given.
#[derive(Clone)]
pub(crate) struct Ways {
    pub(crate) limits: campaign::run::Limits,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) runs: Runs,
    pub(crate) fleet: FleetHandle,
    pub(crate) dispatcher: DispatcherHandle,
    /// Where freshly routed deliveries go.
    pub(crate) pools: Arc<dyn Fn(Vec<Delivery>) + Send + Sync>,
    /// Has everybody look at what they hold of an app: something of it was withdrawn or cancelled.
    pub(crate) sweep: Arc<dyn Fn(&AppId) + Send + Sync>,
    pub(crate) telemetry: Telemetry,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
}

pub(crate) enum Msg {
    /// Begin, as soon as nothing of a former run is with anybody.
    Begin,
    /// The campaign as it stands in the store.
    Found(Result<Option<Box<StoredCampaign>>, Failed>),
    Loaded(Result<Box<Load>, Failed>),
    /// Chunks that former runs left, and whether these are the last.
    Chunks(Result<(Vec<OpenChunk>, bool), Failed>),
    Page(u32, Result<Box<Page>, Failed>),
    Opened(u32, Result<bool, Failed>),
    /// Outcomes of these chunks are durable, so many.
    Recorded(Vec<NotificationId>, u64),
    /// A delivery was lost.
    Lost,
    /// This node holds other slots.
    Moved,
    /// Paused, cancelled, or nothing of that.
    Look,
    /// Recipients it may have in memory.
    Share(campaign::Share),
    /// Something waits for permits.
    Feed,
    Wake,
    /// Whether it is written that it has ended.
    Finished(Result<Finished, Failed>),
}

failpoints!("campaign", Msg: Begin, Found, Loaded, Chunks, Page, Opened, Recorded, Lost, Moved, Look, Share, Feed, Wake,
    Finished);

pub(crate) struct State {
    args: Args,
    share: campaign::Share,
    again: Again,
    present: Option<Present>,
    effects: Vec<Effect>,
}

/// The run under way.
struct Present {
    core: campaign::Run,
    fleet: FleetHandle,
    running: Arc<Running>,
    shared: Shared,
    stored: Box<StoredCampaign>,
    begun: Timestamp,
    on_loss: OnLoss,
    /// Where each shard that is read goes on.
    cursors: HashMap<u32, Cursor>,
    pages: HashMap<u32, Page>,
    /// The last of the chunks that were recovered.
    recovered: Option<NotificationId>,
    feeds: VecDeque<Feed>,
    is_feed_timed: bool,
    is_cancelled: bool,
}

pub(crate) struct Campaign;

impl Actor for Campaign {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(
        &self,
        myself: ActorRef<Msg>,
        args: Args,
    ) -> Result<State, ActorProcessingErr> {
        failpoint!("campaign", "pre_start");
        myself.cast(Msg::Begin)?;
        Ok(State {
            args,
            share: campaign::Share::default(),
            again: Again::default(),
            present: None,
            effects: Vec::new(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        message: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        handling!(&message);
        state.on(message, &myself);
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
    fn on(&mut self, message: Msg, myself: &ActorRef<Msg>) {
        let now = self.args.ways.clock.now();
        match message {
            Msg::Begin => return self.begin(myself),
            Msg::Found(found) => self.found(found, now, myself),
            Msg::Share(share) => self.share = share,
            message => {
                let State {
                    present: Some(present),
                    args,
                    effects,
                    ..
                } = self
                else {
                    // Of a run that is over.
                    return;
                };
                present.look(now, effects);
                present.on(message, args, now, effects);
            }
        }
        self.go_on(now, myself);
    }

    /// Looks the campaign up, once nothing of a former run is with anybody.
    fn begin(&mut self, myself: &ActorRef<Msg>) {
        let ways = &self.args.ways;
        if let Some(former) = ways.runs.get(self.args.id) {
            former.run.withdraw();
            if former.ledger.lock().is_held() {
                (ways.sweep)(&self.args.app);
                drop(myself.send_after(ways.limits.look_every, || Msg::Begin));
                return;
            }
        }
        let find = tasks::find(self.args.clone());
        task::spawn(myself, ("campaign", "find"), Msg::Found(Err(Failed)), find);
    }

    fn found(
        &mut self,
        found: Result<Option<Box<StoredCampaign>>, Failed>,
        now: Timestamp,
        myself: &ActorRef<Msg>,
    ) {
        let Ok(found) = found else {
            let delay = self.again.after(Duration::ZERO);
            drop(myself.send_after(delay, || Msg::Begin));
            return;
        };
        let aim = match found.as_ref().map(|found| found.standing.state) {
            Some(CampaignState::Running) => Aim::Send,
            Some(CampaignState::Cancelled) => Aim::Cancel,
            Some(_) | None => return self.end(myself),
        };
        let Some(stored) = found else { return };
        let record = &stored.record;
        let run = Run::new(record.id, record.missing_variable, Pace::new(None));
        if aim == Aim::Cancel {
            run.cancel();
        }
        let shared = Shared::of(record, stored.standing.expires_at);
        let is_part = self.args.ways.limits.rest.is_some();
        let running = Running::new(run, myself.clone(), is_part, now);
        // From here on whoever pauses or cancels it finds it; what was written before is read again.
        self.args.ways.runs.enter(&running);
        let core = campaign::Run::new(self.args.ways.limits.clone(), aim, 0);
        self.present = Some(Present {
            core,
            fleet: self.args.ways.fleet.clone(),
            running,
            shared,
            stored,
            begun: now,
            on_loss: on_loss(myself),
            cursors: HashMap::new(),
            pages: HashMap::new(),
            recovered: None,
            feeds: VecDeque::new(),
            is_feed_timed: false,
            is_cancelled: aim == Aim::Cancel,
        });
    }

    /// Carries out what follows from the last message.
    fn go_on(&mut self, now: Timestamp, myself: &ActorRef<Msg>) {
        let Some(present) = &mut self.present else {
            return;
        };
        let run = &present.running.run;
        let rate = run.pace.thousandths().map(|rate| rate.div_ceil(1_000));
        let window = campaign::window(self.share, rate, run.aside());
        present.core.on_window(window, now, &mut self.effects);
        present.feed(&self.args, now, myself);
        let mut over = None;
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Over(end) => over = Some(end),
                effect => present.perform(effect, &self.args, now, myself),
            }
        }
        match over {
            None => {}
            Some(End::Again) => {
                let lasted = now.since(present.begun);
                self.present = None;
                let delay = self.again.after(lasted);
                drop(myself.send_after(delay, || Msg::Begin));
            }
            Some(End::Finished | End::Withdrawn) => self.end(myself),
        }
    }

    /// Nothing is with anybody: its supervisor looks whether there is to be another run.
    fn end(&mut self, myself: &ActorRef<Msg>) {
        let present = self.present.take().map(|present| present.running);
        let entered = present.or_else(|| self.args.ways.runs.get(self.args.id));
        if let Some(running) = entered {
            self.args.ways.runs.leave(&running);
        }
        myself.stop(None);
    }
}

impl Present {
    /// Whether it was paused or cancelled meanwhile.
    fn look(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let run = &self.running.run;
        if run.is_cancelled() && !self.is_cancelled {
            self.is_cancelled = true;
            self.core.on_cancelled(now, effects);
        } else if run.is_withdrawn() && !self.core.is_withdrawn() {
            self.core.on_withdrawn(now, effects);
        }
    }

    fn on(&mut self, message: Msg, args: &Args, now: Timestamp, effects: &mut Vec<Effect>) {
        match message {
            Msg::Loaded(loaded) => self.loaded(loaded, now, effects),
            Msg::Chunks(chunks) => self.chunks(chunks, now, effects),
            Msg::Page(shard, page) => {
                let page = page.map(|page| {
                    let count = page.recipients();
                    self.pages.insert(shard, *page);
                    count
                });
                self.core.on_page(shard, page, now, effects);
            }
            Msg::Opened(shard, opened) => {
                let opened = opened.map(|is_new| match is_new {
                    true => self.opened(shard, args, now),
                    false => Opened::Lost,
                });
                self.core.on_opened(shard, opened, now, effects);
            }
            Msg::Recorded(chunks, ended) => {
                for chunk in self.running.ledger.lock().on_recorded(chunks, ended, now) {
                    self.core.on_recorded(chunk);
                }
            }
            Msg::Lost if !self.core.is_withdrawn() => {
                // With a slot that is lost its deliveries go.
                if self.holds_all(args) {
                    tracing::warn!(campaign = %args.id, "deliveries left memory unsent, the campaign begins again");
                }
                self.core.on_lost(now, effects);
            }
            Msg::Moved if !self.core.is_withdrawn() => self.core.on_lost(now, effects),
            Msg::Wake => {
                let is_held = self.core.is_withdrawn() && self.is_held();
                self.core.on_wake(is_held, now, effects);
            }
            Msg::Finished(finished) => self.core.on_finished(finished, now, effects),
            Msg::Feed => self.is_feed_timed = false,
            Msg::Lost | Msg::Moved | Msg::Look | Msg::Begin | Msg::Found(_) | Msg::Share(_) => {}
        }
    }

    fn holds_all(&self, args: &Args) -> bool {
        let mut slots = self.cursors.keys().map(|shard| Slot::of_shard(*shard));
        slots.all(|slot| args.ways.fleet.hold(slot).is_some())
    }

    /// What waits here goes with a withdrawn run; the rest is told by its own end.
    fn is_held(&mut self) -> bool {
        self.feeds.clear();
        self.running.ledger.lock().is_held()
    }

    fn perform(&mut self, effect: Effect, args: &Args, now: Timestamp, myself: &ActorRef<Msg>) {
        let own = args.clone();
        match effect {
            Effect::Load => {
                let load = tasks::load(own, self.is_cancelled);
                task::spawn(myself, ("campaign", "load"), Msg::Loaded(Err(Failed)), load);
            }
            Effect::ReadChunks { limit } => {
                let read = tasks::read_chunks(own, self.recovered, limit);
                task::spawn(
                    myself,
                    ("campaign", "chunks"),
                    Msg::Chunks(Err(Failed)),
                    read,
                );
            }
            Effect::ReadPage { shard, limit } => {
                let after = self.cursors.get(&shard).cloned().unwrap_or_default();
                let audience = self.shared.audience.clone();
                let read = opening::read(own, audience, shard, after, limit);
                let panicked = Msg::Page(shard, Err(Failed));
                task::spawn(myself, ("campaign", "page"), panicked, read);
            }
            Effect::Open { shard } => {
                let chunk = self.chunk(shard, args, now);
                let open = opening::open(own, shard, chunk);
                let panicked = Msg::Opened(shard, Err(Failed));
                task::spawn(myself, ("campaign", "open"), panicked, open);
            }
            Effect::Finish => {
                let finish = tasks::finish(own);
                let panicked = Msg::Finished(Err(Failed));
                task::spawn(myself, ("campaign", "finish"), panicked, finish);
            }
            Effect::Withdraw => {
                self.feeds.clear();
                self.running.run.withdraw();
                (args.ways.sweep)(&args.app);
            }
            Effect::WakeAt(at) => drop(myself.send_after(at.since(now), || Msg::Wake)),
            // The caller's.
            Effect::Over(_) => {}
        }
    }
}

/// Tells the actor of losses, once for a run.
fn on_loss(myself: &ActorRef<Msg>) -> OnLoss {
    let (actor, told) = (myself.clone(), AtomicBool::new(false));
    Arc::new(move || {
        if !told.swap(true, Ordering::AcqRel) {
            // Whoever comes after one that died reads everything anew.
            drop(actor.cast(Msg::Lost));
        }
    })
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "campaign::Args({})", self.id)
    }
}

impl fmt::Debug for Msg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("campaign::Msg")
    }
}
