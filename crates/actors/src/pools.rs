//! The pools: one for each (app, provider, environment, credential), and the way to them.

use fanfare_types::Delivery;

/// Hands deliveries to the pool that sends them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pools {}

impl Pools {
    /// Hands a batch over, whatever mix of apps and channels; each delivery finds its pool. One without a pool
    /// (its app has no credential for the channel) ends as `failed` with reason `no_credential`.
    pub fn deliver(&self, batch: Vec<Delivery>) {
        let _ = batch;
        todo!("the sending room")
    }
}
