//! A campaign: one message to an audience of any size, and what is shared by its deliveries in memory.
//!
//! The audience is cut into shards (ranges of the store). Each shard is read in order and its devices are opened as
//! *chunks*: lists of recipients that are journaled, with the shard's cursor, before anything of them is sent. A chunk
//! lives in memory like a notification ([`crate::Live`]), so a campaign's memory is its window, whatever its audience.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::words;
use crate::filter::Filter;
use crate::message::Variables;
use crate::pace::Pace;
use crate::{
    AppId, CampaignId, Channel, DeviceId, Message, OnUnknown, Priority, Reason, Timestamp, UserId,
};

words!(
    /// Where a campaign as a whole stands.
    CampaignState {
        /// Made, and waits for `start`; recipients may be uploaded.
        Draft = "draft",
        /// Starts by itself at `start_at`.
        Scheduled = "scheduled",
        Running = "running",
        /// Hands nothing over until it is resumed; what was handed over before ends as it ends.
        Paused = "paused",
        /// Every delivery has its outcome.
        Completed = "completed",
        /// By the caller; what was handed over before still ends as it ends.
        Cancelled = "cancelled",
        /// It could not start or go on; the reason says why.
        Failed = "failed",
    }
);

impl CampaignState {
    /// Whether it stays so for good.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            CampaignState::Completed | CampaignState::Cancelled | CampaignState::Failed
        )
    }
}

words!(
    /// What becomes of a recipient that has no value for a variable of the message.
    MissingVariable {
        /// Refused at the door: the campaign, or the row of an upload.
        Fail = "fail",
        /// It gets nothing: `cancelled` with reason `missing_variable`.
        Skip = "skip",
        /// The variable is the empty text.
        Empty = "empty",
    }
);

/// Whom a campaign goes to: devices that are deliverable when their chunk is opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Every device of the app.
    All,
    /// Those with this tag.
    Tag(String),
    Filter(Filter),
    /// The rows that were uploaded.
    Upload,
}

/// What the caller asked for. Written once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CampaignRecord {
    pub id: CampaignId,
    pub app: AppId,
    pub name: String,
    pub created_at: Timestamp,
    pub audience: Audience,
    pub message: Message,
    /// For every recipient; a row's own come before them.
    pub variables: Variables,
    pub missing_variable: MissingVariable,
    pub priority: Priority,
    pub collapse_key: Option<String>,
    pub on_unknown: OnUnknown,
    /// Counted from the start.
    pub ttl: Duration,
}

/// What changes about a campaign. Written whole, if `revision` is still what it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Grows by one at each write.
    pub revision: u64,
    pub state: CampaignState,
    /// Pushes a second; `None` for as fast as may be.
    pub rate: Option<u32>,
    pub start_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    /// No attempt starts at or after this; set by the start.
    pub expires_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// Why it failed.
    pub reason: Option<Reason>,
    /// The newest changes of state, oldest first, at most [`Standing::HISTORY_MAX`].
    pub history: Vec<Turn>,
}

impl Standing {
    pub const HISTORY_MAX: usize = 32;
}

/// One change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    pub revision: u64,
    pub state: CampaignState,
    pub at: Timestamp,
}

/// One end of a chunk. Its place in the chunk is the delivery's ordinal.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipient {
    /// `None` for an uploaded device id that is no device's.
    pub user: Option<UserId>,
    /// `None` for an uploaded user without a deliverable device: it ends at once, as `cancelled`, `no_device`.
    pub device: Option<DeviceId>,
    pub channel: Option<Channel>,
    /// Of an uploaded row.
    pub variables: Option<Arc<Variables>>,
}

/// What the deliveries of a running campaign share.
#[derive(Debug)]
pub struct Run {
    pub campaign: CampaignId,
    pub missing_variable: MissingVariable,
    /// The campaign's `rate`, kept at hand-over, over all pools together.
    pub pace: Pace,
    hold: AtomicU8,
    aside: AtomicUsize,
}

/// One delivery of a run that waits because its provider has had enough for its device. Counted until it is dropped.
#[derive(Debug)]
pub struct Aside(Arc<Run>);

impl Drop for Aside {
    fn drop(&mut self) {
        self.0.aside.fetch_sub(1, Ordering::Relaxed);
    }
}

const GOES_ON: u8 = 0;
const WITHDRAWN: u8 = 1;
const CANCELLED: u8 = 2;

impl Run {
    pub fn new(campaign: CampaignId, missing_variable: MissingVariable, pace: Pace) -> Arc<Self> {
        Arc::new(Run {
            campaign,
            missing_variable,
            pace,
            hold: AtomicU8::new(GOES_ON),
            aside: AtomicUsize::new(0),
        })
    }

    /// One more of its deliveries waits, for as long as what is returned is kept.
    pub fn set_aside(self: &Arc<Self>) -> Aside {
        self.aside.fetch_add(1, Ordering::Relaxed);
        Aside(self.clone())
    }

    /// How many of its deliveries wait out a throttle of their devices: others are read beside them.
    pub fn aside(&self) -> usize {
        self.aside.load(Ordering::Relaxed)
    }

    /// Nothing more is handed over: what waits is dropped, and its chunks' losses have it. For a pause or a drain;
    /// for good, as a later run has another one of these.
    pub fn withdraw(&self) {
        // A cancelled one stays so.
        let _held =
            self.hold
                .compare_exchange(GOES_ON, WITHDRAWN, Ordering::AcqRel, Ordering::Acquire);
    }

    /// What waits ends as `cancelled`.
    pub fn cancel(&self) {
        self.hold.store(CANCELLED, Ordering::Release);
    }

    pub fn is_withdrawn(&self) -> bool {
        self.hold.load(Ordering::Acquire) == WITHDRAWN
    }

    pub fn is_cancelled(&self) -> bool {
        self.hold.load(Ordering::Acquire) == CANCELLED
    }
}
