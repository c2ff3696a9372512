//! [`Zones`] as [`FrameAlloc`].

use super::Zones;
use crate::error::{FrameError, FreeError};
use crate::ports::{Env, FrameAlloc};
use crate::types::{FrameRange, FrameRequest};

// SAFETY: `init`'s caller gave frames that nobody else uses; each lies in one zone, whose buddy hands out no frame twice
// and is used by one CPU at a time; and a frame comes back only from its owner, by the contract of `free`.
unsafe impl<E: Env> FrameAlloc for Zones<'_, E> {
    fn span(&self) -> FrameRange {
        self.managed_span()
    }

    fn allocate(&self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        self.failures.count_allocation(self.take(request))
    }

    fn allocate_at(&self, range: FrameRange) -> Result<FrameRange, FrameError> {
        self.failures.count_allocation(self.claim(range))
    }

    unsafe fn free(&self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        self.failures.count_free(self.give_back(range))
    }
}
