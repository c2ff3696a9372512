//! Memory: `brk`, `mmap`, `munmap`, `mprotect`, `mremap`, `madvise`.
//!
//! Sources: Linux, mmap(2), mremap(2), madvise(2); `include/uapi/asm-generic/mman-common.h`.

use kos_paging::space::{Advice, Kind, MapRequest, Move, Place, SpaceError};
use kos_paging::{Flags, VirtAddr, VirtRange};
use kos_vfs::Errno;

use super::files::file;
use super::numbers::{int, rights};
use super::{Answer, Running};
use crate::platform::Platform;
use crate::process::calls::memory::errno;
use crate::process::elf::PAGE;
use crate::process::object::{shared_memory, writes};
use crate::process::running::save_shared;

const SHARED: u64 = 1;
const PRIVATE: u64 = 2;
const KIND: u64 = 0xf;
const FIXED: u64 = 0x10;
const ANONYMOUS: u64 = 0x20;
const FIXED_NO_REPLACE: u64 = 0x10_0000;
/// Where memory goes that may go anywhere: away from the heap, which grows upwards from the program.
const ANYWHERE: u64 = 0x1000_0000_0000;

/// The end of the heap: the one that was wanted, or the one that stays. It has no errors.
pub(super) fn brk<P: Platform>(running: &mut Running<P>, [end, ..]: [u64; 6]) -> Answer {
    let space = &running.thread.space;
    let ends = || space.heap_end().map_or(0, VirtAddr::get);
    let wanted = Some(end).filter(|&end| end != 0);
    let moved = wanted.and_then(|end| space.brk(VirtAddr::new(end)).ok());
    Ok(moved.map_or_else(ends, VirtAddr::get))
}

pub(super) fn mmap<P: Platform>(
    running: &mut Running<P>,
    [at, bytes, protection, flags, fd, offset]: [u64; 6],
) -> Answer {
    let (bytes, rights) = (whole(bytes)?, rights(protection)?);
    let shared = match flags & KIND {
        // `MAP_SHARED_VALIDATE` differs in flags that are not there.
        SHARED | 3 => true,
        PRIVATE => false,
        _ => return Err(Errno::EINVAL),
    };
    if !offset.is_multiple_of(PAGE) {
        return Err(Errno::EINVAL);
    }
    let place = place(running, at, bytes, flags)?;
    let mut request = MapRequest::new(bytes, rights).at(place);
    let space = &running.thread.space;
    if flags & ANONYMOUS == 0 {
        let file = file(running, fd, Errno::ENODEV)?;
        if !file.flags().reads() || shared && rights.contains(Flags::WRITE) && !writes(&file) {
            return Err(Errno::EACCES);
        }
        if shared && !writes(&file) {
            request = request.limited_to(Flags::READ | Flags::EXECUTE);
        }
        let kernel = running.thread.kernel;
        let object = kernel.processes.objects.of_file(kernel, space.env(), &file)?;
        request = request.showing(object, offset).of_kind(Kind::Mapped);
    } else if shared {
        let object = shared_memory(running.thread.kernel, space.env(), bytes)?;
        request = request.showing(object, 0).of_kind(Kind::Shared);
    }
    let request = if shared { request.shared() } else { request };
    space.map(request).map(|range| range.first().get()).map_err(errno)
}

/// Where a mapping goes.
fn place<P: Platform>(running: &Running<P>, at: u64, bytes: u64, flags: u64) -> Result<Place, Errno> {
    if flags & (FIXED | FIXED_NO_REPLACE) == 0 {
        let hint = if at == 0 { ANYWHERE } else { at & !(PAGE - 1) };
        return Ok(Place::Hint(VirtAddr::new(hint)));
    }
    if !at.is_multiple_of(PAGE) {
        return Err(Errno::EINVAL);
    }
    let last = P::PROGRAMS.map_or(0, |layout| layout.end);
    at.checked_add(bytes).filter(|&end| end <= last).ok_or(Errno::ENOMEM)?;
    if flags & FIXED_NO_REPLACE != 0 {
        return Ok(Place::FixedNoReplace(VirtAddr::new(at)));
    }
    save_shared(&running.thread.space, at, at.saturating_add(bytes - 1));
    Ok(Place::Fixed(VirtAddr::new(at)))
}

pub(super) fn munmap<P: Platform>(running: &mut Running<P>, [at, bytes, ..]: [u64; 6]) -> Answer {
    let range = range(at, whole(bytes)?, Errno::EINVAL)?;
    save_shared(&running.thread.space, range.first().get(), range.last().get());
    running.thread.space.unmap(range).map(|()| 0).map_err(errno)
}

pub(super) fn mprotect<P: Platform>(
    running: &mut Running<P>,
    [at, bytes, protection, ..]: [u64; 6],
) -> Answer {
    if !at.is_multiple_of(PAGE) {
        return Err(Errno::EINVAL);
    }
    let rights = rights(protection)?;
    if bytes == 0 {
        return Ok(0);
    }
    let range = range(at, whole(bytes)?, Errno::ENOMEM)?;
    running.thread.space.protect(range, rights).map(|()| 0).map_err(errno)
}

pub(super) fn mremap<P: Platform>(running: &mut Running<P>, [at, old, new, flags, ..]: [u64; 6]) -> Answer {
    const MAY_MOVE: u64 = 1;
    if flags & !MAY_MOVE != 0 {
        return Err(Errno::EINVAL);
    }
    let go = if flags & MAY_MOVE == 0 { Move::No } else { Move::May };
    let range = range(at, whole(old)?, Errno::EINVAL)?;
    let moved = running.thread.space.remap(range, whole(new)?, go);
    moved.map(|range| range.first().get()).map_err(|error| match error {
        SpaceError::Hole { .. } | SpaceError::NotOneMapping { .. } => Errno::EFAULT,
        other => errno(other),
    })
}

/// Content that is not needed goes; all other advice is as good as taken.
pub(super) fn madvise<P: Platform>(running: &mut Running<P>, [at, bytes, advice, ..]: [u64; 6]) -> Answer {
    const DONT_NEED: i32 = 4;
    const HARMLESS: [i32; 8] = [0, 1, 2, 3, 14, 15, 16, 17];
    if !at.is_multiple_of(PAGE) {
        return Err(Errno::EINVAL);
    }
    match int(advice) {
        _ if bytes == 0 => Ok(0),
        DONT_NEED => {
            let range = range(at, whole(bytes)?, Errno::EINVAL)?;
            running.thread.space.advise(range, Advice::DontNeed).map(|()| 0).map_err(errno)
        }
        advice if HARMLESS.contains(&advice) => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

fn range(at: u64, bytes: u64, beyond: Errno) -> Result<VirtRange, Errno> {
    if !at.is_multiple_of(PAGE) {
        return Err(Errno::EINVAL);
    }
    VirtRange::new(VirtAddr::new(at), bytes).map_err(|_| beyond)
}

/// A length in whole pages.
fn whole(bytes: u64) -> Result<u64, Errno> {
    match bytes.checked_next_multiple_of(PAGE) {
        Some(0) => Err(Errno::EINVAL),
        whole => whole.ok_or(Errno::ENOMEM),
    }
}
