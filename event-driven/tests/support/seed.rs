//! Numbers that look random and are the same for the same seed.

#![allow(dead_code, reason = "each test file uses its part")]

use std::hash::{BuildHasher, RandomState};

/// A generator; says its seed, so that a failure can be repeated with `WARREN_TEST_SEED`.
pub struct Seed(u64);

impl Seed {
    pub fn new() -> Self {
        let given = std::env::var("WARREN_TEST_SEED").ok().map(|seed| seed.parse().expect("a number"));
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(0) % 1_000_000);
        eprintln!("WARREN_TEST_SEED={seed}");
        Self(seed)
    }

    /// From 0 to below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).expect("below a usize")
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}
