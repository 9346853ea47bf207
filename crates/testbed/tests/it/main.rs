//! The testbed, tested on the database that it starts.

mod cluster;
