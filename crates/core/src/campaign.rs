//! Campaigns: which state follows which, what is read and opened when, and the books that always add up.

mod again;
mod books;
mod ledger;
mod meter;
mod plan;
mod pulse;
pub mod run;
mod state;
mod window;

pub use again::Again;
pub use books::{Books, books};
pub use ledger::{Found, Ledger, Look};
pub use meter::{Meter, eta};
pub use plan::{Plan, Sight, plan};
pub use pulse::Pulse;
pub use run::Run;
pub use state::{Command, Impossible, Known, begin, draft, due, finish, steer};
pub use window::{Room, Share, share, window};
