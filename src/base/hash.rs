//! One fast, stable 64-bit hash, for ids that are stored or compared across processes of one version.

/// XXH64 with seed 0. Stable across runs, machines and versions.
pub fn hash64(bytes: &[u8]) -> u64 {
    twox_hash::XxHash64::oneshot(0, bytes)
}

/// The same with a seed: who does not know it cannot foretell the hash.
pub fn hash64_seeded(seed: u64, bytes: &[u8]) -> u64 {
    twox_hash::XxHash64::oneshot(seed, bytes)
}

/// Hashes two parts with a separator that occurs in neither a name nor a header value.
pub fn hash64_pair(first: &[u8], second: &[u8]) -> u64 {
    use std::hash::Hasher;
    let mut hasher = twox_hash::XxHash64::with_seed(0);
    hasher.write(first);
    hasher.write(&[0]);
    hasher.write(second);
    hasher.finish()
}
