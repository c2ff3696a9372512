//! What the address spaces of programs need: frames that are counted, tables with the kernel's half, flushes.
//!
//! Programs have a budget of frames in common, tables included, so that the kernel keeps what it needs whatever they do; a group of
//! them may have less. Invariant: `taken` is the number of frames that programs have now, and each is charged to its owner.
#![expect(unsafe_code, reason = "ports of kos-paging that can break memory safety")]

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};

use kos_alloc::Env;
use kos_paging::space::ports::NewTable;
use kos_paging::space::{FrameMeta, FrameTable, SpaceEnv, SpaceId};
use kos_paging::{
    CreateError, FlushSet, Frame, FrameRequest, FrameSource, Live, OutOfFrames, PhysAddr, PhysMapper, Table,
    TlbFlush, VirtAddr, VirtRange, WxPolicy,
};

use super::group::{Group, GroupId, Groups};
use super::object::Object;
use crate::Kernel;
use crate::glue::address::frame_of;
use crate::glue::sleep_lock::SleepLock;
use crate::glue::table_frames::TableFrames;
use crate::kernel::SharedFrames;
use crate::platform::{AddressSpace, Platform, SpaceHandle};
use crate::svc::quota::Quota;

/// Of the frames that are free when the first program runs, programs get so many quarters.
const QUARTERS: usize = 3;

/// The frames of all programs.
struct Frames<P: Platform> {
    source: TableFrames<SharedFrames<P>, P::Phys>,
    /// By number of frame.
    metas: Vec<FrameMeta>,
    /// To which group each frame is charged, by number of frame.
    owners: Vec<AtomicU8>,
    groups: Groups,
    budget: usize,
    taken: AtomicUsize,
}

/// A counted pointer to what all address spaces share, of somebody in a group.
pub(crate) struct Ports<P: Platform> {
    shared: Arc<Frames<P>>,
    group: GroupId,
}

impl<P: Platform> Ports<P> {
    /// A count for each frame of the machine, and the budget; `None` if there is no memory for it.
    pub(super) fn new(kernel: &Kernel<P>) -> Option<Self> {
        let reach = kernel.platform().env().direct_map().frames();
        let frames = reach.start().0 + reach.count();
        let mut metas = Vec::new();
        metas.try_reserve_exact(frames).ok().filter(|()| kernel.has_room_for::<Frames<P>>())?;
        metas.resize_with(frames, FrameMeta::new);
        let mut owners = Vec::new();
        owners.try_reserve_exact(frames).ok()?;
        owners.resize_with(frames, || AtomicU8::new(0));
        let budget = kernel.frames().stats().free / 4 * QUARTERS;
        let source = TableFrames::below(u64::MAX, kernel.shared_frames(), kernel.platform().phys());
        let (groups, taken) = (Groups::new(), AtomicUsize::new(0));
        groups.join(GroupId::NONE);
        let shared = Arc::new(Frames { source, metas, owners, groups, budget, taken });
        Some(Self { shared, group: GroupId::NONE })
    }

    /// The same for a group with this quota; [`None`] if there are as many as there may be.
    pub(super) fn of_group(&self, quota: &Quota) -> Option<Self> {
        let group = self.shared.groups.hold(quota)?;
        Some(Self { shared: Arc::clone(&self.shared), group })
    }

    /// The group.
    pub(super) fn group(&self) -> &Group {
        self.shared.groups.of(self.group)
    }

    /// To whom a frame is charged.
    fn owner(&self, frame: &Frame) -> Option<&AtomicU8> {
        self.shared.owners.get(frame_of(frame.address()).0)
    }

    /// Frames that programs have now.
    pub(crate) fn taken(&self) -> usize {
        self.shared.taken.load(Relaxed)
    }

    /// Frames that all programs together may have.
    pub(crate) fn budget(&self) -> usize {
        self.shared.budget
    }
}

impl<P: Platform> Clone for Ports<P> {
    fn clone(&self) -> Self {
        self.shared.groups.join(self.group);
        Self { shared: Arc::clone(&self.shared), group: self.group }
    }
}

impl<P: Platform> Drop for Ports<P> {
    fn drop(&mut self) {
        self.shared.groups.leave(self.group);
    }
}

impl<P: Platform> fmt::Debug for Ports<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").field("taken", &self.taken()).finish_non_exhaustive()
    }
}

