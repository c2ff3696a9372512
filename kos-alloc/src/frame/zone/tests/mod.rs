//! Tests of zones.

mod behaviour;
mod caches;
mod cpus;
mod grow;
mod properties;
mod setup;
mod threads;

use alloc::vec;
use alloc::vec::Vec;

use super::{Config, ZoneKind, Zones};
use crate::error::FreeError;
use crate::ports::{Env, FrameAlloc};
use crate::types::{FrameRange, FrameRequest, Pfn};

/// Three zones of a machine of some thousand frames, without reserves.
const PLAIN: [ZoneKind; 3] =
    [ZoneKind::new("low", Pfn(0x400)), ZoneKind::new("middle", Pfn(0x1000)), ZoneKind::new("high", Pfn::MAX)];

fn range(start: usize, end: usize) -> FrameRange {
    FrameRange::between(Pfn(start), Pfn(end))
}

fn one() -> FrameRequest {
    FrameRequest::new(1)
}

/// The zones of `table`, none of which keeps a frame back.
fn keeping_nothing(table: &[ZoneKind]) -> Config<'_> {
    Config { min_free: Some(0), watermark_scale: 0, ..Config::new(table) }
}

/// Runs `work` on zones of `usable`.
fn with_zones<E: Env>(env: E, config: &Config<'_>, usable: &[FrameRange], work: impl FnOnce(&Zones<'_, E>)) {
    let zones = Zones::new(env);
    let mut storage = vec![!0; zones.storage_words(config, usable, &[]).unwrap()];
    #[expect(unsafe_code, reason = "initialises with frames that are only numbers")]
    // SAFETY: nobody uses these frames: they are numbers, or memory of the environment that belongs to the test.
    unsafe { zones.init(&mut storage, config, usable, &[]) }.unwrap();
    zones.check().unwrap();
    work(&zones);
    zones.check().unwrap();
}

/// Frees what the test owns.
#[expect(unsafe_code, reason = "calls the port")]
fn free(frames: &impl FrameAlloc, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
    // SAFETY: the test allocated it, or it is refused.
    unsafe { frames.free(range) }
}

/// All that `request` gives, one after the other.
fn drain(frames: &impl FrameAlloc, request: &FrameRequest) -> Vec<FrameRange> {
    core::iter::from_fn(|| frames.allocate(request).ok()).collect()
}
