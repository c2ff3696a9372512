//! The simplest frame source there is: [`PlainFrames`].

use std::sync::{Mutex, MutexGuard, PoisonError};

use alloc::vec;
use alloc::vec::Vec;

use crate::error::{FrameError, FreeError};
use crate::ports::FrameAlloc;
use crate::types::{FrameRange, FrameRequest, Pfn};

/// First fit over a vector of flags: slow, obvious, and independent of this crate's own frame allocators.
#[derive(Debug)]
pub struct PlainFrames {
    span: FrameRange,
    used: Mutex<Vec<bool>>,
}

impl PlainFrames {
    /// All of `span`, free.
    #[must_use]
    pub fn new(span: FrameRange) -> Self {
        Self { span, used: Mutex::new(vec![false; span.count()]) }
    }

    /// Frames that are handed out.
    #[must_use]
    pub fn used(&self) -> usize {
        self.flags().iter().filter(|used| **used).count()
    }

    fn flags(&self) -> MutexGuard<'_, Vec<bool>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all of `range` is managed and each frame's flag is `used`.
    fn all(&self, flags: &[bool], range: FrameRange, used: bool) -> bool {
        let first = range.start().0.wrapping_sub(self.span.start().0);
        self.span.contains_range(&range)
            && flags.iter().skip(first).take(range.count()).all(|flag| *flag == used)
    }

    fn set(&self, flags: &mut [bool], range: FrameRange, used: bool) {
        let first = range.start().0 - self.span.start().0;
        flags.iter_mut().skip(first).take(range.count()).for_each(|flag| *flag = used);
    }
}

// SAFETY: a range is only handed out while all of its flags are clear, and sets them.
unsafe impl FrameAlloc for PlainFrames {
    fn span(&self) -> FrameRange {
        self.span
    }

    fn allocate(&self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        let FrameRequest { count, align, .. } = *request;
        if count == 0 || !align.is_power_of_two() {
            return Err(FrameError::BadRequest { count, align });
        }
        let mut flags = self.flags();
        let starts = self.span.start().0..self.span.end().min(request.below).0;
        let candidates = starts.filter(|start| start & (align - 1) == 0);
        let mut ranges = candidates.filter_map(|start| FrameRange::new(Pfn(start), count));
        let fits = |range: &FrameRange| range.end() <= request.below && self.all(&flags, *range, false);
        let found = ranges.find(fits);
        let range = found.ok_or(FrameError::NoMemory { requested: count, largest_free: 0 })?;
        self.set(&mut flags, range, true);
        Ok(range)
    }

    fn allocate_at(&self, range: FrameRange) -> Result<FrameRange, FrameError> {
        let mut flags = self.flags();
        if range.is_empty() || !self.span.contains_range(&range) {
            return Err(FrameError::NotManaged(range));
        }
        if !self.all(&flags, range, false) {
            return Err(FrameError::InUse(range));
        }
        self.set(&mut flags, range, true);
        Ok(range)
    }

    unsafe fn free(&self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        let mut flags = self.flags();
        if !self.span.contains_range(&range) {
            return Err(FreeError::NotManaged(range));
        }
        if !self.all(&flags, range, true) {
            return Err(FreeError::DoubleFree(range));
        }
        self.set(&mut flags, range, false);
        Ok(())
    }
}
