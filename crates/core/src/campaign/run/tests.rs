//! What the machine does, one event after the other.

use fanfare_types::{NotificationId, Timestamp};

use super::*;

const NOW: Timestamp = Timestamp(1_000);

fn id(n: u64) -> NotificationId {
    NotificationId::new(Timestamp(1), n)
}

fn chunk(n: u64, left: usize) -> OpenChunk {
    OpenChunk { id: id(n), left }
}

/// A run, and what it asked for last.
struct Rig {
    run: Run,
    now: Timestamp,
    effects: Vec<Effect>,
}

impl Rig {
    fn new(aim: Aim, window: usize) -> Self {
        Rig::with(Limits::default(), aim, window)
    }

    /// One part of a campaign among several nodes.
    fn part(aim: Aim) -> Self {
        let limits = Limits {
            rest: Some(Duration::from_secs(1)),
            ..Limits::default()
        };
        Rig::with(limits, aim, 100)
    }

    fn with(limits: Limits, aim: Aim, window: usize) -> Self {
        let mut rig = Rig {
            run: Run::new(limits, aim, 0),
            now: NOW,
            effects: Vec::new(),
        };
        rig.run.on_window(window, NOW, &mut rig.effects);
        assert_eq!(rig.took(), [Effect::Load]);
        rig
    }

    /// Loaded, with so many shards and nothing that a former run left.
    fn reading(window: usize, shards: u32) -> Self {
        let mut rig = Rig::new(Aim::Send, window);
        rig.loaded((0..shards).map(|n| (n, false)).collect(), 0);
        assert_eq!(rig.took().len(), 1);
        rig.chunks(Vec::new(), true);
        rig
    }

