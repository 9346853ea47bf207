//! One run of a campaign: from a start, a resume or a restart to a pause, a drain or the end.
//!
//! ```text
//! load ─▶ open chunks of former runs ─▶ pages of the shards ─▶ chunks ─▶ (sent, recorded) ─▶ finish
//!                                          ▲  while the window has room │
//!                                          └────────────────────────────┘
//! ```
//!
//! A chunk is opened before anything of it is sent, and what was opened is found by the next run. So whatever goes
//! wrong, a run may be withdrawn and another one begun from the store, once nothing of the former is with anybody: it
//! is how losses, and whatever else makes the books doubtful, are mended.

mod shards;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use fanfare_types::{NotificationId, Timestamp};

use shards::Shards;

#[derive(Clone, Debug)]
pub struct Limits {
    /// Recipients of a chunk. Default 1,024; fewer when the window is small, so that several fit.
    pub chunk: usize,
    /// Shards that are read or opened at once. Default 4: one fsync for all of them.
    pub shards_at_once: usize,
    /// Wait after the store failed; doubles up to `retry_delay_max`. Default 50 ms.
    pub retry_delay_min: Duration,
    /// Default 5 s.
    pub retry_delay_max: Duration,
    /// How often a withdrawn run looks whether it is gone. Default 20 ms.
    pub look_every: Duration,
    /// How often a run without room looks whether some of what it holds was set aside. Default 500 ms.
    pub look_for_room: Duration,
    /// Among several nodes each runs the part of a campaign that is its own: how often one that has done it looks whether
    /// the others have. `None`, the default: there are no others.
    pub rest: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            chunk: 1_024,
            shards_at_once: 4,
            retry_delay_min: Duration::from_millis(50),
            retry_delay_max: Duration::from_secs(5),
            look_every: Duration::from_millis(20),
            look_for_room: Duration::from_millis(500),
            rest: None,
        }
    }
}

/// Chunks that a window holds at least, so that one is read while others are sent.
const CHUNKS_PER_WINDOW: usize = 8;

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    Send,
    /// The campaign was cancelled: what was opened and waits ends, nothing more is read.
    Cancel,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing is left to do.
    Finished,
    /// It was withdrawn, and nothing of it is with anybody.
    Withdrawn,
    /// The same, and it begins again from the store.
    Again,
}

/// What the shell carries out. Each but the last two is a task that comes back as the event of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The shards, and how many recipients were opened and have no outcome.
    Load,
    /// The next chunks that a former run left, at most `limit`.
    ReadChunks {
        limit: usize,
    },
    /// The next page of a shard.
    ReadPage {
        shard: u32,
        limit: usize,
    },
    /// Open the page that was read of this shard. After a failure the very same again.
    Open {
        shard: u32,
    },
    /// Everything of this node's part has ended: write so of the campaign, if the store says so of all of it.
    Finish,
    /// Withdraw what the run has handed on.
    Withdraw,
    /// Call [`Run::on_wake`] at this instant.
    WakeAt(Timestamp),
    Over(End),
}

/// The store failed, or a task panicked; it is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

/// What became of an [`Effect::Finish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// The campaign is over.
    All,
    /// This node's part is; other nodes have not done theirs.
    Own,
    /// The store knows of more, or the campaign is paused by now.
    Neither,
}

/// What [`Effect::Load`] found: of this node's part.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Numbers of the shards, and whether they were read to their end.
    pub shards: Vec<(u32, bool)>,
    /// Recipients of open chunks without an outcome.
    pub left: u64,
}

/// A chunk in memory, and its recipients without an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenChunk {
    pub id: NotificationId,
    pub left: usize,
}

/// What became of an [`Effect::Open`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// `chunk`: none when the page had no recipients, or all of them ended at once.
    Done {
        chunk: Option<OpenChunk>,
        is_last: bool,
    },
    /// Somebody else moved the cursor: a former run's open that came late.
    Lost,
}

#[derive(Debug)]
pub struct Run {
    limits: Limits,
    aim: Aim,
    stage: Stage,
    window: usize,
    shards: Shards,
    open: HashMap<NotificationId, usize>,
    /// Sum of `open`.
    left: usize,
    /// Of what was loaded: recipients whose chunks were not met yet.
    unmet: u64,
    /// Tasks under way, those of shards aside.
    tasks: usize,
    failures: u32,
    paused_until: Timestamp,
    timer: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Loading,
    /// Takes in what former runs left.
    Recovering,
    Reading,
    Finishing,
    /// Waits for other nodes until then.
    Resting(Timestamp),
    /// Ends so as soon as nothing of it is with anybody.
    Withdrawn(End),
    Over,
}

