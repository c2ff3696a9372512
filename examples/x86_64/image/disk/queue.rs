//! [`VirtioBlock`]: requests on their way through one queue of a virtio block device.
//!
//! Invariant: what the queue's token names in `flying` is what was added under it, unmoved: buffers are blocks of the heap, and the
//! heads lie in a list that never grows. The device has the memory until the token comes back, or until the device was reset.
//!
//! A device may answer anything: a token that is not on its way or a length that cannot be ends its use, a bad status the request.
//! Source: virtio 1.2, 5.2 (block device), 2.7 (split queues).

use alloc::vec::Vec;

use kos_demo_kernel::platform::{DeviceError as Trouble, DeviceFault};
use kos_vfs::DeviceError;
use kos_vfs::block::{Bio, BioKind, DeviceFeatures, Done, Geometry, QueuedDevice, Refusal, Refused};
use lock_api::Mutex;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, Transport};

use super::{DEPTH, fault};
use crate::env::IrqGuard;
use crate::lock::KernelLock;
use crate::pci::VirtioFunction;
use crate::virtio::{Interrupting, MetalHal, Wiring};

const QUEUE: u16 = 0;
/// Descriptors of the queue; a request takes three at most.
const SIZE: usize = 128;

/// Bytes by which this interface counts, whatever the device's own sectors are.
const SECTOR: u32 = 512;

const READ: u32 = 0;
const WRITE: u32 = 1;
const FLUSH: u32 = 4;

const GOOD: u8 = 0;
/// What the status is before the device writes it.
const NONE: u8 = 0xff;

/// Looks at the status until a device that was reset says so.
const LOOKS: u32 = 1_000_000;

bitflags::bitflags! {
    /// What the device offers and this driver uses.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Features: u64 {
        const READ_ONLY = 1 << 5;
        const FLUSH = 1 << 9;
        const VERSION_1 = 1 << 32;
    }
}

/// What goes before and behind the bytes of a request.
#[derive(Debug)]
#[repr(C)]
struct Head {
    /// Kind, 0, sector: little-endian.
    request: [u8; 16],
    status: [u8; 1],
}

struct State {
    transport: Interrupting,
    queue: VirtQueue<MetalHal, SIZE>,
    /// What is on its way, by token.
    flying: Vec<Option<Flight>>,
    heads: Vec<Head>,
    /// Heads that are not in use.
    free: Vec<usize>,
    broken: bool,
}

struct Flight {
    bio: Bio<Vec<u8>>,
    head: usize,
}

/// The device.
pub(crate) struct VirtioBlock {
    state: Mutex<KernelLock, State>,
    geometry: Geometry,
}

// SAFETY: the state is reached under its lock alone; what it holds belongs to no thread.
unsafe impl Send for VirtioBlock {}
// SAFETY: as above.
unsafe impl Sync for VirtioBlock {}

impl VirtioBlock {
    /// Resets the device and sets its queue up.
    pub(super) fn start(found: &VirtioFunction, wiring: Wiring) -> Result<Self, Trouble> {
        let mut transport = Interrupting::new(found, wiring)?;
        let features: Features = transport.begin_init(Features::all());
        if !features.contains(Features::VERSION_1)
            || !transport.get_status().contains(DeviceStatus::FEATURES_OK)
        {
            return Err(fault(DeviceFault::Implausible { value: features.bits() }));
        }
        let halves = [0, 4].map(|offset| transport.read_config_space::<u32>(offset));
        let [Ok(low), Ok(high)] = halves else { return Err(fault(DeviceFault::Silent)) };
        let sectors = u64::from(high) << 32 | u64::from(low);
        let mut able = DeviceFeatures::empty();
        able.set(DeviceFeatures::READ_ONLY, features.contains(Features::READ_ONLY));
        able.set(DeviceFeatures::FLUSH, features.contains(Features::FLUSH));
        let geometry = Geometry::new(SECTOR, sectors, able);
        let geometry = geometry.map_err(|_| fault(DeviceFault::Implausible { value: sectors }))?;
        let queue = VirtQueue::new(&mut transport, QUEUE, false, false);
        let queue = queue.map_err(|_| fault(DeviceFault::Silent))?;
        if !transport.has_vector {
            return Err(fault(DeviceFault::NoInterrupt));
        }
        transport.finish_init();
        let state = State::new(transport, queue).ok_or(fault(DeviceFault::NoMemory))?;
        Ok(Self { state: Mutex::new(state), geometry })
    }

    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let _masked = IrqGuard::new();
        work(&mut self.state.lock())
    }
}

impl State {
    fn new(transport: Interrupting, queue: VirtQueue<MetalHal, SIZE>) -> Option<Self> {
        let (mut flying, mut heads, mut free) = (Vec::new(), Vec::new(), Vec::new());
        flying.try_reserve_exact(SIZE).ok()?;
        flying.extend((0..SIZE).map(|_| None));
        heads.try_reserve_exact(DEPTH).ok()?;
        heads.extend((0..DEPTH).map(|_| Head { request: [0; 16], status: [NONE] }));
        free.try_reserve_exact(DEPTH).ok()?;
        free.extend(0..DEPTH);
        Some(Self { transport, queue, flying, heads, free, broken: false })
    }

