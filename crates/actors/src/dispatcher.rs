//! Dispatcher: takes accepted deliveries, routes those whose device must be read (again), fairly between apps
//! and urgent first, and hands them to the pools.

use fanfare_types::Delivery;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct DispatcherHandle {}

impl DispatcherHandle {
    /// Takes deliveries: freshly routed ones go on to their pool, others are routed first.
    pub fn dispatch(&self, batch: Vec<Delivery>) {
        let _ = batch;
        todo!("the flow room")
    }
}