impl<P: Platform> FrameSource for Ports<P> {
    fn allocate(&self, request: FrameRequest) -> Result<Frame, OutOfFrames> {
        let pages = 1 << request.order;
        let more = |taken: usize| taken.checked_add(pages).filter(|taken| *taken <= self.shared.budget);
        if !self.group().frames.charge(pages) {
            return Err(OutOfFrames);
        }
        let charged = self.shared.taken.fetch_update(Relaxed, Relaxed, more).map_err(|_| OutOfFrames);
        let allocated = charged.and_then(|_| {
            self.shared.source.allocate(request).inspect_err(|_| {
                self.shared.taken.fetch_sub(pages, Relaxed);
            })
        });
        match &allocated {
            Ok(frame) => {
                if let Some(owner) = self.owner(frame) {
                    owner.store(self.group.0, Relaxed);
                }
            }
            Err(_) => self.group().frames.discharge(pages),
        }
        allocated
    }

    fn free(&self, frame: Frame) {
        let (pages, owner) = (1 << frame.order(), self.owner(&frame).map(|owner| owner.load(Relaxed)));
        self.shared.taken.fetch_sub(pages, Relaxed);
        // Whoever frees it: it goes back to whom it was charged.
        self.shared.groups.of(GroupId(owner.unwrap_or(0))).frames.discharge(pages);
        self.shared.source.free(frame);
    }
}

// SAFETY: the answers are those of the kernel's tables.
unsafe impl<P: Platform> PhysMapper for Ports<P> {
    fn table(&self, frame: PhysAddr, bytes: usize) -> Option<NonNull<u8>> {
        self.shared.source.table(frame, bytes)
    }
}

// SAFETY: one count for each frame that the source can give, by its number; there is no frame of zeros.
unsafe impl<P: Platform> FrameTable for Ports<P> {
    fn meta(&self, phys: PhysAddr) -> Option<&FrameMeta> {
        self.shared.metas.get(frame_of(phys).0)
    }
}

impl<P: Platform> SpaceEnv for Ports<P> {
    type Format = P::Format;
    type Mode = Live<SpaceHandle>;
    type Tlb = SpaceTlb<P>;
    type Lock = SleepLock<P>;
    type Object = Object<P>;

    fn new_table(&self, _: SpaceId) -> Result<NewTable<Self>, CreateError> {
        let out = CreateError::OutOfFrames;
        let layout = P::PROGRAMS.ok_or(out)?;
        let half =
            VirtRange::inclusive(VirtAddr::new(layout.kernel), VirtAddr::new(u64::MAX)).or(Err(out))?;
        let made = P::with_kernel(|kernel| {
            if !kernel.has_room_for::<AddressSpace>() {
                return Err(out);
            }
            kernel.with_tables(|tables| {
                let mut table = Table::new(*tables.format(), self.clone(), WxPolicy::Deny)?;
                // SAFETY: the kernel's tables outlive all programs. Each entry of their upper half holds something that
                // stays: direct map, image, devices, data of CPUs; among the stacks, that of the main thread.
                let shared = unsafe { table.share(half, tables) };
                debug_assert!(shared.is_ok(), "the upper half is whole entries, and the table is new");
                let root = table.root().get();
                Ok((table, SpaceHandle(Arc::new(AddressSpace::new(root)))))
            })
        });
        let (table, handle) = made.unwrap_or(Err(out))?;
        Ok((table.into_live(handle.clone()), SpaceTlb(handle, PhantomData)))
    }
}

/// The flushes of one space.
pub(crate) struct SpaceTlb<P>(SpaceHandle, PhantomData<fn() -> P>);

impl<P> SpaceTlb<P> {
    /// What the machine loads.
    pub(super) fn space(&self) -> &AddressSpace {
        &self.0.0
    }
}

impl<P> Clone for SpaceTlb<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

// SAFETY: the machine flushes every CPU that has the space loaded, by its context, and nobody walks tables without a lock.
unsafe impl<P: Platform> TlbFlush for SpaceTlb<P> {
    type Error = Infallible;

    fn flush(&self, set: &FlushSet) -> Result<(), Infallible> {
        P::with_kernel(|kernel| kernel.platform().flush_space(self.space(), set)).unwrap_or_default();
        Ok(())
    }
}
