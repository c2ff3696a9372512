//! Memory objects of a kernel that is a test: [`HostPages`].

use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::HostMask;
use crate::ports::{Access, SharedMemory};
use crate::shm::SharedBytes;

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// Memory objects, and what of them is mapped at which number. The k-th call can be made to [fail](Self::fail_at).
///
/// Panics if an object goes while it is mapped, or if a call comes under a lock.
#[derive(Debug)]
pub struct HostPages {
    state: Mutex<State>,
    calls_left: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    bytes: usize,
    mapped: Vec<(u64, HostMemory, Range<usize>, Access)>,
}

/// A memory object.
#[derive(Clone, Debug)]
pub struct HostMemory {
    id: u64,
    words: Arc<[AtomicUsize]>,
    size: Arc<AtomicUsize>,
}

impl HostMemory {
    /// What is in it.
    #[must_use]
    pub fn bytes(&self) -> SharedBytes<'_> {
        SharedBytes::new(&self.words)
    }
}

/// The call that was to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

impl fmt::Display for NoMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no memory")
    }
}

impl core::error::Error for NoMemory {}

impl Default for HostPages {
    fn default() -> Self {
        Self { state: Mutex::default(), calls_left: AtomicU64::new(u64::MAX) }
    }
}

impl HostPages {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has the k-th call from now on fail, from 0; and all after it.
    pub fn fail_at(&self, call: u64) {
        self.calls_left.store(call, Ordering::Relaxed);
    }

    /// Bytes of all objects.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// How much is mapped: so many places.
    #[must_use]
    pub fn mapped(&self) -> usize {
        self.lock().mapped.len()
    }

    /// What is mapped at `place`, from where on, and for what.
    #[must_use]
    pub fn at(&self, place: u64) -> Option<(HostMemory, Range<usize>, Access)> {
        let state = self.lock();
        let found = state.mapped.iter().find(|(at, ..)| *at == place);
        found.map(|(_, memory, range, access)| (memory.clone(), range.clone(), *access))
    }

    /// Unmaps what is at `place`.
    pub fn unmap(&self, place: u64) {
        self.lock().mapped.retain(|(at, ..)| *at != place);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        assert!(!HostMask::is_masked(), "may block, and a lock is held");
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> Result<(), NoMemory> {
        let less = |left: u64| if left == u64::MAX { Some(left) } else { left.checked_sub(1) };
        let counted = self.calls_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        counted.map(drop).map_err(|_| NoMemory)
    }
}

impl SharedMemory for HostPages {
    type Object = HostMemory;
    type Place = u64;
    type Error = NoMemory;

    fn page_size(&self) -> usize {
        PAGE
    }

    fn create(&self, bytes: usize) -> Result<HostMemory, NoMemory> {
        self.count()?;
        let mut state = self.lock();
        (state.next, state.bytes) = (state.next + 1, state.bytes + bytes);
        let words = (0..bytes / size_of::<usize>()).map(|_| AtomicUsize::new(0)).collect();
        Ok(HostMemory { id: state.next, words, size: Arc::new(AtomicUsize::new(bytes)) })
    }

    /// Only counts: the words stay as many.
    fn resize(&self, object: &HostMemory, from: usize, to: usize) -> Result<(), NoMemory> {
        self.count()?;
        let mut state = self.lock();
        assert_eq!(object.size.swap(to, Ordering::Relaxed), from);
        state.bytes = state.bytes - from + to;
        Ok(())
    }

    fn map(
        &self,
        object: &HostMemory,
        place: &u64,
        range: Range<usize>,
        access: Access,
    ) -> Result<(), NoMemory> {
        self.count()?;
        let mut state = self.lock();
        assert!(state.mapped.iter().all(|(at, ..)| at != place), "something is mapped there");
        state.mapped.push((*place, object.clone(), range, access));
        Ok(())
    }

    fn free(&self, object: HostMemory) {
        let mut state = self.lock();
        assert!(state.mapped.iter().all(|(_, other, ..)| other.id != object.id), "freed while mapped");
        state.bytes -= object.size.load(Ordering::Relaxed);
    }
}
