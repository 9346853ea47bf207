//! Random numbers for ids, jitter and the like: one small generator, seeded from the system's.
//!
//! Not for secrets: an id is no capability, and keys are made elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// SplitMix64 (Steele, Lea and Flood, 2014) over one shared counter: every draw is one atomic addition, and
/// draws of all holders are distinct. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Random(Arc<AtomicU64>);

/// The odd constant of SplitMix64: 2^64 divided by the golden ratio.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    /// Seeded from the system's generator.
    pub(crate) fn from_system() -> Self {
        let mut seed = [0; 8];
        SystemRandom::new()
            .fill(&mut seed)
            .expect("the system's generator does not fail once the process runs");
        Random::seeded(u64::from_be_bytes(seed))
    }

    pub(crate) fn seeded(seed: u64) -> Self {
        Random(Arc::new(AtomicU64::new(seed)))
    }

    /// Uniform over `u64`.
    pub(crate) fn next(&self) -> u64 {
        let mut z = self
            .0
            .fetch_add(GAMMA, Ordering::Relaxed)
            .wrapping_add(GAMMA);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_splitmix64() {
        let random = Random::seeded(1_234_567);
        let drawn: Vec<_> = (0..3).map(|_| random.next()).collect();
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(drawn, published);
    }

    #[test]
    fn system_seeds_differ() {
        assert_ne!(Random::from_system().next(), Random::from_system().next());
    }
}