impl Run {
    pub fn new(limits: Limits, aim: Aim, window: usize) -> Self {
        Run {
            shards: Shards::new(limits.shards_at_once),
            limits,
            aim,
            stage: Stage::Loading,
            window,
            open: HashMap::new(),
            left: 0,
            unmet: 0,
            tasks: 0,
            failures: 0,
            paused_until: Timestamp::default(),
            timer: None,
        }
    }

    pub fn is_withdrawn(&self) -> bool {
        matches!(self.stage, Stage::Withdrawn(_))
    }

    /// Recipients in memory, or with room kept for them.
    pub fn held(&self) -> usize {
        self.left + self.shards.held()
    }

    /// Begins, or goes on under another window (recipients in memory at most).
    pub fn on_window(&mut self, window: usize, now: Timestamp, effects: &mut Vec<Effect>) {
        self.window = window;
        self.pump(now, effects);
    }

    pub fn on_loaded(
        &mut self,
        loaded: Result<Loaded, Failed>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.tasks -= 1;
        match self.settled(loaded, now) {
            Some(loaded) if self.stage == Stage::Loading => {
                self.shards.set(&loaded.shards);
                self.unmet = loaded.left;
                self.stage = Stage::Recovering;
            }
            Some(_) | None => {}
        }
        self.pump(now, effects);
    }

    /// Chunks of former runs; `is_last`: there are no more.
    pub fn on_chunks(
        &mut self,
        chunks: Result<(Vec<OpenChunk>, bool), Failed>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.tasks -= 1;
        if let Some((chunks, is_last)) = self.settled(chunks, now)
            && self.stage == Stage::Recovering
        {
            let mut found = 0;
            for chunk in chunks {
                found += chunk.left as u64;
                self.take_in(chunk);
            }
            match self.unmet.checked_sub(found) {
                Some(0) if is_last => self.stage = Stage::Reading,
                Some(unmet) if !is_last => self.unmet = unmet,
                // A former run's open became durable in between.
                Some(_) | None => self.withdraw(End::Again, effects),
            }
        }
        self.pump(now, effects);
    }

    /// A page was read: so many recipients.
    pub fn on_page(
        &mut self,
        shard: u32,
        page: Result<usize, Failed>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let recipients = self.settled(page, now);
        self.shards.on_page(shard, recipients);
        self.pump(now, effects);
    }

    pub fn on_opened(
        &mut self,
        shard: u32,
        opened: Result<Opened, Failed>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        match self.settled(opened, now) {
            None => self.shards.on_not_opened(shard),
            Some(Opened::Done { chunk, is_last }) => {
                self.shards.on_opened(shard, is_last);
                chunk.into_iter().for_each(|chunk| self.take_in(chunk));
            }
            Some(Opened::Lost) => {
                self.shards.on_not_opened(shard);
                self.withdraw(End::Again, effects);
            }
        }
        self.pump(now, effects);
    }

    /// Outcomes of a chunk are durable, and so many of its recipients have none.
    pub fn on_recorded(&mut self, chunk: OpenChunk) {
        let Some(before) = self.open.get_mut(&chunk.id) else {
            return;
        };
        self.left = self.left - *before + chunk.left;
        *before = chunk.left;
        if chunk.left == 0 {
            self.open.remove(&chunk.id);
        }
    }

    /// Deliveries were lost to a crash, or to a pool that is not there; or another part of the campaign is this node's
    /// now: all of it begins again from the store.
    pub fn on_lost(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.withdraw(End::Again, effects);
        self.pump(now, effects);
    }

    /// The campaign was paused, the gateway drains, or the app is not served.
    pub fn on_withdrawn(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.withdraw(End::Withdrawn, effects);
        self.pump(now, effects);
    }

    /// The campaign was cancelled.
    pub fn on_cancelled(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.aim = Aim::Cancel;
        self.shards.stop();
        self.pump(now, effects);
    }

    pub fn on_finished(
        &mut self,
        finished: Result<Finished, Failed>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.tasks -= 1;
        let finished = self.settled(finished, now);
        if self.stage == Stage::Finishing {
            match (finished, self.limits.rest) {
                (Some(Finished::All), _) => self.over(End::Finished, effects),
                (Some(Finished::Own), Some(rest)) => self.stage = Stage::Resting(now + rest),
                (Some(Finished::Own | Finished::Neither), _) => {
                    self.withdraw(End::Again, effects);
                }
                (None, _) => self.stage = Stage::Reading,
            }
        }
        self.pump(now, effects);
    }

