//! The campaign part of a store: what was asked for, uploads, shards and their cursors, chunks, and how their
//! deliveries ended.
//!
//! ```text
//! create ─▶ (upload) ─▶ change: running ─▶ shards ─▶ audience ─▶ open ─▶ (sent) ─▶ record ─▶ change: completed
//!                                             ▲         │ a page    │ the chunk and the shard's cursor, one step
//!                                             └─────────┴───────────┘
//! ```
//!
//! What was opened is sent, whatever happens in between: [`Campaigns::open_chunks`] has it after a crash.
//!
//! # On a store that is shared
//!
//! | question | answered for |
//! |---|---|
//! | [`Campaigns::campaign`], [`Campaigns::campaigns`], [`Campaigns::unfinished_campaigns`], [`Campaigns::campaign_deliveries`] | the whole campaign, on any node |
//! | [`Campaigns::shards`], [`Campaigns::open_chunks`] | this node's part: the shards of the slots it holds ([`Slot::of_shard`]), and their chunks |
//! | [`Campaigns::open`] | a shard of a slot that is not held, or was taken over: [`Opened::Lost`] |
//! | [`Campaigns::record_chunks`] | chunks of such a shard are passed over: their new holder sends what has no outcome |
//! | everything else | any node |
//!
//! So every node runs its part of every running campaign. A part is over when each of its shards is read to its end and
//! nothing of it is [`Shard::left`]; the campaign, when [`Scan::is_done`] and its counts have all that was opened.
//! Whoever sees that writes it, by [`Campaigns::change`]: who comes second has a conflict, and finds it completed.
//!
//! A shard is fenced: it carries the epoch at which its slot was held by whoever called `shards` last, and takes no
//! step of an earlier one. A node that gains a slot while a campaign runs calls `shards` again for it (`parts` 0: what
//! is cut), then `open_chunks`; one that loses a slot stops using its shards. A chunk's id names its shard
//! ([`NotificationId::in_shard`]), and with it its slot.
//!
//! Nothing here compares clocks of two nodes, but for one thing: devices whose id says a later time than the cut's are in
//! no shard.

use std::borrow::Cow;
use std::sync::Arc;

#[cfg(doc)]
use fanfare_types::Slot;
use fanfare_types::filter::{Field, Leaf, Test};
use fanfare_types::message::Variables;
use fanfare_types::{
    Address, AppId, Audience, CampaignId, CampaignRecord, Counts, DeviceId, Filter, NotificationId,
    Outcome, Recipient, Standing, Timestamp, UserId,
};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::{Ended, Idempotency, Result};

/// What became of a create.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Created {
    /// Durable.
    New,
    /// The same key and body made this one before; nothing was written.
    Repeated(CampaignId),
    /// The key was used for another body; nothing was written.
    Conflict,
    /// The app has as many unfinished campaigns as it may; nothing was written.
    TooMany,
}

/// A campaign as the store has it. The counts are of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredCampaign {
    pub record: CampaignRecord,
    pub standing: Standing,
    pub upload: Upload,
    pub scan: Scan,
    /// Recorded outcomes; `waiting` and `in_flight` are 0.
    pub counts: Counts,
}

/// How far the audience was read, over all shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Rows (devices, or uploaded rows) in the shards when they were cut, or, of those that were read to their end, as
    /// many as were found; 0 before. A large registry that is shared is estimated from samples.
    pub rows: u64,
    /// Of these, rows looked at.
    pub scanned: u64,
    /// Recipients of all chunks that were opened.
    pub opened: u64,
    /// Every shard was read to its end.
    pub is_done: bool,
}

/// What was uploaded so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Bytes of the body that are durable, up to the end of a line: where it may be resumed.
    pub bytes: u64,
    pub lines: u64,
    /// Rows that were taken.
    pub rows: u64,
    /// Lines that were refused.
    pub bad: u64,
    /// The first of these, at most [`Upload::BAD_LISTED_MAX`].
    pub bad_rows: Vec<BadRow>,
    /// The body came to its end.
    pub is_complete: bool,
    /// Of CSV: the names of its columns, needed when it is resumed.
    pub columns: Option<Vec<String>>,
}

impl Upload {
    pub const BAD_LISTED_MAX: usize = 100;
}

/// A line that is no recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadRow {
    /// From 1.
    pub line: u64,
    /// Stable word; never anything of the line itself.
    pub code: Cow<'static, str>,
    pub field: Option<Cow<'static, str>>,
}

/// More of an upload: what it is afterwards, and the rows that came.
#[derive(Clone, Debug)]
pub struct Block {
    /// `bytes` before this block; with another value nothing is written. 0 with `replaces`: what was there goes.
    pub from: u64,
    pub replaces: bool,
    /// As it is with this block.
    pub upload: Upload,
    pub rows: Vec<UploadRow>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct UploadRow {
    pub to: Named,
    pub variables: Option<Arc<Variables>>,
}

/// Whom an uploaded row names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    User(UserId),
    Device(DeviceId),
}

