//! Shared segments by name, and what of them a process has mapped: [`Shared`], [`Mappings`].
//!
//! Invariant: what is in the list of a process is mapped in its address space, and nothing else of a segment is: a child does not get
//! them, and `munmap` and `mmap` leave them alone. So the ledger of kos-ipc says the truth, and a revoke misses nothing.

use alloc::sync::Arc;

use kos_ipc::cap::CapId;
use kos_ipc::shm::{
    MapError, MappingId, MappingSlot, Segment, SegmentMemory, SegmentObject, SegmentSlot, Segments,
};
use kos_ipc::shm::{SegmentCount, Unmap, UnmapStep, Unmapping};
use kos_ipc::{Access, cap::Cells};
use kos_paging::space::MapRequest;
use kos_paging::{Flags, VirtAddr, VirtRange};
use kos_vfs::Errno;
use lock_api::Mutex;

use super::caps::Name;
use super::{Caps, Handle, Ipc, places};
use crate::Kernel;
use crate::glue::ipc::IpcEnv;
use crate::glue::shared::{At, SharedPages};
use crate::glue::sleep_lock::SleepLock;
use crate::platform::Platform;
use crate::process::space::UserSpace;

/// Segments of all processes together.
const SEGMENTS: usize = 32;
/// Mappings of all processes together.
const MAPPINGS: usize = 128;
/// Capabilities and mappings that are looked at in one step of a revoke.
const STEP: u32 = 16;
/// Mappings of one process.
const OF_ONE: usize = 16;

/// The table of segments.
pub(crate) type Table<P> = Segments<'static, IpcEnv<P>, SharedPages<P>>;

/// A segment with the name under which it was made.
pub(crate) struct Shared<P: Platform> {
    pub(crate) segment: Segment<'static, IpcEnv<P>, SharedPages<P>>,
    pub(crate) name: Name,
    /// Tells it from others.
    pub(crate) id: u32,
}

impl<P: Platform> SegmentObject<'static, IpcEnv<P>, SharedPages<P>> for Handle<P> {
    fn segment(&self) -> Option<&Segment<'static, IpcEnv<P>, SharedPages<P>>> {
        match self {
            Self::Segment(shared) => Some(&shared.segment),
            _ => None,
        }
    }
}

/// A table in memory for good; [`None`] without that.
pub(super) fn table<P: Platform>(cells: &'static Cells<'static, IpcEnv<P>>) -> Option<Table<P>> {
    let (segments, counts) = (places(SEGMENTS, SegmentSlot::new)?, places(SEGMENTS, SegmentCount::new)?);
    let mappings = places(MAPPINGS, MappingSlot::new)?;
    let memory =
        SegmentMemory { segments: segments.leak(), counts: counts.leak(), mappings: mappings.leak() };
    Some(Segments::new(SharedPages::new(), cells, memory))
}

/// One mapping.
#[derive(Clone, Copy, Debug)]
struct Mapped {
    id: MappingId,
    range: VirtRange,
}

/// What a process has mapped of segments.
pub(crate) struct Mappings<P: Platform>(Mutex<SleepLock<P>, heapless::Vec<Mapped, OF_ONE>>);

