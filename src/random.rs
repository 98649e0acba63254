//! Numbers that look random and are the same for the same seed on every machine.

/// What SplitMix64's state grows by.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64 (Steele, Lea, Flood 2014): small, and any seed will do.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// A stream for `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own for each `purpose`, so that one part of a work does not change with another.
    #[cfg_attr(not(feature = "render"), allow(dead_code, reason = "the built-in scene draws so"))]
    pub fn of(seed: u64, purpose: u64) -> Self {
        Self(mixed(seed ^ mixed(purpose)).wrapping_add(STEP))
    }

    fn next(&mut self) -> u64 {
        let drawn = mixed(self.0);
        self.0 = self.0.wrapping_add(STEP);
        drawn
    }

    /// A number in 0..1.
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number in `low..high`.
    #[cfg_attr(not(feature = "render"), allow(dead_code, reason = "the built-in scene draws so"))]
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.fraction()
    }

    /// A number in -1..1.
    pub fn signed(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    /// A whole number below `count`; 0 where `count` is 0.
    pub fn below(&mut self, count: usize) -> usize {
        (self.next() % count.max(1) as u64) as usize
    }

    /// `N` different numbers below `count`; `None` where there are not so many.
    pub fn sample<const N: usize>(&mut self, count: usize) -> Option<[usize; N]> {
        if count < N {
            return None;
        }
        let mut drawn = [usize::MAX; N];
        for k in 0..N {
            drawn[k] = loop {
                let candidate = self.below(count);
                if !drawn[..k].contains(&candidate) {
                    break candidate;
                }
            };
        }
        Some(drawn)
    }
}

/// The output function of SplitMix64: a good 64-bit hash of a number.
pub(crate) fn mixed(mut z: u64) -> u64 {
    z = z.wrapping_add(STEP);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
