//! [`Config`]: how large the tables are. They are allocated once, by [`Vfs::new`](crate::Vfs::new), and never grow.

use core::error::Error;
use core::fmt;

use crate::error::NoMemory;

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
    /// Makes the order in which names collide unknown to who chooses names. Take random bits.
    pub hash_key: u64,
}

impl Default for Config {
    /// For a machine with a few MiB to spare.
    fn default() -> Self {
        Self { dentries: 8192, name_bytes: 64 << 10, files: 1024, mounts: 64, hash_key: 0 }
    }
}

/// Why there is no [`Vfs`](crate::Vfs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A table of that many slots.
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
        let bounds = [
            ("dentries", self.dentries, 8, 1 << 24),
            ("files", self.files, 1, 1 << 24),
            ("mounts", self.mounts, 1, 1 << 16),
        ];
        match bounds.into_iter().find(|&(_, value, low, high)| value < low || value > high) {
            Some((field, value, ..)) => Err(ConfigError::Size { field, value }),
            None => Ok(()),
        }
    }
}
