//! `brk`, `mmap`, `munmap`, `mprotect`.

use kos_paging::space::{Kind, MapRequest, Place, SpaceError};
use kos_paging::{Flags, VirtAddr, VirtRange};
use kos_user::abi;
use kos_vfs::Errno;

use super::Answer;
use super::files;
use crate::platform::Platform;
use crate::process::elf::PAGE;
use crate::process::object::{shared_memory, writes};
use crate::process::running::{Running, save_shared};

/// What `mmap` is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    at: u64,
    bytes: u64,
    rights: u64,
    flags: u64,
}

impl Wanted {
    pub(super) const fn new(at: u64, bytes: u64, rights: u64, flags: u64) -> Self {
        Self { at, bytes, rights, flags }
    }
}

pub(super) fn brk<P: Platform>(running: &Running<P>, end: u64) -> Answer {
    let space = &running.space;
    if end != 0 {
        return space.brk(VirtAddr::new(end)).map(VirtAddr::get).map_err(errno);
    }
    space.heap_end().map(VirtAddr::get).ok_or(Errno::ENOMEM)
}

pub(super) fn map<P: Platform>(running: &Running<P>, wanted: Wanted, fd: u64, offset: u64) -> Answer {
    let Wanted { at, bytes, rights, flags } = wanted;
    let bytes = whole(bytes)?;
    let rights = rights_of(rights)?;
    if flags & !(abi::SHARED | abi::FIXED) != 0 {
        return Err(Errno::EINVAL);
    }
    let shared = flags & abi::SHARED != 0;
    let place = match flags & abi::FIXED {
        0 if at == 0 => Place::Lowest,
        0 => Place::Hint(VirtAddr::new(at & !(PAGE - 1))),
        // What is mapped of a segment is in a ledger.
        _ if running.process.shared.has_any(at, at.saturating_add(bytes - 1)) => return Err(Errno::EBUSY),
        _ => {
            save_shared(&running.space, at, at.saturating_add(bytes - 1));
            Place::Fixed(VirtAddr::new(at))
        }
    };
    let mut request = MapRequest::new(bytes, rights).at(place);
    if fd != abi::NO_FILE {
        let file = files::file(running, fd)?;
        if shared && rights.contains(Flags::WRITE) && !writes(file) {
            return Err(Errno::EACCES);
        }
        if shared && !writes(file) {
            request = request.limited_to(Flags::READ | Flags::EXECUTE);
        }
        let (kernel, ports) = (running.kernel, running.space.env());
        let object = kernel.processes.objects.of_file(kernel, ports, file)?;
        request = request.showing(object, offset).of_kind(Kind::Mapped);
    } else if shared {
        let object = shared_memory(running.kernel, running.space.env(), bytes)?;
        request = request.showing(object, 0).of_kind(Kind::Shared);
    }
    let request = if shared { request.shared() } else { request };
    running.space.map(request).map(|range| range.first().get()).map_err(errno)
}

pub(super) fn unmap<P: Platform>(running: &Running<P>, at: u64, bytes: u64) -> Answer {
    let range = range(at, bytes)?;
    if running.process.shared.has_any(range.first().get(), range.last().get()) {
        return Err(Errno::EBUSY);
    }
    save_shared(&running.space, range.first().get(), range.last().get());
    running.space.unmap(range).map(|()| 0).map_err(errno)
}

pub(super) fn protect<P: Platform>(running: &Running<P>, at: u64, bytes: u64, rights: u64) -> Answer {
    running.space.protect(range(at, bytes)?, rights_of(rights)?).map(|()| 0).map_err(errno)
}

fn range(at: u64, bytes: u64) -> Result<VirtRange, Errno> {
    VirtRange::new(VirtAddr::new(at), whole(bytes)?).map_err(|_| Errno::EINVAL)
}

/// A length in whole pages.
fn whole(bytes: u64) -> Result<u64, Errno> {
    match bytes.checked_next_multiple_of(PAGE) {
        Some(0) => Err(Errno::EINVAL),
        whole => whole.ok_or(Errno::ENOMEM),
    }
}

fn rights_of(word: u64) -> Result<Flags, Errno> {
    let mut rights = Flags::empty();
    for (bit, right) in [(abi::READ, Flags::READ), (abi::WRITE, Flags::WRITE), (abi::EXECUTE, Flags::EXECUTE)]
    {
        rights.set(right, word & bit != 0);
    }
    if word & !(abi::READ | abi::WRITE | abi::EXECUTE) == 0 { Ok(rights) } else { Err(Errno::EINVAL) }
}

/// What a program gets for it.
pub(in crate::process) fn errno(error: SpaceError) -> Errno {
    match error {
        SpaceError::Denied { .. } | SpaceError::Attr(_) => Errno::EACCES,
        SpaceError::Occupied { .. } => Errno::EEXIST,
        SpaceError::Hole { .. }
        | SpaceError::NoRoom { .. }
        | SpaceError::TooManyMappings { .. }
        | SpaceError::TooManyBytes { .. }
        | SpaceError::OutOfFrames => Errno::ENOMEM,
        SpaceError::Stuck | SpaceError::Walk(_) => Errno::EIO,
        _ => Errno::EINVAL,
    }
}
