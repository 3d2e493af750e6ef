//! Numbers derived from the random ones that are handed in.

/// A number whose every bit depends on every bit of `z` (the finaliser of splitmix64).
pub(crate) fn mix(z: u64) -> u64 {
    let mut z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A random number as a fraction in `0..1`.
pub(crate) fn unit(random: u64) -> f64 {
    (random >> 11) as f64 / (1u64 << 53) as f64
}

/// A random duration within `0..=longest`.
pub(crate) fn within(longest: std::time::Duration, random: u64) -> std::time::Duration {
    longest.mul_f64(unit(random))
}
