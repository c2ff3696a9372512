//! [`VirtioLine`]: bytes on their way through the two queues of a virtio console.
//!
//! Invariant: a buffer whose token is remembered is the device's, and none of them, blocks of the heap, ever moves; it comes back with
//! the token, or when the device was reset.
//!
//! A device may answer anything: a token that is not on its way, or a length that cannot be, ends its use. Bytes that came are nobody's
//! word: they are bytes. Source: virtio 1.2, 5.3 (console device), 2.7 (split queues).

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

const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;
/// Descriptors of each queue, and buffers to receive into.
const SIZE: usize = 4;
/// Bytes of a buffer.
pub(super) const BUFFER: usize = 512;
/// Looks at the status until a device that was reset says so.
const LOOKS: u32 = 1_000_000;

bitflags::bitflags! {
    /// What the device offers and this driver uses: one port, of no size.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Features: u64 {
        const VERSION_1 = 1 << 32;
    }
}

/// A buffer to receive into.
struct Slot {
    bytes: Vec<u8>,
    /// Its token, while the device has it.
    token: Option<u16>,
}

/// Bytes that came and were not all taken.
struct Came {
    slot: usize,
    from: usize,
    to: usize,
}

struct State {
    transport: Interrupting,
    receive: VirtQueue<MetalHal, SIZE>,
    transmit: VirtQueue<MetalHal, SIZE>,
    slots: [Slot; SIZE],
    /// In the order in which they came.
    came: heapless::Deque<Came, SIZE>,
    going: Slot,
    /// Bytes of it.
    length: usize,
    broken: bool,
}

/// The device.
pub(crate) struct VirtioLine(Mutex<KernelLock, State>);

// SAFETY: the state is reached under its lock alone; what it holds belongs to no thread.
unsafe impl Send for VirtioLine {}
// SAFETY: as above.
unsafe impl Sync for VirtioLine {}

impl core::fmt::Debug for VirtioLine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("VirtioLine").finish_non_exhaustive()
    }
}

impl VirtioLine {
    /// Resets the device, sets its queues up, and lends it all buffers to receive into.
    pub(super) fn start(found: &VirtioFunction, wiring: Wiring) -> Result<Self, DeviceError> {
        let mut transport = Interrupting::new(found, wiring)?;
        let features: Features = transport.begin_init(Features::all());
        let agreed = transport.get_status().contains(DeviceStatus::FEATURES_OK);
        if !features.contains(Features::VERSION_1) || !agreed {
            return Err(fault(DeviceFault::Implausible { value: features.bits() }));
        }
        let mut queue = |index| VirtQueue::new(&mut transport, index, false, false);
        let (receive, transmit) = (queue(RECEIVE), queue(TRANSMIT));
        let (Ok(receive), Ok(transmit)) = (receive, transmit) else {
            return Err(fault(DeviceFault::Silent));
        };
        if !transport.has_vector {
            return Err(fault(DeviceFault::NoInterrupt));
        }
        let buffers = [Slot::new(), Slot::new(), Slot::new(), Slot::new()];
        let ([Some(a), Some(b), Some(c), Some(d)], Some(going)) = (buffers, Slot::new()) else {
            return Err(fault(DeviceFault::NoMemory));
        };
        transport.finish_init();
        let (slots, came, length, broken) = ([a, b, c, d], heapless::Deque::new(), 0, false);
        let mut state = State { transport, receive, transmit, slots, came, going, length, broken };
        (0..SIZE).try_for_each(|slot| state.lend(slot))?;
        Ok(Self(Mutex::new(state)))
    }

    /// Bytes that came, in their order, as many as there is room for; 0: none yet.
    pub(crate) fn read(&self, out: &mut [u8]) -> Result<usize, DeviceError> {
        self.with(|state| state.read(out))
    }

    /// Gives the device bytes; how many it takes, 0: none yet.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<usize, DeviceError> {
        self.with(|state| state.write(bytes))
    }

    fn with<R>(&self, work: impl FnOnce(&mut State) -> Result<R, DeviceError>) -> Result<R, DeviceError> {
        let _masked = IrqGuard::new();
        let state = &mut *self.0.lock();
        if state.broken { Err(fault(DeviceFault::Silent)) } else { work(state) }
    }
}

