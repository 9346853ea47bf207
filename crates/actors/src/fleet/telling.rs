//! Telling the others. What is to be told while enough is on its way is told together, next.

use std::time::Duration;

use fanfare_core::fleet::Telling;
use fanfare_store::fleet::{Notice, NoticeId};
use fanfare_types::ids::Id96;
use fanfare_types::{NodeId, Timestamp};
use ractor::ActorRef;
use tokio::sync::oneshot;

use super::actor::{Args, Msg, State};
use crate::task;

/// Tellings on their way at once.
const AT_ONCE: usize = 8;

/// Told together.
const TOGETHER_MAX: usize = 256;

/// Those that wait; at it the next one is refused.
const WAITING_MAX: usize = 10_000;

/// How often a teller looks who has heard.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// So long is it tried. By then nobody relies upon what was read before.
const TELL_FOR: Duration = Duration::from_secs(30);

/// The others could not be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Untold;

type Waiting = (Notice, oneshot::Sender<Result<(), Untold>>);

pub(super) struct Tellings {
    /// Names what is told, for as long as this actor lives.
    teller: NodeId,
    count: u64,
    waiting: Vec<Waiting>,
    under_way: usize,
}

impl Tellings {
    pub(super) fn new(now: Timestamp, random: u64) -> Self {
        Tellings {
            teller: NodeId(Id96::new(now, random)),
            count: 0,
            waiting: Vec::new(),
            under_way: 0,
        }
    }
}

impl State {
    pub(super) fn tell(
        &mut self,
        notice: Notice,
        answer: oneshot::Sender<Result<(), Untold>>,
        myself: &ActorRef<Msg>,
    ) {
        if self.tellings.waiting.len() >= WAITING_MAX {
            // Whoever asked may have stopped waiting.
            let _ignored = answer.send(Err(Untold));
            return;
        }
        self.tellings.waiting.push((notice, answer));
        self.tell_on(myself);
    }

    pub(super) fn told(&mut self, myself: &ActorRef<Msg>) {
        self.tellings.under_way -= 1;
        self.tell_on(myself);
    }

    fn tell_on(&mut self, myself: &ActorRef<Msg>) {
        let tellings = &mut self.tellings;
        while tellings.under_way < AT_ONCE && !tellings.waiting.is_empty() {
            tellings.under_way += 1;
            tellings.count += 1;
            let id = NoticeId {
                from: tellings.teller,
                number: tellings.count,
            };
            let most = tellings.waiting.len().min(TOGETHER_MAX);
            let together = tellings.waiting.drain(..most).collect();
            // Who is not in, or not any more, tells everybody.
            let from = self.args.handle.0.id.lock().unwrap_or(tellings.teller);
            let tell = tell_all(self.args.clone(), from, id, together);
            task::spawn(myself, ("fleet", "tell"), Msg::Told, tell);
        }
    }
}

async fn tell_all(args: Args, from: NodeId, id: NoticeId, together: Vec<Waiting>) -> Msg {
    let (notices, answers): (Vec<_>, Vec<_>) = together.into_iter().unzip();
    let told = tokio::time::timeout(TELL_FOR, until_told(&args, from, id, notices)).await;
    let told = told.map_err(|_| {
        tracing::error!("other gateways could not be told of a change");
        Untold
    });
    for answer in answers {
        // Whoever asked may have stopped waiting.
        let _ignored = answer.send(told);
    }
    Msg::Told
}

async fn until_told(args: &Args, from: NodeId, id: NoticeId, notices: Vec<Notice>) {
    let limits = &args.config.limits;
    let to = loop {
        match args.fleet.tell(from, id, notices.clone()).await {
            Ok(to) => break to,
            Err(error) => {
                tracing::warn!(
                    error = error.label(),
                    "other gateways could not be told, tried again"
                );
                tokio::time::sleep(limits.poll).await;
            }
        }
    };
    let mut telling = Telling::new(to, limits.settled_after(), args.clock.now());
    while !telling.is_over(args.clock.now()) {
        tokio::time::sleep(LOOK_EVERY).await;
        // What cannot be read now is read the next time.
        if let Ok(heard) = args.fleet.heard(id).await {
            telling.on_heard(&heard);
        }
    }
}
