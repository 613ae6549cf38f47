//! Numbers that look random.

/// The next of them, which is the new state too: Marsaglia's xorshift, never 0 unless it begins as 0.
pub(crate) fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
