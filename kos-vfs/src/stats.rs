//! [`Stats`], with [`CacheStats`]: counters of one [`Vfs`](crate::Vfs).

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
    /// File locks of all kinds.
    pub file_locks: u32,
    /// Components of paths answered from memory.
    pub walks_cached: u64,
    /// Components for which a file system was asked.
    pub walks_asked: u64,
    /// Names that went to make room.
    pub evictions: u64,
    /// Files that were read as a whole in several pieces, for want of memory.
    pub files_streamed: u64,
    /// The page cache.
    pub cache: CacheStats,
}

/// What is in the page cache, and what it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Pages that are being filled.
    pub uninit: u32,
    /// Pages that are as the file system has them.
    pub clean: u32,
    /// Pages that are to be written.
    pub dirty: u32,
    /// Pages that are being written.
    pub writeback: u32,
    /// Pages that are of no file any more, but still lent.
    pub detached: u32,
    /// Files with pages to be written.
    pub dirty_files: u32,
    /// Pages found when they were read.
    pub hits: u64,
    /// Pages for which the file system was asked when they were read.
    pub misses: u64,
    /// Pages that were read ahead.
    pub ahead: u64,
    /// Pages that went to make room.
    pub evictions: u64,
    /// Pages that were written back.
    pub written: u64,
    /// Times that a page could not be written back, or that something else of it failed.
    pub failed: u64,
    /// Requests that went past the cache for want of a page or of memory.
    pub streamed: u64,
}
