//! `SharedMemory` of kos-ipc: memory objects of kos-paging, mapped into address spaces of programs.

use alloc::sync::Weak;
use core::error::Error;
use core::fmt;
use core::marker::PhantomData;
use core::ops::Range;

use kos_ipc::{Access, SharedMemory};
use kos_paging::space::{Kind, MapRequest, Place};
use kos_paging::{Flags, VirtAddr};
use kos_vfs::Errno;

use crate::platform::Platform;
use crate::process::object::{Object, shared_memory};
use crate::process::space::UserSpace;

/// Memory of the kernel that calls.
pub(crate) struct SharedPages<P>(PhantomData<fn() -> P>);

impl<P> SharedPages<P> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

/// An address in the address space of a process that may have ended.
pub(crate) struct At<P: Platform> {
    pub(crate) space: Weak<UserSpace<P>>,
    pub(crate) address: u64,
    /// The number of the process.
    pub(crate) process: u32,
}

impl<P: Platform> Clone for At<P> {
    fn clone(&self) -> Self {
        Self { space: Weak::clone(&self.space), address: self.address, process: self.process }
    }
}

/// What a program is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SharedError(pub(crate) Errno);

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.meaning())
    }
}

impl Error for SharedError {}

/// What may be done through a mapping, as page tables say it.
const fn flags(access: Access) -> Flags {
    let mut flags = Flags::empty();
    if access.contains(Access::READ) {
        flags = flags.union(Flags::READ);
    }
    if access.contains(Access::WRITE) {
        flags = flags.union(Flags::WRITE);
    }
    flags
}

impl<P: Platform> SharedMemory for SharedPages<P> {
    type Object = Object<P>;
    type Place = At<P>;
    type Error = SharedError;

    fn page_size(&self) -> usize {
        4096
    }

    fn create(&self, bytes: usize) -> Result<Object<P>, SharedError> {
        let made = P::with_kernel(|kernel| {
            let ports = kernel.processes.ports(kernel).map_err(|_| Errno::ENOMEM)?;
            shared_memory(kernel, ports, bytes as u64)
        });
        made.unwrap_or(Err(Errno::ENOMEM)).map_err(SharedError)
    }

    /// The demo has no call for it.
    fn resize(&self, _: &Object<P>, _: usize, _: usize) -> Result<(), SharedError> {
        Err(SharedError(Errno::EOPNOTSUPP))
    }

    /// In place of what is there. The program cannot raise its rights.
    fn map(
        &self,
        object: &Object<P>,
        place: &At<P>,
        range: Range<usize>,
        access: Access,
    ) -> Result<(), SharedError> {
        let space = place.space.upgrade().ok_or(SharedError(Errno::ESRCH))?;
        let rights = flags(access);
        let request = MapRequest::new(range.len() as u64, rights)
            .at(Place::Fixed(VirtAddr::new(place.address)))
            .limited_to(rights)
            .showing(Object::<P>::clone(object), range.start as u64)
            .of_kind(Kind::Shared)
            .shared();
        space.map(request).map(drop).map_err(|_| SharedError(Errno::ENOMEM))
    }

    fn free(&self, object: Object<P>) {
        drop(object);
    }
}
