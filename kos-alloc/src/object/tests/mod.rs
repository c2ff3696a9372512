//! Tests of object caches.

mod behaviour;
mod faults;
mod properties;

use core::sync::atomic::{AtomicUsize, Ordering};

use super::ObjectCache;
use crate::error::AllocError;
use crate::ports::Construct;
use crate::testing::{FailAt, HostEnv, PlainFrames};
use crate::types::{FrameRange, Pfn};

/// Memory, frames that fail on demand, and the count of all probes.
struct Machine {
    env: HostEnv,
    frames: FailAt<PlainFrames>,
    alive: AtomicUsize,
    made: AtomicUsize,
    fail_at: AtomicUsize,
}

impl Machine {
    fn new(frames: usize) -> Self {
        let span = FrameRange::new(Pfn(0x1_0003), frames).unwrap();
        Self {
            env: HostEnv::new(span),
            frames: FailAt::new(PlainFrames::new(span)),
            alive: 0.into(),
            made: 0.into(),
            fail_at: usize::MAX.into(),
        }
    }

    fn cache<const BYTES: usize>(&self) -> TestCache<'_, BYTES> {
        ObjectCache::new(&self.env, &self.frames, Probes { machine: self })
    }

    fn alive(&self) -> usize {
        self.alive.load(Ordering::Relaxed)
    }

    /// Lets the k-th construction from now fail.
    fn fail_construction(&self, k: usize) {
        self.fail_at.store(self.made.load(Ordering::Relaxed) + k, Ordering::Relaxed);
    }
}

type TestCache<'a, const BYTES: usize> =
    ObjectCache<Probe<'a, BYTES>, &'a HostEnv, &'a FailAt<PlainFrames>, Probes<'a>>;

/// An object that knows its number, counts its uses, and is counted.
struct Probe<'a, const BYTES: usize> {
    alive: &'a AtomicUsize,
    number: usize,
    uses: usize,
    pattern: [u8; BYTES],
}

impl<const BYTES: usize> Drop for Probe<'_, BYTES> {
    fn drop(&mut self) {
        assert_eq!(self.pattern, [0x77; BYTES], "dropped twice, or written to while it was free");
        self.pattern = [0; BYTES];
        assert!(!HostEnv::is_masked(), "objects are dropped without a lock");
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Probes<'a> {
    machine: &'a Machine,
}

impl<'a, const BYTES: usize> Construct<Probe<'a, BYTES>> for Probes<'a> {
    fn construct(&self) -> Result<Probe<'a, BYTES>, AllocError> {
        assert!(!HostEnv::is_masked(), "objects are made without a lock");
        let number = self.machine.made.fetch_add(1, Ordering::Relaxed);
        if number == self.machine.fail_at.load(Ordering::Relaxed) {
            return Err(AllocError::NoMemory { requested: 1, largest_free: 0 });
        }
        self.machine.alive.fetch_add(1, Ordering::Relaxed);
        Ok(Probe { alive: &self.machine.alive, number, uses: 0, pattern: [0x77; BYTES] })
    }

    fn reset(&self, object: &mut Probe<'a, BYTES>) {
        object.uses += 1;
    }
}
