//! The supervisor of the pools: starts them, starts a dead one again, and replaces them when the configuration says
//! so.

use fanfare_core::pool::Recovery;
use fanfare_core::restart::{History, Verdict};
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use super::Args;
use super::table::{Entry, Table};
use crate::failpoint::{failpoint, failpoints, handling};
use crate::pool::{self, Pool};

pub(crate) enum Msg {
    /// Start the pool with this number again.
    Restart(usize),
    /// Go by this table from now on; its slots are empty. Answers when every pool of it is there.
    Reload(Box<Table>, RpcReplyPort<()>),
}

failpoints!("pools", Msg: Restart, Reload);

pub(crate) struct State {
    args: Args,
    pools: Vec<Child>,
    /// Replaced ones that have not ended yet.
    retired: Vec<ActorId>,
    /// Pools started under a credential of their own so far.
    numbered: usize,
}

struct Child {
    /// Never used again, whatever becomes of the pool.
    number: usize,
    entry: Entry,
    history: History,
    actor: Option<ActorRef<pool::Msg>>,
}

pub(crate) struct Supervisor;

impl Actor for Supervisor {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(
        &self,
        myself: ActorRef<Msg>,
        args: Args,
    ) -> Result<State, ActorProcessingErr> {
        failpoint!("pools", "pre_start");
        // Whatever a former supervisor had is gone with it.
        args.pools.0.retired.lock().clear();
        let entries = args.pools.0.table.read().entries().to_vec();
        let mut state = State {
            args,
            pools: Vec::new(),
            retired: Vec::new(),
            numbered: 0,
        };
        for entry in entries {
            let mut child = state.child(entry);
            state.start(&mut child, &myself).await?;
            state.pools.push(child);
        }
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        message: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        handling!(&message);
        match message {
            Msg::Restart(number) => state.restart(number, &myself).await,
            Msg::Reload(table, reply) => {
                state.reload(*table, &myself).await?;
                // Whoever asked may have stopped waiting.
                drop(reply.send(()));
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        failpoint!("pools", "supervision");
        match event {
            SupervisionEvent::ActorFailed(who, error) => {
                tracing::error!(%error, "pool crashed");
                state.died(who.get_id(), &error.to_string(), &myself);
            }
            // Nobody stops a pool but its supervisor's end, unless it was replaced.
            SupervisionEvent::ActorTerminated(who, ..) => {
                state.died(who.get_id(), "it ended", &myself);
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

impl State {
    fn child(&mut self, entry: Entry) -> Child {
        self.numbered += 1;
        Child {
            number: self.numbered,
            entry,
            history: History::default(),
            actor: None,
        }
    }

    /// Starts the child's pool and puts it into its slot.
    async fn start(
        &self,
        child: &mut Child,
        myself: &ActorRef<Msg>,
    ) -> Result<(), ActorProcessingErr> {
        let args = pool::Args {
            credential: child.entry.credential.clone(),
            pools: self.args.pools.clone(),
            outcomes: self.args.outcomes.clone(),
            dispatcher: self.args.dispatcher.clone(),
            revocations: self.args.revocations.clone(),
            tenure: self.args.tenure.clone(),
            link: self.args.link.clone(),
            recovery: self.args.recovery.clone(),
            clock: self.args.clock.clone(),
            random: self.args.random.clone(),
            telemetry: self.args.telemetry.clone(),
            senders: self.args.senders.clone(),
            first_sender: child.number,
            restart: self.args.restart.clone(),
            gave_up: self.args.gave_up.clone(),
        };
        let (pool, _) = Actor::spawn_linked(None, Pool, args, myself.get_cell()).await?;
        child.actor = Some(pool.clone());
        child.entry.slot.set(pool);
        Ok(())
    }

    async fn restart(&mut self, number: usize, myself: &ActorRef<Msg>) {
        // One that was replaced meanwhile is not started again.
        let Some(index) = self.pools.iter().position(|child| child.number == number) else {
            return;
        };
        let mut child = self.pools.swap_remove(index);
        let started = self.start(&mut child, myself).await;
        self.pools.push(child);
        if let Err(error) = started {
            tracing::error!(%error, "pool cannot be started");
            self.down(self.pools.len() - 1, &error.to_string(), myself);
        }
    }

    /// New pools first, then the table, then the old ones: at every moment what is delivered finds a pool.
    async fn reload(
        &mut self,
        mut table: Table,
        myself: &ActorRef<Msg>,
    ) -> Result<(), ActorProcessingErr> {
        let mut before = std::mem::take(&mut self.pools);
        let mut replaced = Vec::new();
        for index in 0..table.entries().len() {
            let mut entry = table.entries()[index].clone();
            let known = before
                .iter()
                .position(|child| child.entry.is_place_of(&entry.credential));
            let child = match known.map(|known| before.swap_remove(known)) {
                Some(child) if child.entry.credential.may_go_on_as(&entry.credential) => {
                    child.goes_on_as(entry, &self.args.recovery)
                }
                known => {
                    if let Some(known) = &known {
                        // In the same slot: what is on its way there meets one of the two.
                        entry.slot = known.entry.slot.clone();
                    }
                    let mut child = self.child(entry);
                    self.start(&mut child, myself).await?;
                    replaced.extend(known.and_then(|known| known.actor));
                    child
                }
            };
            table.set_slot(index, child.entry.slot.clone());
            self.pools.push(child);
        }
        *self.args.pools.0.table.write() = table;
        replaced.extend(before.into_iter().filter_map(|child| child.actor));
        self.retire(replaced);
        Ok(())
    }

    fn retire(&mut self, replaced: Vec<ActorRef<pool::Msg>>) {
        self.args
            .pools
            .0
            .retired
            .lock()
            .extend(replaced.iter().cloned());
        for pool in replaced {
            self.retired.push(pool.get_id());
            // One that died meanwhile lost what it had to the journal.
            drop(pool.cast(pool::Msg::Retire));
        }
    }

    fn died(&mut self, who: ActorId, why: &str, myself: &ActorRef<Msg>) {
        if let Some(index) = self.retired.iter().position(|retired| *retired == who) {
            self.retired.swap_remove(index);
            let mut retired = self.args.pools.0.retired.lock();
            return retired.retain(|pool| pool.get_id() != who);
        }
        let is_it = |child: &Child| child.actor.as_ref().is_some_and(|a| a.get_id() == who);
        if let Some(index) = self.pools.iter().position(is_it) {
            self.down(index, why, myself);
        }
    }

    /// It is not there (any more): once more, or never again.
    fn down(&mut self, index: usize, why: &str, myself: &ActorRef<Msg>) {
        let child = &mut self.pools[index];
        child.actor = None;
        let now = self.args.clock.now();
        match child.history.on_death(&self.args.restart, now) {
            Verdict::Restart(delay) => {
                self.args.telemetry.actor_restarted("pool");
                let number = child.number;
                drop(myself.send_after(delay, move || Msg::Restart(number)));
            }
            Verdict::GiveUp => {
                let app = child.entry.credential.app();
                let provider = child.entry.credential.channel();
                (self.args.gave_up)(format!("pool of {app} ({provider}) keeps crashing: {why}"));
            }
        }
    }
}

impl Child {
    /// The same account, maybe under other limits.
    fn goes_on_as(mut self, entry: Entry, recovery: &Recovery) -> Self {
        if let Some(pool) = &self.actor {
            // One that just died starts again with them.
            let limits = entry.credential.limits(recovery);
            drop(pool.cast(pool::Msg::Limits(Box::new(limits))));
        }
        self.entry.credential = entry.credential;
        self
    }
}
