//! The store as the campaign's seam promises it.

use std::collections::BTreeMap;

use fanfare_core::campaign::{Found, draft};
use fanfare_types::{Counts, NotificationId, Outcome, Standing, Timestamp};

use crate::dice::Dice;

/// One campaign. Its recipients are numbers.
pub(crate) struct Store {
    pub(crate) standing: Standing,
    pub(crate) shards: Vec<Shard>,
    pub(crate) chunks: BTreeMap<NotificationId, Chunk>,
}

pub(crate) struct Shard {
    rows: Vec<u32>,
    cursor: usize,
    is_done: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub(crate) recipients: Vec<u32>,
    pub(crate) outcomes: Vec<Option<Outcome>>,
}

/// A page of a shard.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) recipients: Vec<u32>,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) is_last: bool,
}

/// A chunk to open.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) id: NotificationId,
    pub(crate) shard: u32,
    pub(crate) page: Page,
    /// Ordinals that end at once, and how.
    pub(crate) ended: Vec<(u32, Outcome)>,
}

impl Store {
    pub(crate) fn new(dice: &mut Dice, now: Timestamp) -> Self {
        let mut next = 0;
        let shards = (0..=dice.below(3)).map(|_| {
            let rows: Vec<u32> = (next..).take(dice.below(25)).collect();
            next += u32::try_from(rows.len()).expect("few");
            Shard {
                rows,
                cursor: 0,
                is_done: false,
            }
        });
        Store {
            shards: shards.collect(),
            standing: draft(None, None, now),
            chunks: BTreeMap::new(),
        }
    }

    pub(crate) fn recipients(&self) -> usize {
        self.shards.iter().map(|shard| shard.rows.len()).sum()
    }

    pub(crate) fn found(&self) -> Found {
        let mut ended = Counts::default();
        let outcomes = self.chunks.values().flat_map(|chunk| &chunk.outcomes);
        for outcome in outcomes.flatten() {
            *ended.of(*outcome) += 1;
        }
        let opened: usize = self.chunks.values().map(|c| c.recipients.len()).sum();
        let scanned: usize = self.shards.iter().map(|shard| shard.cursor).sum();
        Found {
            rows: self.recipients() as u64,
            scanned: scanned as u64,
            opened: opened as u64,
            ended,
        }
    }

    pub(crate) fn cursors(&self) -> Vec<(u32, bool, usize)> {
        let shards = (0..).zip(&self.shards);
        let cursor = |(number, shard): (u32, &Shard)| (number, shard.is_done, shard.cursor);
        shards.map(cursor).collect()
    }

    pub(crate) fn is_scanned(&self) -> bool {
        self.shards.iter().all(|shard| shard.is_done)
    }

    pub(crate) fn page(&self, shard: u32, from: usize, limit: usize) -> Page {
        let rows = &self.shards[shard as usize].rows;
        let to = (from + limit).min(rows.len());
        Page {
            recipients: rows[from..to].to_vec(),
            from,
            to,
            is_last: to == rows.len(),
        }
    }

    /// Whether it is open afterwards; not, when somebody else moved the cursor.
    pub(crate) fn open(&mut self, open: &Open) -> bool {
        if self.chunks.contains_key(&open.id) {
            return true;
        }
        let shard = &mut self.shards[open.shard as usize];
        let is_final = self.standing.state.is_final();
        if shard.cursor != open.page.from || shard.is_done || is_final {
            return false;
        }
        shard.cursor = open.page.to;
        shard.is_done = open.page.is_last;
        let recipients = open.page.recipients.clone();
        if !recipients.is_empty() {
            let mut outcomes = vec![None; recipients.len()];
            for (ordinal, outcome) in &open.ended {
                outcomes[*ordinal as usize] = Some(*outcome);
            }
            let chunk = Chunk {
                recipients,
                outcomes,
            };
            self.chunks.insert(open.id, chunk);
        }
        true
    }

    /// The first outcome stays.
    pub(crate) fn record(&mut self, id: NotificationId, ended: &[(u32, Outcome)]) {
        let chunk = self.chunks.get_mut(&id).expect("it was opened");
        for (ordinal, outcome) in ended {
            chunk.outcomes[*ordinal as usize].get_or_insert(*outcome);
        }
    }

    /// Unfinished chunks, and whether these are the last.
    pub(crate) fn open_chunks(
        &self,
        after: Option<NotificationId>,
        limit: usize,
    ) -> (Vec<(NotificationId, Chunk)>, bool) {
        let is_after = |id: &NotificationId| after.is_none_or(|after| *id > after);
        let open = self
            .chunks
            .iter()
            .filter(|(id, chunk)| is_after(id) && chunk.outcomes.iter().any(Option::is_none));
        let found: Vec<_> = open.take(limit).map(|(id, c)| (*id, c.clone())).collect();
        let is_last = found.len() < limit;
        (found, is_last)
    }

    pub(crate) fn change(&mut self, next: &Standing) -> bool {
        let is_next = next.revision == self.standing.revision + 1;
        if is_next {
            self.standing = next.clone();
        }
        is_next
    }
}
