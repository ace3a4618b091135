//! A digest of a placement.

use crate::base::keys::scatter;

/// A 64-bit digest of physical_to_logical, for ranks to compare; the same on every machine.
///
/// FNV-1a over the entries as 32-bit words, then the finaliser of splitmix64 to spread it over all
/// bits. Not cryptographic. O(n).
pub fn digest(physical_to_logical: &[i32]) -> u64 {
    let words = physical_to_logical.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &entry| {
        (hash ^ u64::from(entry as u32)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    scatter(words)
}
