//! What a heap stands on, fixed by `init` and read without a lock: [`Ground`].

use super::arena::Arena;
use crate::growth;
use crate::types::FrameRange;

/// The memory of a heap and the terms of its use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground {
    pub(super) arena: Arena,
    /// Keys the cookies of slabs and the seals of free blocks.
    pub(super) secret: u64,
    pub(super) page_map_frames: usize,
    pub(super) fail_fast: bool,
    /// Bytes for the cache of a CPU; `None` for the default.
    pub(super) cache_bytes: Option<usize>,
    /// How the simple pool grows.
    pub(super) pool: growth::Config,
    /// The initial chunk of the simple pool, which stays.
    pub(super) initial: FrameRange,
}