    fn submit(&mut self, mut bio: Bio<Vec<u8>>) -> Result<(), Refused<Vec<u8>>> {
        let gone = Refusal::Device(DeviceError::Gone);
        if self.broken {
            return Err(Refused { bio, why: gone });
        }
        let Some(index) = self.free.pop() else { return Err(Refused { bio, why: Refusal::Full }) };
        let Some(head) = self.heads.get_mut(index) else { return Err(Refused { bio, why: gone }) };
        let kind = match bio.kind {
            BioKind::Read => READ,
            BioKind::Write(_) => WRITE,
            BioKind::Flush => FLUSH,
            BioKind::Discard { .. } => {
                self.free.push(index);
                return Err(Refused { bio, why: gone });
            }
        };
        let sector = if kind == FLUSH { 0 } else { bio.sector };
        let (words, rest) = head.request.split_at_mut(8);
        words.copy_from_slice(&u64::from(kind).to_le_bytes());
        rest.copy_from_slice(&sector.to_le_bytes());
        head.status = [NONE];
        let added = with_parts(&mut bio, head, |inputs, outputs| {
            // SAFETY: request and status stay where they are in `heads`, the bytes in their block of the heap; nobody touches them
            // before the token comes back.
            unsafe { self.queue.add(inputs, outputs) }
        });
        let slot = added.ok().and_then(|token| self.flying.get_mut(usize::from(token)));
        let Some(slot) = slot else {
            self.free.push(index);
            return Err(Refused { bio, why: Refusal::Full });
        };
        *slot = Some(Flight { bio, head: index });
        if self.queue.should_notify() {
            self.transport.notify(QUEUE);
        }
        Ok(())
    }

    /// The next request that is complete.
    fn next(&mut self) -> Option<Done<Vec<u8>>> {
        let token = self.queue.peek_used().filter(|_| !self.broken)?;
        let flight = self.flying.get_mut(usize::from(token)).and_then(Option::take);
        // A token that is not on its way: what the device says is worth nothing.
        let Some(Flight { mut bio, head: index }) = flight else {
            self.give_up();
            return None;
        };
        let head = self.heads.get_mut(index)?;
        let length = with_parts(&mut bio, head, |inputs, outputs| {
            // SAFETY: these are what was added under the token.
            unsafe { self.queue.pop_used(token, inputs, outputs) }
        });
        let Ok(length) = length else {
            // It named another one meanwhile. This one may still be in its hands: it comes back with the others.
            if let Some(slot) = self.flying.get_mut(usize::from(token)) {
                *slot = Some(Flight { bio, head: index });
            }
            self.give_up();
            return None;
        };
        let moved = if bio.kind == BioKind::Read { bio.length } else { 0 };
        let good = length as usize == moved + 1 && head.status == [GOOD];
        self.free.push(index);
        let result = if good { Ok(()) } else { Err(bio.failure()) };
        Some(Done { bio, result })
    }

    /// Takes the device's hands off the memory. If it does not let go, the memory stays its own.
    fn give_up(&mut self) {
        self.broken = true;
        self.transport.set_status(DeviceStatus::empty());
        let reset = (0..LOOKS).any(|_| self.transport.get_status().is_empty());
        if !reset {
            for flight in self.flying.iter_mut().flatten() {
                let _its_own = core::mem::take(&mut flight.bio.buffer).leak();
            }
        }
    }
}

/// Calls `work` with what the device reads and what it writes, as the queue wants it.
fn with_parts<R>(
    bio: &mut Bio<Vec<u8>>,
    head: &mut Head,
    work: impl for<'a> FnOnce(&'a [&'a [u8]], &'a mut [&'a mut [u8]]) -> R,
) -> R {
    let bytes = bio.buffer.get_mut(..bio.length).unwrap_or_default();
    match bio.kind {
        BioKind::Read => work(&[&head.request], &mut [bytes, &mut head.status]),
        BioKind::Write(_) => work(&[&head.request, bytes], &mut [&mut head.status]),
        BioKind::Flush | BioKind::Discard { .. } => work(&[&head.request], &mut [&mut head.status]),
    }
}

impl QueuedDevice for VirtioBlock {
    type Buffer = Vec<u8>;

    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn depth(&self) -> usize {
        DEPTH
    }

    fn submit(&self, bio: Bio<Vec<u8>>) -> Result<(), Refused<Vec<u8>>> {
        let moves = matches!(bio.kind, BioKind::Read | BioKind::Write(_));
        // The device wants at least a sector.
        let checked = if moves && bio.length == 0 {
            Err(DeviceError::Unaligned { length: 0 })
        } else {
            bio.check(&self.geometry)
        };
        match checked {
            Ok(()) => self.with(|state| state.submit(bio)),
            Err(error) => Err(Refused { bio, why: Refusal::Device(error) }),
        }
    }

    fn reap(&self, take: &mut dyn FnMut(Done<Vec<u8>>)) {
        self.with(|state| {
            while let Some(done) = state.next() {
                take(done);
            }
            if state.broken {
                for Flight { bio, .. } in state.flying.iter_mut().filter_map(Option::take) {
                    take(Done { bio, result: Err(DeviceError::Gone) });
                }
            }
        });
    }

    fn give_up(&self) {
        self.with(|state| {
            if !state.broken {
                state.give_up();
            }
        });
    }
}
