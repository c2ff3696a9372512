//! Address spaces: mappings, pages on demand, copy on write, user memory (feature `vma`).
//!
//! A [`Space`] is what a process has: mappings ([`Vma`]) in a balanced tree whose nodes lie in frames, a page table, and
//! the lock of both. All methods take `&self`; share it by a counted pointer. Any number of CPUs may fault in it at
//! once: the lock is held to look up and to install, never while a pager works.
//!
//! # How a kernel calls it
//!
//! - **Page-fault handler**, with interrupts on again and no lock of its own held: [`Space::handle_fault`] of the running
//!   process with the address, the access and whether it came from user mode. `Ok(Mapped | Spurious)`: return.
//!   `Ok(Wait(token))`: sleep until the token is woken, then return, so that the program tries again. `Err`: end or
//!   signal the process ([`FaultError`] says how); out of memory: [`oom::victim`].
//! - **System calls**: [`Space::map`], [`unmap`](Space::unmap), [`protect`](Space::protect), [`remap`](Space::remap),
//!   [`advise`](Space::advise), [`brk`](Space::brk), [`fork`](Space::fork); pointers of programs only through
//!   [`copy_in`](Space::copy_in) and its like, which resolve faults themselves and never touch a user address.
//! - **Context switch**: enter the [`TlbContext`](crate::TlbContext) behind [`Space::tlb`], load [`Space::root`]; it never
//!   changes. Flushes then go to the CPUs that have the space loaded, and to no others. Before a space is dropped, no CPU may have it loaded.
//!
//! The lock may be held while a flush waits for other CPUs: take it with interrupts on, also there. No method may be
//! called from an interrupt handler. Lock order: a space, then an object; [`Space::fork`] takes the parent's only.
//!
//! # Invariants, walked by [`Space::check`]
//!
//! Mappings are sorted, disjoint, and no two neighbours could be one. No page is mapped outside of a mapping or above
//! its rights. A writable private page has one reference besides pins. Counters equal a recount.
//!
//! Each change takes all memory that it needs before it changes anything: an error leaves the space as it was,
//! but that a huge page may have been split.
//! Source: POSIX.1-2024 mmap, mprotect, munmap; Linux mremap, madvise.

mod ask;
mod check;
mod config;
mod copy;
mod error;
mod fault;
mod fork;
mod frame_meta;
mod frame_vec;
mod map;
pub(crate) mod memory;
#[cfg(test)]
mod memory_tests;
pub mod oom;
mod path;
mod pin;
pub mod ports;
mod protect;
mod pt;
mod remap;
mod set;
#[cfg(test)]
mod set_tests;
mod state;
mod teardown;
mod tree;
mod vma;

use core::fmt;

use lock_api::Mutex;

pub use config::{Config, SpaceStats};
pub use error::{CopyCause, CopyError, FaultError, ForkError, PinError, SpaceCorruption, SpaceError};
pub use fault::{Fault, FaultOutcome};
pub use frame_meta::{FrameMeta, FrameRef};
pub use map::{MapRequest, Place};
pub use pin::Pinned;
pub use ports::{FrameTable, PageIn, Pager, SpaceEnv, SpaceId, Token};
pub use protect::Advice;
pub use remap::Move;
pub use vma::{Backing, Behaviour, Kind, Vma};

pub(crate) use frame_vec::FrameVec;
#[cfg(any(test, feature = "testing"))]
pub(crate) use vma::range;

use crate::addr::{PhysAddr, VirtAddr, VirtRange};
use crate::attrs::Flags;
use crate::error::CreateError;
use crate::walk::Mapping;
use ask::Answer;
use fault::{PagerError, Step};
use pt::PageTable;
use state::State;

/// An address space.
pub struct Space<E: SpaceEnv> {
    env: E,
    root: PhysAddr,
    tlb: E::Tlb,
    state: Mutex<E::Lock, State<E>>,
}

