//! Memory maps for tests: [`Machine`], [`host_frames`].

use alloc::vec;
use alloc::vec::Vec;

use crate::Env;
use crate::frame::{Bitmap, Buddy, Config, Frames, InitError};
use crate::testing::{Bytes, HostEnv};
use crate::types::{FrameRange, Pfn};

/// A memory map, decoded from bytes: odd starts, single frames, adjacent regions, huge holes, the last frame numbers.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Usable frames, in no order.
    pub usable: Vec<FrameRange>,
    /// Reserved frames; they may overlap and lie anywhere.
    pub reserved: Vec<FrameRange>,
    /// Limits the order of the buddy's blocks.
    pub config: Config,
}

impl Machine {
    /// Reads a map of at most 6 regions and some 6000 frames.
    #[must_use]
    pub fn decode(bytes: &mut Bytes<'_>) -> Self {
        let config = Config { max_order: u32::from(bytes.u8() % 20) };
        let mut at = match bytes.u8() % 4 {
            0 => 0,
            1 => usize::from(bytes.u8()),
            2 => 1 << (bytes.u8() % 30),
            _ => usize::MAX - bytes.below(8000),
        };
        let mut usable = Vec::new();
        for _ in 0..=bytes.u8() % 6 {
            let Some(region) = region_behind(at, bytes) else { break };
            at = region.end().0;
            usable.push(region);
        }
        let mut reserved = Vec::new();
        for _ in 0..bytes.u8() % 4 {
            let near = usable.get(bytes.below(usable.len())).map_or(Pfn(0), FrameRange::start);
            let start = near.0.saturating_add(bytes.below(1200)).saturating_sub(20);
            reserved.extend(FrameRange::new(Pfn(start), bytes.below(300)));
        }
        if bytes.u8() % 2 == 1 {
            usable.reverse();
        }
        Self { usable, reserved, config }
    }

    /// Runs `work` on a buddy of this machine.
    ///
    /// # Errors
    ///
    /// Those of [`Buddy::new`].
    pub fn with_buddy<R>(&self, work: impl FnOnce(Buddy<'_>) -> R) -> Result<R, InitError> {
        // What the storage holds must not matter.
        let mut storage = vec![!0; Buddy::storage_words(self.config, &self.usable, &self.reserved)?];
        Ok(work(Buddy::new(&mut storage, self.config, &self.usable, &self.reserved)?))
    }

    /// Runs `work` on a bitmap of this machine.
    ///
    /// # Errors
    ///
    /// Those of [`Bitmap::new`].
    pub fn with_bitmap<R>(&self, work: impl FnOnce(Bitmap<'_>) -> R) -> Result<R, InitError> {
        let mut storage = vec![!0; Bitmap::storage_words(&self.usable, &self.reserved)?];
        Ok(work(Bitmap::new(&mut storage, &self.usable, &self.reserved)?))
    }
}

fn region_behind(at: usize, bytes: &mut Bytes<'_>) -> Option<FrameRange> {
    let hole = match bytes.u8() % 4 {
        0 => 0,
        1 => usize::from(bytes.u8()),
        2 => 1 << (bytes.u8() % 20),
        _ => usize::MAX / 8,
    };
    let start = Pfn(at.checked_add(hole)?);
    FrameRange::new(start, bytes.below(1000)).filter(|region| !region.is_empty())
}

/// A buddy over the memory of `env`, without frame 0, with its tables in `storage`.
///
/// # Panics
///
/// If `env` has no memory.
#[expect(unsafe_code, clippy::expect_used, reason = "a test helper; frames of a HostEnv belong to the test")]
pub fn host_frames<'m>(env: &'m HostEnv, storage: &'m mut Vec<u64>) -> Frames<&'m HostEnv, Buddy<'m>> {
    let usable = [env.direct_map().frames()];
    let reserved = [FrameRange::between(Pfn(0), Pfn(1))];
    let words = Buddy::storage_words(Config::default(), &usable, &reserved).expect("memory in the arena");
    storage.resize(words, 0);
    let buddy = Buddy::new(storage, Config::default(), &usable, &reserved).expect("words were counted");
    let frames = Frames::new(env);
    // SAFETY: the arena is the test's own, and it has one allocator.
    unsafe { frames.init(buddy) }.expect("first initialisation");
    frames
}
