//! [`Stats`]: counters of one [`Vfs`](crate::Vfs).

/// What is in the tables, and what was done since the start (counters wrap).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Names in memory.
    pub dentries: u32,
    /// Bytes of long names beside them.
    pub name_bytes: usize,
    /// Mounts.
    pub mounts: u32,
    /// Open files.
    pub open_files: u32,
    /// Components of paths answered from memory.
    pub walks_cached: u64,
    /// Components for which a file system was asked.
    pub walks_asked: u64,
    /// Names that went to make room.
    pub evictions: u64,
}