impl<E: SpaceEnv> Space<E> {
    /// An empty space. `id` is the integrator's own number, by which objects know who maps them.
    ///
    /// Does not compile over a [`Window`](crate::Window).
    ///
    /// # Errors
    ///
    /// [`CreateError`]; no frame is kept.
    pub fn new(env: E, id: SpaceId, config: Config) -> Result<Self, CreateError> {
        const { assert!(!E::WINDOW, "an address space reads one frame while it writes another") };
        let pt = PageTable::new(&env, id)?;
        Ok(Self::from_state(State::new(env, id, pt, config)))
    }

    fn from_state(state: State<E>) -> Self {
        Self {
            env: state.env.clone(),
            root: state.pt.table().root(),
            tlb: state.pt.tlb().clone(),
            state: Mutex::new(state),
        }
    }

    /// The root of its table: for CR3. It never changes.
    ///
    /// Who loads it must load another before the space is dropped.
    #[must_use]
    pub const fn root(&self) -> PhysAddr {
        self.root
    }

    /// What flushes it: for the context switch, which tells it who has the space loaded.
    #[must_use]
    pub const fn tlb(&self) -> &E::Tlb {
        &self.tlb
    }

    /// The number that it was made with.
    #[must_use]
    pub fn id(&self) -> SpaceId {
        self.state.lock().id
    }

    /// The handle that it was made with.
    #[must_use]
    pub const fn env(&self) -> &E {
        &self.env
    }

    /// Resolves a page fault. Call it without a lock and with interrupts on; a pager may block in it.
    ///
    /// # Errors
    ///
    /// [`FaultError`]: what the program gets for it; nothing changed.
    pub fn handle_fault(&self, fault: Fault) -> Result<FaultOutcome, FaultError<PagerError<E>>> {
        loop {
            let step = self.state.lock().fault(fault)?;
            let ask = match step {
                Step::Done(outcome) => return Ok(outcome),
                Step::Ask(ask) => ask,
            };
            let (ask, page) = match ask.ask()? {
                Answer::Wait(token) => return Ok(FaultOutcome::Wait(token)),
                Answer::Page(ask, page) => (ask, page),
            };
            // Another CPU changed the mapping meanwhile: it made progress, we begin again.
            if let Some(outcome) = self.state.lock().answer(&ask, page)? {
                return Ok(outcome);
            }
        }
    }

    /// Makes a mapping; where it is.
    ///
    /// # Errors
    ///
    /// [`SpaceError`]; nothing changed, also of what a fixed mapping was to replace.
    pub fn map(&self, request: MapRequest<E::Object>) -> Result<VirtRange, SpaceError> {
        self.state.lock().map(request)
    }

    /// Takes away whatever is mapped in the range; holes are no error.
    ///
    /// # Errors
    ///
    /// [`SpaceError`]; nothing changed. After [`SpaceError::Stuck`] the range is still reserved: unmap it again.
    pub fn unmap(&self, range: VirtRange) -> Result<(), SpaceError> {
        self.state.lock().unmap(range)
    }

    /// Gives all of the range, which must be mapped without a hole, these rights.
    ///
    /// # Errors
    ///
    /// [`SpaceError`]; nothing changed.
    pub fn protect(&self, range: VirtRange, rights: Flags) -> Result<(), SpaceError> {
        self.state.lock().protect(range, rights)
    }

    /// Gives `old`, a part of one mapping, another length, and moves it if `go` allows; where it is then.
    ///
    /// # Errors
    ///
    /// [`SpaceError`]; nothing changed.
    pub fn remap(&self, old: VirtRange, bytes: u64, go: Move) -> Result<VirtRange, SpaceError> {
        self.state.lock().remap(old, bytes, go)
    }

    /// Takes advice about a range without a hole.
    ///
    /// # Errors
    ///
    /// [`SpaceError`]; nothing changed.
    pub fn advise(&self, range: VirtRange, advice: Advice) -> Result<(), SpaceError> {
        self.state.lock().advise(range, advice)
    }

