//! Tests of the frame layer, both allocators alike.

mod faults;
mod memory;
mod properties;
mod setup;
mod shared;

use alloc::vec;
use alloc::vec::Vec;

use super::{Backend, Bitmap, Buddy, Config};
use crate::types::{FrameRange, FrameRequest, Pfn};

fn range(start: usize, end: usize) -> FrameRange {
    FrameRange::between(Pfn(start), Pfn(end))
}

fn one() -> FrameRequest {
    FrameRequest::new(1)
}

/// Runs `work` on a buddy of `usable` without `reserved`.
fn with_buddy<R>(usable: &[FrameRange], reserved: &[FrameRange], work: impl FnOnce(Buddy<'_>) -> R) -> R {
    let config = Config::default();
    let mut storage = vec![!0; Buddy::storage_words(config, usable, reserved).unwrap()];
    work(Buddy::new(&mut storage, config, usable, reserved).unwrap())
}

/// Runs `work` on a bitmap of `usable` without `reserved`.
fn with_bitmap<R>(usable: &[FrameRange], reserved: &[FrameRange], work: impl FnOnce(Bitmap<'_>) -> R) -> R {
    let mut storage = vec![!0; Bitmap::storage_words(usable, reserved).unwrap()];
    work(Bitmap::new(&mut storage, usable, reserved).unwrap())
}

/// Runs `work` on a buddy and on a bitmap.
fn with_both(usable: &[FrameRange], reserved: &[FrameRange], work: impl Fn(&mut dyn Backend)) {
    with_buddy(usable, reserved, |mut buddy| work(&mut buddy));
    with_bitmap(usable, reserved, |mut bitmap| work(&mut bitmap));
}

/// Everything that `backend` gives, frame by frame.
fn drain(backend: &mut dyn Backend) -> Vec<FrameRange> {
    core::iter::from_fn(|| backend.allocate(&one()).ok()).collect()
}
