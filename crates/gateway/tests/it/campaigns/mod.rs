//! Campaigns of the whole gateway over real sockets, held against the simulators' books.

mod apps;
mod audiences;
mod books;
mod changes;
mod fill;
mod kill;
mod rates;
mod restarts;
mod rig;
mod states;