    /// Makes pages of a range resident, as reads or writes of the program would; WILLNEED, MAP_POPULATE. Pages that are
    /// resident when a page fails stay so: it changes nothing that a program can see.
    ///
    /// # Errors
    ///
    /// [`CopyError`] with the pages done, in bytes.
    pub fn populate(&self, range: VirtRange, access: Flags) -> Result<(), CopyError<PagerError<E>>> {
        let mut done = 0;
        let page = pt::page_bytes::<E>();
        while let Some(va) = range.first().checked_add(done).filter(|va| *va <= range.last()) {
            let failed =
                |cause| CopyError { done: usize::try_from(done).unwrap_or(usize::MAX), at: va, cause };
            let outcome = self.handle_fault(Fault { va, access, user: true });
            if let FaultOutcome::Wait(token) = outcome.map_err(|cause| failed(CopyCause::Fault(cause)))? {
                return Err(failed(CopyCause::Wait(token)));
            }
            done = done.saturating_add(page);
        }
        Ok(())
    }

    /// Makes the heap begin at `base`, with no byte in it.
    ///
    /// # Errors
    ///
    /// [`SpaceError`] if that is not a page of the space.
    pub fn set_heap(&self, base: VirtAddr) -> Result<(), SpaceError> {
        self.state.lock().set_heap(base)
    }

    /// Makes the heap end at `end`.
    ///
    /// # Errors
    ///
    /// [`SpaceError`]; the heap ends where it did.
    pub fn brk(&self, end: VirtAddr) -> Result<VirtAddr, SpaceError> {
        self.state.lock().brk(end)
    }

    /// Where the heap ends; `None` before [`set_heap`](Self::set_heap).
    #[must_use]
    pub fn heap_end(&self) -> Option<VirtAddr> {
        self.state.lock().heap.map(|(_, end)| VirtAddr::new(end))
    }

    /// A child that has all that this space has, copied when one of them writes.
    ///
    /// # Errors
    ///
    /// [`ForkError`]; there is no child, and no frame is kept.
    pub fn fork(&self, id: SpaceId) -> Result<Self, ForkError> {
        self.state.lock().fork(id).map(Self::from_state)
    }

    /// Takes out all pages that show `object` from byte `from` on, in shared and private mappings: the second half of a
    /// truncation. The mappings stay; whoever touches them again gets a bus error, or what the object has then.
    ///
    /// # Errors
    ///
    /// [`SpaceError`]; call it again.
    pub fn zap(&self, object: &E::Object, from: u64) -> Result<(), SpaceError> {
        self.state.lock().zap(object, from)
    }

    /// The mapping that holds `at`, or the next one above: to list them one by one.
    #[must_use]
    pub fn vma_at_or_after(&self, at: VirtAddr) -> Option<Vma<E::Object>> {
        self.state.lock().set.at_or_after(at.get()).cloned()
    }

    /// Shows what is resident in a range, as runs of like leaves; under the lock.
    ///
    /// # Errors
    ///
    /// [`SpaceError::Walk`] if the table is damaged.
    pub fn runs(&self, range: VirtRange, mut show: impl FnMut(&Mapping)) -> Result<(), SpaceError> {
        let state = self.state.lock();
        for run in state.pt.runs(range.first().get(), range.last().get()) {
            show(&run?);
        }
        Ok(())
    }

    /// Shows each page of a range without a hole with whether it is resident; under the lock.
    ///
    /// # Errors
    ///
    /// [`SpaceError`] for a range with a hole.
    pub fn residency(&self, range: VirtRange, page: impl FnMut(VirtAddr, bool)) -> Result<(), SpaceError> {
        self.state.lock().residency(range, page)
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> SpaceStats {
        self.state.lock().stats()
    }

    /// Walks every invariant; reads all of the table.
    ///
    /// # Errors
    ///
    /// The first [`SpaceCorruption`] found.
    pub fn check(&self) -> Result<(), SpaceCorruption> {
        self.state.lock().check()
    }
}

impl<E: SpaceEnv> fmt::Debug for Space<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Space").field("root", &self.root).finish_non_exhaustive()
    }
}
