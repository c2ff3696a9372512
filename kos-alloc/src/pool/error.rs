//! What can go wrong with a pool: [`PoolEmpty`], [`InitError`].

use core::fmt;

use super::{MAX_BLOCK, MIN_BLOCK};

/// Every block of the pool is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolEmpty {
    /// Blocks that the pool has.
    pub capacity: usize,
}

impl fmt::Display for PoolEmpty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "all {} blocks of the pool are in use", self.capacity)
    }
}

impl core::error::Error for PoolEmpty {}

/// Why there is no pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InitError {
    /// A block, rounded up to its alignment, must have [`MIN_BLOCK`] to [`MAX_BLOCK`] bytes.
    BlockSize {
        /// Bytes of a block asked for.
        size: usize,
    },
    /// The buffer does not hold a block.
    Memory {
        /// Bytes that one block and its books need at most.
        needed: usize,
        /// Bytes of the buffer.
        given: usize,
    },
    /// There is a pool already.
    AlreadyInitialised,
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlockSize { size } => {
                write!(f, "a block of {size} bytes is not between {MIN_BLOCK} and {MAX_BLOCK}")
            }
            Self::Memory { needed, given } => write!(f, "the pool needs {needed} bytes, {given} were lent"),
            Self::AlreadyInitialised => f.write_str("the pool is initialised already"),
        }
    }
}

impl core::error::Error for InitError {}
