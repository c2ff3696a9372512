//! Counters of one table.

/// What a table holds now, and what was done to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Table frames, the root included: what the table costs, in frames of 4 KiB.
    pub tables: u64,
    /// Bytes that are mapped.
    pub mapped_bytes: u64,
    /// Bytes that were unmapped and wait for their flush and release.
    pub quarantined_bytes: u64,
    /// Huge leaves split since the table was made.
    pub splits: u64,
}
