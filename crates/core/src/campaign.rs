//! Campaigns: which state follows which, what is read and opened when, and the books that always add up.

mod books;
mod state;

pub use books::{Books, books};
pub use state::{Command, Impossible, Known, begin, draft, due, finish, steer};