/// What became of a compare-and-set.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum Changed {
    /// Durable.
    Done,
    /// It is not what it was; this is what it is. Nothing was written.
    Conflict(Box<StoredCampaign>),
    /// There is no such campaign in this app.
    Gone,
}

/// One part of the audience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub number: u32,
    /// Everything before it was opened.
    pub cursor: Cursor,
    pub rows: u64,
    pub scanned: u64,
    /// Recipients of its open chunks that have no outcome.
    pub left: u64,
    pub is_done: bool,
}

/// A place in a shard. Only the store knows what it means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor(pub Vec<u8>);

/// Asks for a page of a shard.
#[derive(Clone, Debug)]
pub struct AudienceQuery {
    pub app: AppId,
    pub campaign: CampaignId,
    pub shard: u32,
    pub audience: Arc<Audience>,
    pub after: Cursor,
    /// Recipients at most, but for the last user's devices of an upload, or on a store that is shared, which are never
    /// torn apart. There a page may have fewer and not be the last.
    pub limit: usize,
    /// Rows looked at at most, whosever app's they are; then the page ends though it has fewer recipients.
    pub rows_max: usize,
}

#[derive(Debug, Default)]
pub struct AudiencePage {
    pub rows: Vec<AudienceRow>,
    /// Where the next page starts.
    pub cursor: Cursor,
    /// Rows of the app that were looked at.
    pub scanned: u64,
    /// There is nothing after it.
    pub is_last: bool,
}

/// A recipient, and how it is reached now.
#[derive(Clone, Debug)]
pub struct AudienceRow {
    pub recipient: Recipient,
    /// `None` when it has no deliverable device.
    pub reach: Option<Reach>,
}

#[derive(Clone, Debug)]
pub struct Reach {
    pub address: Address,
    pub locale: Option<Arc<str>>,
    pub registered_at: Timestamp,
}

/// A chunk to be opened, and where that leaves its shard.
#[derive(Clone, Debug)]
pub struct Chunk {
    pub app: AppId,
    pub campaign: CampaignId,
    /// Names its shard: see [`NotificationId::in_shard`].
    pub id: NotificationId,
    pub shard: u32,
    pub created_at: Timestamp,
    /// None of them: only the cursor moves, and there is no chunk.
    pub recipients: Vec<Recipient>,
    /// Those that end at once, ascending by ordinal.
    pub ended: Vec<Ended>,
    /// The shard's cursor before; with another one nothing is written.
    pub from: Cursor,
    pub cursor: Cursor,
    pub scanned: u64,
    pub is_last: bool,
}

/// What became of an open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Opened {
    /// Durable.
    New,
    /// This very chunk was opened before (a try again after [`crate::Error::Unknown`]).
    Repeated,
    /// Somebody else moved the shard's cursor, or holds its slot, or the campaign is gone or final; nothing was written.
    Lost,
}

/// A chunk that is not finished.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenChunk {
    pub id: NotificationId,
    pub shard: u32,
    pub created_at: Timestamp,
    pub recipients: Vec<Recipient>,
    pub counts: Counts,
    /// Ordinals that have their outcome, ascending.
    pub done: Vec<u32>,
}

/// Outcomes of one chunk since the last batch.
#[derive(Clone, Debug)]
pub struct ChunkOutcomes {
    pub app: AppId,
    pub campaign: CampaignId,
    pub chunk: NotificationId,
    pub ended: Vec<Ended>,
}

/// A delivery that was not simply delivered.
#[derive(Clone, Debug, PartialEq)]
pub struct CampaignDelivery {
    pub chunk: NotificationId,
    /// When its chunk was opened.
    pub created_at: Timestamp,
    /// Without its variables.
    pub recipient: Recipient,
    pub ended: Ended,
}

#[derive(Debug, Default)]
pub struct CampaignDeliveries {
    /// In the order in which they were recorded; on a store that is shared, in that order by shard.
    pub rows: Vec<CampaignDelivery>,
    /// Where the next page starts; `None` at the end of what is recorded by now.
    pub next: Option<DeliveryCursor>,
}

/// A place in the list of what was not simply delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryCursor {
    pub batch: u64,
    pub index: u32,
}

/// How many an audience has now, without sending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audienced {
    pub recipients: u64,
    /// Rows looked at.
    pub scanned: u64,
    /// Everything was looked at; else it stopped at the limit it was given.
    pub is_whole: bool,
}

