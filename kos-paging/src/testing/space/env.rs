//! A machine with little memory, seen by spaces.
#![expect(unsafe_code, reason = "implements the ports on its own arena")]

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use super::objects::SimObject;
use crate::addr::{PhysAddr, VirtAddr};
use crate::error::CreateError;
use crate::flush::FlushSet;
use crate::format::{LongCaps, X86Long};
use crate::mode::Exclusive;
use crate::policy::WxPolicy;
use crate::ports::{Frame, FrameRequest, FrameSource, OutOfFrames, PhysMapper, TlbFlush};
use crate::space::ports::NewTable;
use crate::space::{FrameMeta, FrameTable, SpaceEnv, SpaceId, memory};
use crate::table::Table;
use crate::testing::mmu::{Access, Mmu, Mode};
use crate::testing::{Arena, FailAt, FakeTlb, Stuck};

/// Frames, their counts, a frame of zeros and a TLB that may get stuck.
pub struct SimMachine {
    /// The frames; arm it to fail an allocation.
    pub frames: FailAt<Arena>,
    metas: Vec<FrameMeta>,
    zeros: PhysAddr,
    stuck: Cell<bool>,
    flushes: Cell<u64>,
    huge: Cell<bool>,
}

impl SimMachine {
    /// A machine with this many frames, one of which holds zeros.
    ///
    /// # Panics
    ///
    /// If there is no frame for the zeros.
    #[must_use]
    pub fn new(frames: usize) -> Self {
        let arena = Arena::new(frames);
        #[expect(clippy::expect_used, reason = "an arena has one frame")]
        let mut zeros =
            arena.allocate(FrameRequest::below(PhysAddr::new(u64::MAX))).expect("a frame of zeros");
        memory::zero(&arena, &mut zeros, 4096);
        Self {
            frames: FailAt::new(arena),
            metas: (0..frames).map(|_| FrameMeta::new()).collect(),
            zeros: zeros.address(),
            stuck: Cell::new(false),
            flushes: Cell::new(0),
            huge: Cell::new(false),
        }
    }

    /// A handle to a fresh machine, which is never freed.
    #[must_use]
    pub fn leaked(frames: usize) -> SimEnv {
        SimEnv(Box::leak(Box::new(Self::new(frames))))
    }

    /// Makes every flush fail, or succeed again.
    pub fn set_stuck(&self, stuck: bool) {
        self.stuck.set(stuck);
    }

    /// Whether blocks for huge pages can be had.
    pub fn set_huge(&self, huge: bool) {
        self.huge.set(huge);
    }

    /// Flushes so far.
    #[must_use]
    pub fn flushes(&self) -> u64 {
        self.flushes.get()
    }

    /// Frames in use, the one of zeros aside.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.frames.inner().used() - 1
    }

    /// Frames with references, and how many each has.
    pub fn counts(&self) -> impl Iterator<Item = (PhysAddr, usize)> {
        let address = |index: usize| PhysAddr::new(Arena::BASE + index as u64 * 4096);
        let metas = self.metas.iter().enumerate();
        metas.map(move |(index, meta)| (address(index), meta.refs())).filter(|(_, refs)| *refs > 0)
    }

    fn meta(&self, phys: PhysAddr) -> Option<&FrameMeta> {
        let index = usize::try_from(phys.get().checked_sub(Arena::BASE)? / 4096).ok()?;
        self.metas.get(index).filter(|_| phys != self.zeros)
    }
}

impl fmt::Debug for SimMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimMachine").field("frames", &self.frames.inner()).finish_non_exhaustive()
    }
}