    fn took(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    fn loaded(&mut self, shards: Vec<(u32, bool)>, left: u64) {
        let loaded = Ok(Loaded { shards, left });
        self.run.on_loaded(loaded, self.now, &mut self.effects);
    }

    fn chunks(&mut self, chunks: Vec<OpenChunk>, is_last: bool) {
        let chunks = Ok((chunks, is_last));
        self.run.on_chunks(chunks, self.now, &mut self.effects);
    }

    fn page(&mut self, shard: u32, recipients: usize) {
        let page = Ok(recipients);
        self.run.on_page(shard, page, self.now, &mut self.effects);
    }

    fn opened(&mut self, shard: u32, chunk: Option<OpenChunk>, is_last: bool) {
        let opened = Ok(Opened::Done { chunk, is_last });
        self.run
            .on_opened(shard, opened, self.now, &mut self.effects);
    }

    fn recorded(&mut self, chunk: OpenChunk, window: usize) {
        self.run.on_recorded(chunk);
        self.run.on_window(window, self.now, &mut self.effects);
    }

    fn wake(&mut self, is_held: bool) {
        self.now = self.now + Duration::from_secs(10);
        self.run.on_wake(is_held, self.now, &mut self.effects);
    }
}

fn read(shard: u32, limit: usize) -> Effect {
    Effect::ReadPage { shard, limit }
}

#[test]
fn a_page_is_read_opened_and_sent_and_the_campaign_ends() {
    let mut rig = Rig::reading(8_192, 1);
    assert_eq!(rig.took(), [read(0, 1_024)]);
    rig.page(0, 10);
    assert_eq!(rig.took(), [Effect::Open { shard: 0 }]);
    rig.opened(0, Some(chunk(1, 10)), true);
    assert_eq!(rig.took(), []);
    rig.recorded(chunk(1, 4), 8_192);
    assert_eq!((rig.run.held(), rig.took()), (4, vec![]));
    rig.recorded(chunk(1, 0), 8_192);
    assert_eq!(rig.took(), [Effect::Finish]);
    rig.run
        .on_finished(Ok(Finished::All), NOW, &mut rig.effects);
    assert_eq!(rig.took(), [Effect::Over(End::Finished)]);
}

#[test]
fn no_more_is_read_than_the_window_has_room_for() {
    let mut rig = Rig::reading(2_048, 8);
    // Chunks of an eighth of the window, four shards at once.
    let first: Vec<_> = (0..4).map(|shard| read(shard, 256)).collect();
    assert_eq!(rig.took(), first);
    let (mut opened, mut number) = (Vec::new(), 0);
    let (mut next, mut woken) = (first, 0);
    while !next.is_empty() {
        for effect in std::mem::take(&mut next) {
            match effect {
                Effect::ReadPage { shard, limit } => rig.page(shard, limit),
                Effect::Open { shard } => {
                    number += 1;
                    opened.push(chunk(number, 256));
                    rig.opened(shard, Some(chunk(number, 256)), false);
                }
                Effect::WakeAt(_) => woken += 1,
                other => panic!("{other:?}"),
            }
            assert!(rig.run.held() <= 2_048);
        }
        next = rig.took();
    }
    assert_eq!(woken, 1, "it looks for room by itself");
    assert_eq!((opened.len(), rig.run.held()), (8, 2_048));
    rig.recorded(chunk(1, 1), 2_048);
    assert_eq!(rig.took(), [], "room for less than a chunk");
    rig.recorded(chunk(1, 0), 2_048);
    assert_eq!(rig.took().len(), 1);
    // Some of what it holds was set aside, and nothing came of it but the time to look.
    rig.page(0, 256);
    rig.opened(0, Some(chunk(9, 256)), false);
    rig.took();
    rig.wake(false);
    assert!(matches!(rig.took()[..], [Effect::WakeAt(_)]));
    rig.run.on_window(2_048 + 512, rig.now, &mut rig.effects);
    assert_eq!(rig.took()[..1], [read(0, 320)]);
}

#[test]
fn what_former_runs_left_comes_first_and_a_chunk_at_least() {
    let mut rig = Rig::new(Aim::Send, 100);
    rig.loaded(vec![(0, true), (1, false)], 1_500);
    assert_eq!(rig.took(), [Effect::ReadChunks { limit: 1 }]);
    rig.chunks(vec![chunk(1, 1_000)], false);
    assert_eq!(rig.took(), [], "more than the window is left");
    rig.recorded(chunk(1, 0), 100);
    assert_eq!(rig.took(), [Effect::ReadChunks { limit: 1 }]);
    rig.chunks(vec![chunk(2, 500)], false);
    rig.recorded(chunk(2, 0), 100);
    assert_eq!(rig.took(), [Effect::ReadChunks { limit: 1 }]);
    rig.chunks(Vec::new(), true);
    assert_eq!(rig.took(), [read(1, 12)]);
}

#[test]
fn a_former_runs_late_open_has_all_begin_again() {
    // Among the chunks, and not in the campaign's row; or the other way about.
    for (left, found) in [(0, 10), (10, 0)] {
        let mut rig = Rig::new(Aim::Send, 100);
        rig.loaded(vec![(0, false)], left);
        rig.took();
        let chunks = (found > 0).then(|| chunk(1, found));
        rig.chunks(chunks.into_iter().collect(), true);
        assert_eq!(rig.took()[0], Effect::Withdraw);
        rig.wake(false);
        assert_eq!(rig.took(), [Effect::Over(End::Again)]);
    }
    // Or it moved the cursor.
    let mut rig = Rig::reading(100, 1);
    rig.page(0, 10);
    let lost = Ok(Opened::Lost);
    rig.run.on_opened(0, lost, NOW, &mut rig.effects);
    rig.took();
    rig.wake(false);
    assert_eq!(rig.took(), [Effect::Over(End::Again)]);
}

#[test]
fn a_withdrawn_run_reads_no_more_and_is_over_when_nothing_is_with_anybody() {
    let mut rig = Rig::reading(8_192, 2);
    rig.page(0, 10);
    rig.took();
    rig.run.on_withdrawn(NOW, &mut rig.effects);
    let asked = rig.took();
    assert!(matches!(asked[..], [Effect::Withdraw, Effect::WakeAt(_)]));
    rig.wake(false);
    assert!(matches!(rig.took()[..], [Effect::WakeAt(_)]), "busy");
    // Shard 1 is being read, shard 0 opened.
    rig.page(1, 10);
    rig.opened(0, Some(chunk(1, 10)), false);
    rig.wake(true);
    assert!(matches!(rig.took()[..], [Effect::WakeAt(_)]), "held");
    rig.wake(false);
    assert_eq!(rig.took(), [Effect::Over(End::Withdrawn)]);
    rig.run.on_lost(NOW, &mut rig.effects);
    assert_eq!(rig.took(), [], "over is over");
}

#[test]
fn losses_have_it_begin_again_unless_it_was_paused() {
    let mut rig = Rig::reading(100, 1);
    rig.page(0, 10);
    rig.opened(0, Some(chunk(1, 10)), true);
    rig.run.on_lost(NOW, &mut rig.effects);
    rig.run.on_lost(NOW, &mut rig.effects);
    rig.took();
    rig.wake(false);
    assert_eq!(rig.took(), [Effect::Over(End::Again)]);
    let mut rig = Rig::reading(100, 0);
    rig.run.on_finished(Err(Failed), NOW, &mut rig.effects);
    rig.run.on_withdrawn(NOW, &mut rig.effects);
    rig.run.on_lost(NOW, &mut rig.effects);
    rig.took();
    rig.wake(false);
    assert_eq!(rig.took(), [Effect::Over(End::Withdrawn)]);
}

#[test]
fn a_cancelled_one_ends_with_what_was_opened() {
    let mut rig = Rig::reading(8_192, 2);
    rig.page(0, 10);
    rig.took();
    rig.run.on_cancelled(NOW, &mut rig.effects);
    rig.page(1, 10);
    assert_eq!(rig.took(), [], "nothing more is opened");
    rig.opened(0, Some(chunk(1, 10)), false);
    assert_eq!(rig.took(), []);
    rig.recorded(chunk(1, 0), 8_192);
    assert_eq!(rig.took(), [Effect::Over(End::Finished)]);
}

#[test]
fn a_store_that_fails_is_asked_again_later_each_time_and_opens_are_repeated() {
    let mut rig = Rig::reading(100, 1);
    rig.took();
    rig.run.on_page(0, Err(Failed), NOW, &mut rig.effects);
    assert_eq!(
        rig.took(),
        [Effect::WakeAt(NOW + Duration::from_millis(50))]
    );
    rig.wake(false);
    assert_eq!(rig.took(), [read(0, 12)]);
    rig.page(0, 5);
    rig.took();
    let failed = Err(Failed);
    rig.run.on_opened(0, failed, rig.now, &mut rig.effects);
    assert!(matches!(rig.took()[..], [Effect::WakeAt(_)]));
    rig.wake(false);
    assert_eq!(rig.took(), [Effect::Open { shard: 0 }]);
    for doubled in [100, 200, 400] {
        rig.run.on_opened(0, failed, rig.now, &mut rig.effects);
        let at = rig.now + Duration::from_millis(doubled);
        assert_eq!(rig.took(), [Effect::WakeAt(at)]);
        rig.wake(false);
        rig.took();
    }
}

#[test]
fn a_store_that_knows_of_more_is_believed() {
    let mut rig = Rig::reading(100, 0);
    assert_eq!(rig.took(), [Effect::Finish]);
    rig.run
        .on_finished(Ok(Finished::Neither), NOW, &mut rig.effects);
    rig.took();
    rig.wake(false);
    assert_eq!(rig.took(), [Effect::Over(End::Again)]);
}

#[test]
fn a_part_that_is_done_rests_until_the_others_are() {
    let mut rig = Rig::part(Aim::Send);
    rig.loaded(vec![(3, true)], 0);
    rig.chunks(Vec::new(), true);
    assert_eq!(rig.took().pop(), Some(Effect::Finish));
    for _ in 0..3 {
        let own = Ok(Finished::Own);
        rig.run.on_finished(own, rig.now, &mut rig.effects);
        let next = rig.now + Duration::from_secs(1);
        assert_eq!(rig.took(), [Effect::WakeAt(next)]);
        rig.run.on_window(200, rig.now, &mut rig.effects);
        assert_eq!(rig.took(), [], "it is not asked in between");
        rig.wake(false);
        assert_eq!(rig.took(), [Effect::Finish]);
    }
    let all = Ok(Finished::All);
    rig.run.on_finished(all, rig.now, &mut rig.effects);
    assert_eq!(rig.took(), [Effect::Over(End::Finished)]);
}

#[test]
fn a_part_that_rests_begins_again_when_it_is_another() {
    let mut rig = Rig::part(Aim::Send);
    rig.loaded(Vec::new(), 0);
    rig.chunks(Vec::new(), true);
    let own = Ok(Finished::Own);
    rig.run.on_finished(own, rig.now, &mut rig.effects);
    rig.took();
    rig.run.on_lost(rig.now, &mut rig.effects);
    assert_eq!(rig.took()[0], Effect::Withdraw);
    rig.wake(false);
    assert_eq!(rig.took(), [Effect::Over(End::Again)]);
}

#[test]
fn a_cancelled_part_waits_for_the_others_too() {
    let mut rig = Rig::part(Aim::Cancel);
    rig.loaded(vec![(3, false)], 5);
    rig.took();
    rig.chunks(vec![chunk(1, 5)], true);
    assert_eq!(rig.took(), []);
    rig.recorded(chunk(1, 0), 100);
    assert_eq!(rig.took(), [Effect::Finish]);
    let own = Ok(Finished::Own);
    rig.run.on_finished(own, rig.now, &mut rig.effects);
    assert!(matches!(rig.took()[..], [Effect::WakeAt(_)]));
    rig.wake(false);
    assert_eq!(rig.took(), [Effect::Finish]);
}

#[test]
fn without_a_window_nothing_is_read() {
    let mut rig = Rig::reading(0, 1);
    assert_eq!(rig.took(), []);
    rig.run.on_window(8, NOW, &mut rig.effects);
    assert_eq!(rig.took(), [read(0, 1)]);
}