impl<P: Platform> Mappings<P> {
    /// None.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(heapless::Vec::new()))
    }

    /// Maps a whole segment where there is room; where.
    ///
    /// # Errors
    /// [`Errno`]; nothing is mapped.
    pub(crate) fn map(
        &self,
        (kernel, caps): (&Kernel<P>, &Caps<P>),
        space: &Arc<UserSpace<P>>,
        cap: CapId,
        access: Access,
    ) -> Result<u64, Errno> {
        let (mut list, ipc) = (self.0.lock(), kernel.ipc()?);
        if list.is_full() {
            return Err(Errno::EMFILE);
        }
        let size = size(caps, cap)?;
        // The room is taken first: what the kernel maps then takes its place.
        let room = MapRequest::new(size as u64, Flags::READ);
        let range = space.map(room).map_err(|_| Errno::ENOMEM)?;
        let (address, process) = (range.first().get(), caps.who.process);
        let at = At { space: Arc::downgrade(space), address, process };
        let task = super::task::<P>();
        let client = ipc.client(&task, caps.who);
        let from = (caps.space(), cap, Handle::<P>::SEGMENT);
        match ipc.segments.map(&client, from, &at, 0..size, access) {
            Ok(id) => {
                // There is room.
                let _ = list.push(Mapped { id, range });
                Ok(range.first().get())
            }
            Err(error) => {
                // It may have been mapped, and revoked at once.
                kernel.clear(space, range, process);
                Err(refused(ipc, error))
            }
        }
    }

    /// Takes the mapping of a process away that begins at an address.
    ///
    /// # Errors
    /// [`Errno::EINVAL`]: none does.
    pub(crate) fn unmap(
        &self,
        (kernel, process): (&Kernel<P>, u32),
        space: &UserSpace<P>,
        first: u64,
    ) -> Result<(), Errno> {
        let (mut list, ipc) = (self.0.lock(), kernel.ipc()?);
        let begins = |mapped: &Mapped| mapped.range.first() == VirtAddr::new(first);
        let place = list.iter().position(begins).ok_or(Errno::EINVAL)?;
        let mapped = list.swap_remove(place);
        drop(list);
        // One that was revoked is left by who revoked it.
        if let Ok(unmap) = ipc.segments.unmap(mapped.id) {
            kernel.clear(space, mapped.range, process);
            told(ipc, unmap);
        }
        Ok(())
    }

    /// The end of the process: all of them go.
    pub(crate) fn end(&self, ipc: &Ipc<P>, space: &UserSpace<P>) {
        let list = core::mem::take(&mut *self.0.lock());
        for mapped in list {
            // One that was revoked is left by who revoked it.
            let Ok(unmap) = ipc.segments.unmap(mapped.id) else { continue };
            // What cannot be unmapped goes with the address space, and lives as long.
            let _ = space.unmap(mapped.range);
            told(ipc, unmap);
        }
    }

    /// One of them was taken back.
    fn forget(&self, id: MappingId) {
        self.0.lock().retain(|mapped| mapped.id != id);
    }

    /// Whether one of them has an address between two.
    pub(crate) fn has_any(&self, first: u64, last: u64) -> bool {
        let list = self.0.lock();
        list.iter().any(|mapped| mapped.range.first().get() <= last && first <= mapped.range.last().get())
    }

    /// Takes what a child got of them with the rest of the memory from its address space.
    pub(crate) fn leave_out(&self, child: &UserSpace<P>) -> Result<(), Errno> {
        let list = self.0.lock();
        list.iter().try_for_each(|mapped| child.unmap(mapped.range).map_err(|_| Errno::ENOMEM))
    }
}

impl<P: Platform> Kernel<P> {
    /// Takes back what a revoke takes, from whichever process has it.
    pub(crate) fn take_back(
        &self,
        ipc: &Ipc<P>,
        mut unmapping: Unmapping<'_, 'static, IpcEnv<P>, SharedPages<P>>,
    ) {
        loop {
            match unmapping.step(STEP) {
                UnmapStep::More => {}
                UnmapStep::Unmap(unmap) => {
                    self.withdraw(&unmap);
                    told(ipc, unmap);
                }
                UnmapStep::Wait => self.threads.runtime().yield_now(),
                UnmapStep::Done => return,
            }
        }
    }

    /// Takes a mapping from who has it.
    fn withdraw(&self, unmap: &Unmap<SharedPages<P>>) {
        let At { space, address, process } = unmap.place();
        let range = VirtRange::new(VirtAddr::new(*address), unmap.range().len() as u64);
        // A process that is gone has nothing mapped.
        if let (Some(space), Ok(range)) = (space.upgrade(), range) {
            self.clear(&space, range, *process);
        }
        self.processes.all().iter().for_each(|process| process.shared.forget(unmap.id()));
    }

    /// Unmaps from the address space of a process. If memory is too short for that the process ends: it does not keep by that what was
    /// taken from it.
    fn clear(&self, space: &UserSpace<P>, range: VirtRange, process: u32) {
        if space.unmap(range).is_err() {
            self.end_process(process);
        }
    }
}

/// The bytes of a segment.
fn size<P: Platform>(caps: &Caps<P>, cap: CapId) -> Result<usize, Errno> {
    let guard = caps.space().get(cap, Handle::<P>::SEGMENT, kos_ipc::cap::Rights::MAP);
    let guard = guard.map_err(super::caps::errno)?;
    guard.segment().map(Segment::size).ok_or(Errno::EINVAL)
}

fn told<P: Platform>(ipc: &Ipc<P>, unmap: Unmap<SharedPages<P>>) {
    // It is what was just taken.
    let _ = ipc.segments.unmapped(unmap);
}

fn refused<P: Platform>(ipc: &Ipc<P>, error: MapError<SharedPages<P>>) -> Errno {
    match error {
        MapError::Cap(error) => super::caps::errno(error),
        MapError::Refused(_) | MapError::Sealed(_) => Errno::EPERM,
        MapError::Full => Errno::ENOSPC,
        MapError::Memory(error) => error.0,
        MapError::Revoked(unmap) => {
            told(ipc, unmap);
            Errno::ESTALE
        }
        _ => Errno::EINVAL,
    }
}
