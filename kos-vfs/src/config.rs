//! [`Config`]: how large the tables are, and when the page cache writes. Tables are allocated once, by
//! [`Vfs::new`](crate::Vfs::new), and never grow; pages are allocated when they are needed.

use core::error::Error;
use core::fmt;
use core::time::Duration;

use crate::cache::PAGE;
use crate::error::NoMemory;

/// The fewest pages of a cache.
const PAGES_MIN: u32 = 16;

/// Sizes of the tables of one [`Vfs`](crate::Vfs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Names kept in memory, found ones and missing ones: 8 to 2^24. What is in use (open files, working directories, mount
    /// points, and every directory above them) stays; the rest goes, oldest first. About 300 bytes each.
    pub dentries: u32,
    /// Bytes that names of more than 31 bytes may take beside.
    pub name_bytes: usize,
    /// Open files of all processes together: 1 to 2^24.
    pub files: u32,
    /// Mounts of all namespaces together: 1 to 2^16.
    pub mounts: u32,
    /// File locks of all kinds together: 0 to 2^16, 48 bytes each.
    pub locks: u32,
    /// Who may wait for a file lock at the same time: 0 to 1024. A search for a deadlock takes time by the square of it.
    pub lock_waiters: u32,
    /// Makes the order in which names collide unknown to who chooses names. Take random bits.
    pub hash_key: u64,
    /// Bytes of the page cache: 0 for none, else 64 KiB to 2^43, in pages of 4096. What stands about them takes some 200 bytes a
    /// page beside. The VFS keeps no bytes of a file system that has them in memory anyway.
    pub cache_bytes: usize,
    /// How often [`Vfs::tick`](crate::Vfs::tick) syncs every file system.
    pub sync_interval: Duration,
    /// How old a change may become before [`Vfs::tick`](crate::Vfs::tick) writes it.
    pub dirty_expire: Duration,
    /// The part of the page cache, in percent, above which [`Vfs::tick`](crate::Vfs::tick) writes whatever its age: 0 to
    /// `dirty_limit`.
    pub dirty_background: u8,
    /// The part of the page cache, in percent, that may wait to be written: 1 to 75. Who writes more writes it back himself.
    pub dirty_limit: u8,
}

impl Default for Config {
    /// For a machine with a few MiB to spare; no page cache, because it wants [`Vfs::tick`](crate::Vfs::tick) to be called.
    fn default() -> Self {
        Self {
            dentries: 8192,
            name_bytes: 64 << 10,
            files: 1024,
            mounts: 64,
            locks: 256,
            lock_waiters: 32,
            hash_key: 0,
            cache_bytes: 0,
            sync_interval: Duration::from_secs(5),
            dirty_expire: Duration::from_secs(30),
            dirty_background: 10,
            dirty_limit: 40,
        }
    }
}

/// Why there is no [`Vfs`](crate::Vfs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A table of that many slots, or a part of that many percent.
    Size {
        /// Which field of [`Config`].
        field: &'static str,
        /// Its value.
        value: u32,
    },
    /// No memory for the tables.
    NoMemory,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { field, value } => write!(f, "{field} cannot be {value}"),
            Self::NoMemory => f.write_str("no memory for the tables"),
        }
    }
}

impl Error for ConfigError {}

impl From<NoMemory> for ConfigError {
    fn from(NoMemory: NoMemory) -> Self {
        Self::NoMemory
    }
}

impl Config {
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let limit = u32::from(self.dirty_limit);
        let pages = u32::try_from(self.cache_bytes / PAGE).unwrap_or(u32::MAX);
        let least = if self.cache_bytes == 0 { 0 } else { PAGES_MIN };
        let bounds = [
            ("dentries", self.dentries, 8, 1 << 24),
            ("files", self.files, 1, 1 << 24),
            ("mounts", self.mounts, 1, 1 << 16),
            ("locks", self.locks, 0, 1 << 16),
            ("lock_waiters", self.lock_waiters, 0, 1024),
            ("cache_bytes", pages, least, 1 << 31),
            ("dirty_limit", limit, 1, 75),
            ("dirty_background", self.dirty_background.into(), 0, limit),
        ];
        match bounds.into_iter().find(|&(_, value, low, high)| value < low || value > high) {
            Some((field, value, ..)) => Err(ConfigError::Size { field, value }),
            None => Ok(()),
        }
    }

    /// Pages of the cache.
    pub(crate) fn cache_pages(&self) -> u32 {
        u32::try_from(self.cache_bytes / PAGE).unwrap_or(u32::MAX)
    }

    /// Pages that may wait to be written.
    pub(crate) fn dirty_pages(&self) -> u32 {
        self.percent_of_pages(self.dirty_limit)
    }

    /// Pages above which they are written whatever their age.
    pub(crate) fn background_pages(&self) -> u32 {
        self.percent_of_pages(self.dirty_background)
    }

    fn percent_of_pages(&self, percent: u8) -> u32 {
        u32::try_from(u64::from(self.cache_pages()) * u64::from(percent) / 100).unwrap_or(u32::MAX)
    }

    /// Files that may wait to be written: each takes an inode, whether it has a name in memory or not.
    pub(crate) fn dirty_files(&self) -> u32 {
        self.dirty_pages().min(self.dentries)
    }
}
