//! Campaigns of the whole gateway over real sockets, held against the simulators' books.

mod apps;
mod audiences;
mod books;
mod changes;
mod edges;
mod fill;
mod hundred;
mod kill;
mod memory;
mod rates;
mod restarts;
mod rig;
mod states;
mod throttled;
