//! What it costs to hand deliveries from one actor to another: a message of one, or of a batch.
//!
//! Floor: the same batches through a bare `tokio` channel, on the same single-threaded runtime.
//!
//! `cargo bench -p fanfare-benches --bench hops`

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};

/// Messages in a row, before whoever sent them waits for the last one.
const MESSAGES: usize = 1_024;

/// Stands for a delivery: what a hop moves of one is a pointer.
type Item = Box<[u64; 32]>;

enum Msg {
    Batch(Vec<Item>),
    /// All before has come.
    Flush(oneshot::Sender<usize>),
}

struct Counter;

impl Actor for Counter {
    type Msg = Msg;
    type State = usize;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Msg>, (): ()) -> Result<usize, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        _: ActorRef<Msg>,
        message: Msg,
        count: &mut usize,
    ) -> Result<(), ActorProcessingErr> {
        take(message, count);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Msg>,
        event: SupervisionEvent,
        _: &mut usize,
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

fn take(message: Msg, count: &mut usize) {
    match message {
        Msg::Batch(batch) => *count += black_box(batch).len(),
        Msg::Flush(reply) => drop(reply.send(std::mem::take(count))),
    }
}

/// Sends `MESSAGES` batches of `size` and waits until all have come.
async fn send(size: usize, cast: &impl Fn(Msg)) {
    for _ in 0..MESSAGES {
        cast(Msg::Batch((0..size).map(|_| Box::new([0; 32])).collect()));
    }
    let (reply, answer) = oneshot::channel();
    cast(Msg::Flush(reply));
    assert_eq!(answer.await, Ok(size * MESSAGES));
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

fn hops(c: &mut Criterion) {
    for size in [1, 8, 64] {
        let mut group = c.benchmark_group(format!("a hop of {size}"));
        group.throughput(Throughput::Elements((size * MESSAGES) as u64));
        let runtime = runtime();
        let (actor, _) = runtime
            .block_on(Actor::spawn(None, Counter, ()))
            .expect("it starts");
        let cast = |message| assert!(actor.cast(message).is_ok());
        group.bench_function("mailbox", |b| {
            b.iter(|| runtime.block_on(send(size, &cast)));
        });
        let (channel, mut mailbox) = mpsc::channel(MESSAGES + 1);
        runtime.spawn(async move {
            let mut count = 0;
            while let Some(message) = mailbox.recv().await {
                take(message, &mut count);
            }
        });
        let cast = |message| assert!(channel.try_send(message).is_ok());
        group.bench_function("floor: a bare channel", |b| {
            b.iter(|| runtime.block_on(send(size, &cast)));
        });
        let made = |b: &mut criterion::Bencher<'_>| {
            let batch = || (0..size).map(|_| Box::new([0_u64; 32])).collect::<Vec<_>>();
            b.iter(|| (0..MESSAGES).for_each(|_| drop(black_box(batch()))));
        };
        group.bench_function("of it: making the batches", made);
        group.finish();
    }
}

criterion_group!(benches, hops);
criterion_main!(benches);
