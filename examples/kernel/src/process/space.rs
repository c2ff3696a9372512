//! The address space of one process: a [`Space`] that no CPU has loaded any more when it goes.

use core::fmt;
use core::ops::Deref;

use kos_paging::space::{Config, ForkError, Space, SpaceId};
use kos_paging::{CreateError, VirtAddr, VirtRange};

use super::ports::Ports;
use crate::platform::{AddressSpace, Platform, ProgramLayout};

/// The first address that a program may have: null pointers and their fields fault.
const FIRST: u64 = 0x1_0000;
/// The most that a stack grows to.
pub(super) const STACK_MOST: u64 = 1 << 20;
/// The bytes that a program may map, resident or not.
const BYTES_MOST: u64 = 1 << 36;
/// Mappings of one program.
const MAPPINGS: usize = 1024;

/// An address space of a program.
pub(crate) struct UserSpace<P: Platform>(Space<Ports<P>>);

impl<P: Platform> UserSpace<P> {
    /// An empty one; `None` on a machine that runs no programs.
    pub(super) fn new(ports: &Ports<P>, id: u32) -> Option<Result<Self, CreateError>> {
        let ProgramLayout { end, .. } = P::PROGRAMS?;
        let range = VirtRange::inclusive(VirtAddr::new(FIRST), VirtAddr::new(end - 1)).ok()?;
        let mut config = Config::new(range);
        config.max_resident = ports.budget() as u64 / 2;
        (config.max_bytes, config.max_stack, config.max_vmas) = (BYTES_MOST, STACK_MOST, MAPPINGS);
        config.huge = false;
        Some(Space::new(ports.clone(), SpaceId(id.into()), config).map(Self))
    }

    /// A child's, with all that this one has.
    pub(super) fn fork_for(&self, id: u32) -> Result<Self, ForkError> {
        self.0.fork(SpaceId(id.into())).map(Self)
    }

    /// What the machine loads.
    pub(super) fn machine(&self) -> &AddressSpace {
        self.0.tlb().space()
    }
}

impl<P: Platform> Deref for UserSpace<P> {
    type Target = Space<Ports<P>>;

    fn deref(&self) -> &Space<Ports<P>> {
        &self.0
    }
}

impl<P: Platform> Drop for UserSpace<P> {
    fn drop(&mut self) {
        // First: then its pages go without a word to other CPUs.
        P::with_kernel(|kernel| kernel.platform().leave_space(self.machine())).unwrap_or_default();
    }
}

impl<P: Platform> fmt::Debug for UserSpace<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
