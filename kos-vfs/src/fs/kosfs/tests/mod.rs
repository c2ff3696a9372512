//! Tests of more than one module.

#![expect(clippy::cast_possible_truncation, reason = "random numbers, of which any bits do, and small files")]

mod calls;
mod damage;
mod explorer;
mod failures;
mod files;
pub(super) mod recorder;
mod regressions;
mod room;
mod steps;

use alloc::vec::Vec;

use crate::block::BlockDevice;
use crate::fs::kosfs::{FsckOptions, fsck};

/// Nothing is wrong with the volume on `device`, not mounted and perhaps just crashed.
fn assert_clean<D: BlockDevice>(device: D) {
    let mut found = Vec::new();
    let options = FsckOptions { data: true, ..FsckOptions::default() };
    let report = fsck::<_, spin::RwLock<()>>(device, &options, &mut |problem, _| found.push(*problem));
    assert_eq!((report.unwrap().problems, &found[..]), (0, &[][..]));
}
