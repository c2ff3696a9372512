//! [`VirtioDice`]: one buffer on its way through the queue of a virtio entropy device.
//!
//! Invariant: while `flying` names a token the buffer, a block of the heap that never moves, is the device's: until the token comes
//! back, or until the device was reset.
//!
//! A device may answer anything: a token that is not on its way, or a length that cannot be, ends its use. Whether its numbers are
//! random nobody can see. Source: virtio 1.2, 5.4 (entropy device), 2.7 (split queues).

use alloc::vec::Vec;

use kos_demo_kernel::platform::{DeviceError, DeviceFault};
use lock_api::Mutex;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, Transport};

use super::fault;
use crate::env::IrqGuard;
use crate::lock::KernelLock;
use crate::pci::VirtioFunction;
use crate::virtio::{Interrupting, MetalHal, Wiring};

const QUEUE: u16 = 0;
/// Descriptors of the queue; one is used.
const SIZE: usize = 2;
/// Bytes that are asked for at once.
pub(super) const BUFFER: usize = 64;
/// Looks at the status until a device that was reset says so.
const LOOKS: u32 = 1_000_000;

bitflags::bitflags! {
    /// What the device offers and this driver uses.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Features: u64 {
        const VERSION_1 = 1 << 32;
    }
}

struct State {
    transport: Interrupting,
    queue: VirtQueue<MetalHal, SIZE>,
    buffer: Vec<u8>,
    /// The token of the buffer, while the device has it.
    flying: Option<u16>,
    broken: bool,
}

/// The device.
pub(crate) struct VirtioDice(Mutex<KernelLock, State>);

// SAFETY: the state is reached under its lock alone; what it holds belongs to no thread.
unsafe impl Send for VirtioDice {}
// SAFETY: as above.
unsafe impl Sync for VirtioDice {}

impl core::fmt::Debug for VirtioDice {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("VirtioDice").finish_non_exhaustive()
    }
}

impl VirtioDice {
    /// Resets the device and sets its queue up.
    pub(super) fn start(found: &VirtioFunction, wiring: Wiring) -> Result<Self, DeviceError> {
        let mut transport = Interrupting::new(found, wiring)?;
        let features: Features = transport.begin_init(Features::all());
        let agreed = transport.get_status().contains(DeviceStatus::FEATURES_OK);
        if !features.contains(Features::VERSION_1) || !agreed {
            return Err(fault(DeviceFault::Implausible { value: features.bits() }));
        }
        let queue = VirtQueue::new(&mut transport, QUEUE, false, false);
        let queue = queue.map_err(|_| fault(DeviceFault::Silent))?;
        if !transport.has_vector {
            return Err(fault(DeviceFault::NoInterrupt));
        }
        transport.finish_init();
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(BUFFER).map_err(|_| fault(DeviceFault::NoMemory))?;
        buffer.resize(BUFFER, 0);
        Ok(Self(Mutex::new(State { transport, queue, buffer, flying: None, broken: false })))
    }

    /// Bytes that came, as many as there is room for; the others are nobody's. [`None`]: they were asked for, and are not there yet.
    pub(super) fn take(&self, out: &mut [u8]) -> Option<Result<usize, DeviceError>> {
        self.with(|state| state.take(out).or_else(|| state.ask().err().map(Err)))
    }

    /// Nothing is expected of it any more.
    pub(super) fn give_up(&self) {
        self.with(State::give_up);
    }

    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let _masked = IrqGuard::new();
        work(&mut self.0.lock())
    }
}

impl State {
    /// Lends the device the buffer, if it has not got it.
    fn ask(&mut self) -> Result<(), DeviceError> {
        if self.broken {
            return Err(fault(DeviceFault::Silent));
        }
        if self.flying.is_some() {
            return Ok(());
        }
        // SAFETY: the buffer stays where it is, and nobody touches it before the token comes back.
        let added = unsafe { self.queue.add(&[], &mut [&mut self.buffer]) };
        self.flying = Some(added.map_err(|_| fault(DeviceFault::Silent))?);
        if self.queue.should_notify() {
            self.transport.notify(QUEUE);
        }
        Ok(())
    }

    fn take(&mut self, out: &mut [u8]) -> Option<Result<usize, DeviceError>> {
        let token = self.flying.filter(|_| !self.broken && self.queue.can_pop())?;
        // SAFETY: this is what was added under the token.
        let popped = unsafe { self.queue.pop_used(token, &[], &mut [&mut self.buffer]) };
        let length = popped.ok().map(|length| length as usize).filter(|length| (1..=BUFFER).contains(length));
        let Some(length) = length else {
            self.give_up();
            return Some(Err(fault(DeviceFault::Implausible { value: popped.unwrap_or(0).into() })));
        };
        self.flying = None;
        let given = self.buffer.get(..length).unwrap_or_default();
        out.iter_mut().zip(given).for_each(|(to, from)| *to = *from);
        // Nobody finds them here later.
        self.buffer.fill(0);
        Some(Ok(length.min(out.len())))
    }

    /// Takes the device's hands off the memory. If it does not let go, the memory stays its own.
    fn give_up(&mut self) {
        if self.broken {
            return;
        }
        self.broken = true;
        self.transport.set_status(DeviceStatus::empty());
        let reset = (0..LOOKS).any(|_| self.transport.get_status().is_empty());
        if !reset {
            let _its_own = core::mem::take(&mut self.buffer).leak();
        }
    }
}
