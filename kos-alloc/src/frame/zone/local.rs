//! What is used of a zone without its lock: [`Local`].

use super::super::InitError;
use super::super::region::Managed;
use super::cache::{Caches, Class, Shape};
use super::live::Live;
use crate::percpu::atomic_words;
use crate::types::{FrameRange, FrameRequest};

/// The live bits and the CPUs' caches of a zone. Never changes its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Local<'m> {
    pub(super) live: Live<'m>,
    pub(super) caches: Caches<'m>,
}

impl<'m> Local<'m> {
    /// No frame has a bit, and none rests with a CPU.
    pub(super) const NONE: Self = Self { live: Live::NONE, caches: Caches::NONE };

    /// Words of storage for the `managed` frames and `cpus` CPUs: of the bits, and of the caches.
    pub(super) fn storage_words(managed: Managed<'_>, cpus: usize) -> Result<(usize, usize), InitError> {
        let frames = managed.map(|range| range.count()).sum();
        let caches = Shape::new(frames, cpus).storage_words(cpus).ok_or(InitError::TooLarge)?;
        Ok((Live::storage_words(frames), caches))
    }

    /// Nothing is live or cached. The storage has the words that [`storage_words`](Self::storage_words) said.
    pub(super) fn new(bits: &'m mut [u64], caches: &'m mut [u64], managed: Managed<'_>, cpus: usize) -> Self {
        let frames = managed.map(|range| range.count()).sum();
        let live = Live::new(managed, atomic_words(bits));
        Self { live, caches: Caches::new(caches, Shape::new(frames, cpus)) }
    }

    /// The class of blocks that serve `request` wherever in the zone they lie.
    #[inline]
    pub(super) fn class_for(&self, request: &FrameRequest) -> Option<Class> {
        Class::of_request(request).filter(|_| self.live.window().end() <= request.below)
    }

    /// The class as a block of which `range` may rest in a cache.
    #[inline]
    pub(super) fn class_of(&self, range: FrameRange) -> Option<Class> {
        Class::of_block(range).filter(|_| self.live.window().contains_range(&range))
    }
}