/// Campaigns. Writes are durable when they answer; many writers share one fsync.
pub trait Campaigns: Send + Sync + 'static {
    /// Makes a campaign durable, unless the app has `unfinished_max` that are not final; or finds that it is (by its
    /// idempotency key, or by its id when a caller tries again).
    fn create(
        &self,
        record: CampaignRecord,
        standing: Standing,
        idempotency: Option<Idempotency>,
        unfinished_max: u64,
    ) -> BoxFuture<'_, Result<Created>>;

    /// `None` when there is no such campaign in this app.
    fn campaign(
        &self,
        app: &AppId,
        id: CampaignId,
    ) -> BoxFuture<'_, Result<Option<StoredCampaign>>>;

    /// Campaigns of an app, newest first, from just before `before`, at most `limit`.
    fn campaigns(
        &self,
        app: &AppId,
        before: Option<CampaignId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredCampaign>>>;

    /// Campaigns of all apps whose state is not final, and those that have open chunks (they were cancelled, and
    /// something was in flight), in id order, from just after `after`, at most `limit`.
    fn unfinished_campaigns(
        &self,
        after: Option<CampaignId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredCampaign>>>;

    /// Writes `standing` if the stored revision is one less than its; and only a complete upload begins to run, for one
    /// may have begun anew since the caller looked.
    fn change(
        &self,
        app: &AppId,
        id: CampaignId,
        standing: Standing,
    ) -> BoxFuture<'_, Result<Changed>>;

    /// Adds to an upload. A conflict when it does not fit on what is there, or the campaign is neither a draft nor
    /// scheduled.
    fn append(&self, app: &AppId, id: CampaignId, block: Block) -> BoxFuture<'_, Result<Changed>>;

    /// The shards of a campaign, in order; the first call cuts its audience into at most `parts`, at least one, and keeps
    /// them. With `parts` 0 it does not: there are those that there are. Devices that are registered afterwards are in
    /// none of them. None when there is no such campaign in this app, or it was over before it was cut.
    ///
    /// On a store that is shared only those of slots that this node holds, which it takes over with this call: no step
    /// that a former holder of theirs began is taken afterwards, and what it opened is among [`Campaigns::open_chunks`].
    /// `parts` is best a multiple of the slots there, so that every node has some; where a part would be larger than such
    /// a store keeps in one place, there are several times `parts`. A device that gets another user after the cut is
    /// sent to once at most.
    fn shards(
        &self,
        app: &AppId,
        id: CampaignId,
        parts: usize,
    ) -> BoxFuture<'_, Result<Vec<Shard>>>;

    /// A page of a shard: deliverable devices that match, each once.
    fn audience(&self, query: AudienceQuery) -> BoxFuture<'_, Result<AudiencePage>>;

    /// How many recipients an audience has now, looking at no more than `rows_max` rows, and stopping at
    /// `recipients_max` recipients. For an upload, its rows.
    fn count(
        &self,
        app: &AppId,
        id: Option<CampaignId>,
        audience: Arc<Audience>,
        rows_max: u64,
        recipients_max: u64,
    ) -> BoxFuture<'_, Result<Audienced>>;

    /// The variables that an upload has for a user or a device of that user; for a preview. `None` when no row names them.
    fn uploaded(
        &self,
        app: &AppId,
        id: CampaignId,
        named: Vec<Named>,
    ) -> BoxFuture<'_, Result<Option<UploadRow>>>;

    /// Opens a chunk and moves its shard's cursor, in one step.
    fn open<'a>(&'a self, chunk: &'a Chunk) -> BoxFuture<'a, Result<Opened>>;

    /// Chunks of a campaign that are not finished, in id order, from just after `after`, at most `limit`. On a store that
    /// is shared only those of slots that this node holds.
    fn open_chunks(
        &self,
        app: &AppId,
        id: CampaignId,
        after: Option<NotificationId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<OpenChunk>>>;

    /// Records outcomes, of many chunks at once. Recording an ordinal twice keeps the first outcome; unknown chunks
    /// (finished, purged, or of a slot that this node does not hold) and ordinals without a recipient are passed over.
    fn record_chunks(&self, batches: Vec<ChunkOutcomes>) -> BoxFuture<'_, Result<()>>;

    /// What was not simply delivered, in the order it was recorded, at most `limit`; with `outcome`, only what ended
    /// so. `None` when there is no such campaign in this app.
    fn campaign_deliveries(
        &self,
        app: &AppId,
        id: CampaignId,
        outcome: Option<Outcome>,
        from: DeliveryCursor,
        limit: usize,
    ) -> BoxFuture<'_, Result<Option<CampaignDeliveries>>>;

    /// Removes final campaigns made before `before` that have no open chunk, and what belongs to them, some rows at a
    /// time; on a store that is shared, those that fall to slots of this node. Returns whether there may be more to
    /// remove.
    fn purge_campaigns(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<bool>>;
}

impl Audienced {
    /// Whether there is anybody in it, as far as was looked.
    pub fn is_surely_empty(&self) -> bool {
        self.is_whole && self.recipients == 0
    }
}

/// What a store filters by: `None` for every device.
pub fn filter_of(audience: &Audience) -> Option<Filter> {
    match audience {
        Audience::All | Audience::Upload => None,
        Audience::Tag(tag) => Some(Filter::Leaf(Leaf {
            field: Field::Tags,
            test: Test::Contains(tag.clone()),
        })),
        Audience::Filter(filter) => Some(filter.clone()),
    }
}
