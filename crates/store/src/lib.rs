//! The storage trait, the embedded store, and the contract suite any store must pass.