    /// `is_held`: something of this run is with somebody. Only looked at when it is withdrawn.
    pub fn on_wake(&mut self, is_held: bool, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.timer.is_some_and(|timer| timer <= now) {
            self.timer = None;
        }
        if let Stage::Withdrawn(end) = self.stage
            && !is_held
            && !self.is_busy()
        {
            self.over(end, effects);
        }
        self.pump(now, effects);
    }

    fn is_busy(&self) -> bool {
        self.tasks > 0 || self.shards.is_busy()
    }

    fn take_in(&mut self, chunk: OpenChunk) {
        if chunk.left > 0 {
            self.left += chunk.left;
            self.open.insert(chunk.id, chunk.left);
        }
    }

    /// Notes how a task ended.
    fn settled<T>(&mut self, result: Result<T, Failed>, now: Timestamp) -> Option<T> {
        match result {
            Ok(done) => {
                self.failures = 0;
                Some(done)
            }
            Err(Failed) => {
                let doublings = 2u32.saturating_pow(self.failures);
                let delay = self.limits.retry_delay_min.saturating_mul(doublings);
                self.failures = self.failures.saturating_add(1);
                let until = now + delay.min(self.limits.retry_delay_max);
                self.paused_until = self.paused_until.max(until);
                None
            }
        }
    }

    fn withdraw(&mut self, end: End, effects: &mut Vec<Effect>) {
        match self.stage {
            Stage::Over => return,
            // Whoever withdrew it for good does not want it again.
            Stage::Withdrawn(End::Withdrawn) => return,
            _ => {}
        }
        self.stage = Stage::Withdrawn(end);
        self.shards.stop();
        effects.push(Effect::Withdraw);
    }

    fn over(&mut self, end: End, effects: &mut Vec<Effect>) {
        self.stage = Stage::Over;
        effects.push(Effect::Over(end));
    }

    /// Does what there is room for.
    fn pump(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        match self.stage {
            Stage::Over | Stage::Finishing => {}
            Stage::Withdrawn(_) => self.wake_at(now + self.limits.look_every, effects),
            Stage::Resting(until) if now < until => self.wake_at(until, effects),
            Stage::Resting(_) => self.finish(effects),
            _ if now < self.paused_until => self.wake_at(self.paused_until, effects),
            Stage::Loading => self.task(Effect::Load, effects),
            Stage::Recovering => self.recover(effects),
            Stage::Reading => self.read(now, effects),
        }
    }

    /// One task at a time but for the shards'.
    fn task(&mut self, effect: Effect, effects: &mut Vec<Effect>) {
        if self.tasks == 0 {
            self.tasks += 1;
            effects.push(effect);
        }
    }

    /// What was left may be more than a smaller window holds: one chunk always goes.
    fn recover(&mut self, effects: &mut Vec<Effect>) {
        let room = self.window.saturating_sub(self.left);
        if self.left == 0 || room >= self.chunk() {
            let limit = (room / self.limits.chunk).max(1);
            self.task(Effect::ReadChunks { limit }, effects);
        }
    }

    fn read(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.aim == Aim::Send {
            let chunk = self.chunk();
            let room = self.window.saturating_sub(self.held());
            self.shards.pump(room, chunk, effects);
            if room < chunk && self.left > 0 && !self.shards.are_done() {
                self.wake_at(now + self.limits.look_for_room, effects);
            }
        }
        if self.left > 0 || self.is_busy() {
            return;
        }
        match self.aim {
            Aim::Cancel if self.limits.rest.is_none() => self.over(End::Finished, effects),
            Aim::Cancel => self.finish(effects),
            Aim::Send if self.shards.are_done() => self.finish(effects),
            Aim::Send => {}
        }
    }

    fn finish(&mut self, effects: &mut Vec<Effect>) {
        self.stage = Stage::Finishing;
        self.task(Effect::Finish, effects);
    }

    fn chunk(&self) -> usize {
        (self.window / CHUNKS_PER_WINDOW).clamp(1, self.limits.chunk.max(1))
    }

    fn wake_at(&mut self, at: Timestamp, effects: &mut Vec<Effect>) {
        if self.timer.is_none_or(|timer| at < timer) {
            self.timer = Some(at);
            effects.push(Effect::WakeAt(at));
        }
    }
}
