//! The contract suite: what any store must do, as tests a store calls with a way to open itself.
