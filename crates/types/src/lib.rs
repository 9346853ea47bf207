//! The vocabulary every room of Fanfare shares: ids, devices, messages, verdicts, outcomes.
//!
//! Nothing here decides or does anything; decisions live in `core`. Addresses, keys and payloads
//! have a redacted `Debug`, so that no log line or panic can show one.

pub mod address;
pub mod campaign;
pub mod change;
pub mod delivery;
pub mod device;
pub mod facts;
pub mod filter;
pub mod fleet;
pub mod ids;
pub mod losses;
pub mod message;
pub mod notification;
pub mod outcome;
pub mod pace;
pub mod permit;
pub mod request;
pub mod secret;
pub mod time;
pub mod verdict;

pub use address::{Address, AddressKey, AddressKind, Channel, Environment, Platform};
pub use campaign::{
    Aside, Audience, CampaignRecord, CampaignState, MissingVariable, Recipient, Run, Standing, Turn,
};
pub use change::{Applied, Change, Claim, Expect, Put};
pub use delivery::{Delivery, Finished, Live, Progress};
pub use device::{Device, DeviceRef, Status};
pub use facts::{Facts, Failing};
pub use filter::{DeviceView, Filter};
pub use fleet::{Census, Epoch, Hold, Lease, Node, NodeId, Portion, Slot, Tenure};
pub use ids::{AppId, CampaignId, DeviceId, NotificationId, UserId};
pub use losses::{Losses, OnLoss};
pub use message::Message;
pub use notification::{Lane, NotificationRecord, OnUnknown, Options, Priority, Target};
pub use outcome::{Counts, Outcome};
pub use pace::Pace;
pub use permit::{Budget, Permit, Permits};
pub use request::{Head, Request};
pub use secret::Secret;
pub use time::{Clock, Timestamp};
pub use verdict::{Reason, Verdict};