/// A handle to a machine: all the ports of a space.
#[derive(Clone, Copy, Debug)]
pub struct SimEnv(pub &'static SimMachine);

impl core::ops::Deref for SimEnv {
    type Target = SimMachine;

    fn deref(&self) -> &SimMachine {
        self.0
    }
}

impl FrameSource for SimEnv {
    fn allocate(&self, request: FrameRequest) -> Result<Frame, OutOfFrames> {
        self.frames.allocate(request)
    }

    fn free(&self, frame: Frame) {
        self.frames.free(frame);
    }
}

// SAFETY: the answers are the arena's, whose frames are this machine's.
unsafe impl PhysMapper for SimEnv {
    fn table(&self, frame: PhysAddr, bytes: usize) -> Option<NonNull<u8>> {
        self.frames.table(frame, bytes)
    }
}

// SAFETY: one count for each frame of the arena, found by its number; the frame of zeros is never handed out again.
unsafe impl FrameTable for SimEnv {
    fn meta(&self, phys: PhysAddr) -> Option<&FrameMeta> {
        self.0.meta(phys)
    }

    fn zero_page(&self) -> Option<PhysAddr> {
        Some(self.zeros)
    }

    fn huge(&self, order: u8) -> Result<Frame, OutOfFrames> {
        if self.huge.get() { self.frames.inner().block(order) } else { Err(OutOfFrames) }
    }
}

/// What the CPUs keep of one space: all that its programs used, until it is flushed.
#[derive(Clone, Debug)]
pub struct SimTlb {
    env: SimEnv,
    cached: Rc<FakeTlb>,
}

impl SimTlb {
    /// A program uses an address, if the tables at `root` let it.
    pub fn access(&self, root: PhysAddr, at: VirtAddr, write: bool) {
        let access = Access { write, fetch: false, user: true };
        // What it may not is a fault, and nothing is kept.
        let _ = self.cached.access(&self.mmu(root), at.get(), access);
    }

    /// An address that programs may still use in a way that the tables at `root` do not allow any more.
    #[must_use]
    pub fn stale(&self, root: PhysAddr) -> Option<u64> {
        self.cached.stale(&self.mmu(root), &[], |_| false)
    }

    fn mmu(&self, root: PhysAddr) -> Mmu<'_> {
        let mode =
            Mode::FourLevel { nxe: true, page1gb: true, maxphyaddr: u32::from(LongCaps::FULL.phys_bits) };
        Mmu { mode, memory: self.env.frames.inner(), cr3: root.get() }
    }
}

// SAFETY: no CPU loads the tables; what is kept is compared, never used.
unsafe impl TlbFlush for SimTlb {
    type Error = Stuck;

    fn flush(&self, set: &FlushSet) -> Result<(), Stuck> {
        self.env.flushes.set(self.env.flushes.get() + 1);
        if self.env.stuck.get() { Err(Stuck) } else { self.cached.flush(set) }
    }
}

impl SpaceEnv for SimEnv {
    type Format = X86Long<4>;
    type Mode = Exclusive;
    type Tlb = SimTlb;
    type Lock = TestLock;
    type Object = SimObject;

    fn new_table(&self, _id: SpaceId) -> Result<NewTable<Self>, CreateError> {
        #[expect(clippy::expect_used, reason = "the abilities are those of a CPU")]
        let format = X86Long::<4>::new(LongCaps::FULL).expect("a CPU that exists");
        let tlb = SimTlb { env: *self, cached: Rc::default() };
        Ok((Table::new(format, *self, WxPolicy::Deny)?, tlb))
    }
}

/// A lock for tests of one thread: taking it twice is told, not waited for.
#[derive(Debug)]
pub struct TestLock(AtomicBool);

// SAFETY: `lock` returns to one caller only until he unlocks.
unsafe impl lock_api::RawMutex for TestLock {
    const INIT: Self = Self(AtomicBool::new(false));
    type GuardMarker = lock_api::GuardSend;

    fn lock(&self) {
        assert!(self.try_lock(), "a lock is taken by who has it");
    }

    fn try_lock(&self) -> bool {
        !self.0.swap(true, Ordering::Acquire)
    }

    unsafe fn unlock(&self) {
        self.0.store(false, Ordering::Release);
    }
}