impl Slot {
    fn new() -> Option<Self> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(BUFFER).ok()?;
        bytes.resize(BUFFER, 0);
        Some(Self { bytes, token: None })
    }
}

impl State {
    /// Lends the device a buffer to receive into.
    fn lend(&mut self, slot: usize) -> Result<(), DeviceError> {
        let Some(Slot { bytes, token }) = self.slots.get_mut(slot) else { return Ok(()) };
        // SAFETY: the buffer stays where it is, and nobody touches it before the token comes back.
        let added = unsafe { self.receive.add(&[], &mut [bytes]) };
        *token = Some(added.map_err(|_| fault(DeviceFault::Silent))?);
        if self.receive.should_notify() {
            self.transport.notify(RECEIVE);
        }
        Ok(())
    }

    fn read(&mut self, out: &mut [u8]) -> Result<usize, DeviceError> {
        while let Some(token) = self.receive.peek_used() {
            self.take(token)?;
        }
        let mut count = 0;
        while let Some(Came { slot, from, to }) = self.came.front_mut()
            && let Some(room) = out.get_mut(count..).filter(|room| !room.is_empty())
        {
            let bytes = self.slots.get(*slot).and_then(|slot| slot.bytes.get(*from..*to)).unwrap_or_default();
            let moved = bytes.len().min(room.len());
            room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            (*from, count) = (*from + moved, count + moved);
            if from == to {
                let slot = *slot;
                let _ = self.came.pop_front();
                self.lend(slot)?;
            }
        }
        Ok(count)
    }

    /// A buffer came back.
    fn take(&mut self, token: u16) -> Result<(), DeviceError> {
        let slot = self.slots.iter().position(|slot| slot.token == Some(token));
        let popped = slot.and_then(|slot| self.slots.get_mut(slot)).and_then(|slot| {
            // SAFETY: this is what was added under the token.
            unsafe { self.receive.pop_used(token, &[], &mut [&mut slot.bytes]) }
                .ok()
                .inspect(|_| slot.token = None)
        });
        let length =
            popped.and_then(|length| usize::try_from(length).ok()).filter(|length| *length <= BUFFER);
        match (slot, length) {
            (Some(slot), Some(0)) => self.lend(slot),
            (Some(slot), Some(to)) => {
                // There is room: one for each buffer.
                let _ = self.came.push_back(Came { slot, from: 0, to });
                Ok(())
            }
            _ => Err(self.give_up(token.into())),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, DeviceError> {
        if let Some(token) = self.going.token {
            let Some(back) = self.transmit.peek_used() else { return Ok(0) };
            let sent = self.going.bytes.get(..self.length).unwrap_or_default();
            // SAFETY: this is what was added under the token.
            let popped = unsafe { self.transmit.pop_used(token, &[sent], &mut []) };
            if back != token || popped.is_err() {
                return Err(self.give_up(back.into()));
            }
            self.going.token = None;
        }
        let length = bytes.len().min(BUFFER);
        let Some(room) = self.going.bytes.get_mut(..length).filter(|room| !room.is_empty()) else {
            return Ok(0);
        };
        room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        self.length = length;
        // SAFETY: the buffer stays where it is, and nobody touches it before the token comes back.
        let added = unsafe { self.transmit.add(&[room], &mut []) };
        self.going.token = Some(added.map_err(|_| fault(DeviceFault::Silent))?);
        if self.transmit.should_notify() {
            self.transport.notify(TRANSMIT);
        }
        Ok(length)
    }

    /// Takes the device's hands off the memory. If it does not let go, the memory stays its own.
    fn give_up(&mut self, value: u64) -> DeviceError {
        self.broken = true;
        self.transport.set_status(DeviceStatus::empty());
        let reset = (0..LOOKS).any(|_| self.transport.get_status().is_empty());
        if !reset {
            for slot in self.slots.iter_mut().chain([&mut self.going]) {
                let _its_own = core::mem::take(&mut slot.bytes).leak();
            }
        }
        fault(DeviceFault::Implausible { value })
    }
}
