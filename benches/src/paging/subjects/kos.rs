//! Ours: `Table<X86Long<4>, _>` through its operations on ranges, alone and as CPUs may have it loaded.

use core::convert::Infallible;
use core::ptr::{NonNull, with_exposed_provenance_mut};

use kos_paging::{
    Attrs, Exclusive, FlushSet, Frame, FrameRequest, FrameSource, HugePolicy, Live, LongCaps, Mode,
    OutOfFrames, PhysAddr, PhysMapper, SplitPolicy, Table, TlbContext, TlbFlush, VirtAddr, VirtRange,
    WxPolicy, X86Long,
};

use crate::harness::must;
use crate::paging::{BYTES, Leaf, PHYSICAL, Tables, VIRTUAL, pool};

pub(super) struct Pool;

impl FrameSource for Pool {
    #[inline]
    fn allocate(&self, _: FrameRequest) -> Result<Frame, OutOfFrames> {
        // SAFETY: the pool hands out each frame once.
        Ok(unsafe { Frame::new(PhysAddr::new(pool::take() as u64)) })
    }

    #[inline]
    fn free(&self, frame: Frame) {
        pool::give(address(frame.address()));
    }
}

// SAFETY: physical memory is at its own address; the tables in question are those that we made.
unsafe impl PhysMapper for Pool {
    #[inline]
    fn table(&self, frame: PhysAddr, _: usize) -> Option<NonNull<u8>> {
        NonNull::new(with_exposed_provenance_mut(address(frame)))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the benchmark runs on 64 bits")]
fn address(physical: PhysAddr) -> usize {
    physical.get() as usize
}

/// No CPU uses the tables.
struct NoCpu;

// SAFETY: where no CPU has loaded the table, none holds a translation of it.
unsafe impl TlbFlush for NoCpu {
    type Error = Infallible;

    #[inline]
    fn flush(&self, _: &FlushSet) -> Result<(), Infallible> {
        Ok(())
    }
}

/// `Table`, edited as `X` says.
pub(super) struct Kos<X: Start>(Table<X86Long<4>, Pool, X>);

/// A table that no CPU uses.
pub(super) type Alone = Exclusive;

/// A table that CPUs may have loaded.
pub(super) type Loaded = Live<Box<TlbContext<1>>>;

/// How it comes from a new table to this mode.
pub(super) trait Start: Mode + Sized + 'static {
    fn start(table: Table<X86Long<4>, Pool>) -> Table<X86Long<4>, Pool, Self>;
}

impl Start for Alone {
    fn start(table: Table<X86Long<4>, Pool>) -> Table<X86Long<4>, Pool> {
        table
    }
}

impl Start for Loaded {
    fn start(table: Table<X86Long<4>, Pool>) -> Table<X86Long<4>, Pool, Self> {
        table.into_live(Box::new(TlbContext::new()))
    }
}

fn range() -> VirtRange {
    must(VirtRange::new(VirtAddr::new(VIRTUAL as u64), BYTES as u64).ok())
}

impl<X: Start> Tables for Kos<X> {
    fn new() -> Self {
        let format = must(X86Long::new(LongCaps::FULL).ok());
        Self(X::start(must(Table::new(format, Pool, WxPolicy::Deny).ok())))
    }

    fn map(&mut self, leaf: Leaf) {
        let huge = match leaf {
            Leaf::Page => HugePolicy::Never,
            Leaf::Huge => HugePolicy::Largest,
        };
        must(self.0.map(range(), PhysAddr::new(PHYSICAL as u64), Attrs::RW, huge).ok());
    }

    fn unmap(&mut self, _: Leaf) {
        let unmapped = must(self.0.unmap(range(), SplitPolicy::Refuse).ok());
        let mut bytes = 0;
        must(unmapped.flush(&NoCpu).ok()).release(|run| bytes += run.range.bytes());
        assert_eq!(core::hint::black_box(bytes) % 4096, 0);
    }

    fn protect(&mut self, _: Leaf, writable: bool) {
        let attrs = if writable { Attrs::RW } else { Attrs::R };
        let protected = must(self.0.protect(range(), attrs, SplitPolicy::Refuse).ok());
        must(protected.flush(&NoCpu).ok());
    }

    #[inline]
    fn translate(&self, virtual_address: usize) -> Option<usize> {
        let translation = self.0.translate(VirtAddr::new(virtual_address as u64)).ok()?;
        Some(address(translation.phys))
    }
}

impl<X: Start> Drop for Kos<X> {
    fn drop(&mut self) {
        self.unmap(Leaf::Page);
        pool::give(address(self.0.root()));
    }
}
