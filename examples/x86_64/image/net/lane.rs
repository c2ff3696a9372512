//! Frames on their way through one queue: [`Lane`].
//!
//! Invariant: what the queue's token names in `flying` is what was added under it, unmoved: frames are blocks of the heap, and
//! the headers lie in a list that never grows. The device has the memory until the token comes back, or until it was reset.
//!
//! A device may answer anything: a token that is not on its way or a length that cannot be is [`Broken`].

use alloc::vec::Vec;

use kos_demo_kernel::platform::{DeviceError, DeviceFault};
use kos_net::Frame as _;
use kos_net::dev::HeapFrame;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::Transport;
use zerocopy::IntoBytes;

use super::fault;
use super::header::Header;
use crate::virtio::{Interrupting, MetalHal};

/// Descriptors of a queue.
const SIZE: usize = 128;
/// Frames on their way: each takes two descriptors.
const DEPTH: usize = SIZE / 2;

/// Which queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    In = 0,
    Out = 1,
}

/// What the device says is worth nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Broken;

/// A frame that came back.
pub(super) struct Done {
    pub(super) header: Header,
    pub(super) frame: HeapFrame,
    /// Bytes that the device wrote into it.
    pub(super) length: usize,
}

struct Flight {
    frame: HeapFrame,
    head: usize,
}

/// One queue.
pub(super) struct Lane {
    way: Way,
    queue: VirtQueue<MetalHal, SIZE>,
    /// What is on its way, by token.
    flying: Vec<Option<Flight>>,
    heads: Vec<Header>,
    /// Headers that are not in use.
    free: Vec<usize>,
}

impl Lane {
    pub(super) fn new(transport: &mut Interrupting, way: Way) -> Result<Self, DeviceError> {
        let queue = VirtQueue::new(transport, way as u16, false, false);
        let queue = queue.map_err(|_| fault(DeviceFault::Silent))?;
        Self::with(queue, way).ok_or(fault(DeviceFault::NoMemory))
    }

    fn with(queue: VirtQueue<MetalHal, SIZE>, way: Way) -> Option<Self> {
        let (mut flying, mut heads, mut free) = (Vec::new(), Vec::new(), Vec::new());
        flying.try_reserve_exact(SIZE).ok()?;
        flying.extend((0..SIZE).map(|_| None));
        heads.try_reserve_exact(DEPTH).ok()?;
        heads.extend((0..DEPTH).map(|_| Header::default()));
        free.try_reserve_exact(DEPTH).ok()?;
        free.extend(0..DEPTH);
        Some(Self { way, queue, flying, heads, free })
    }

    pub(super) fn room(&self) -> usize {
        self.free.len()
    }

    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    /// Whether the device interrupts when a frame comes back.
    pub(super) fn tell(&mut self, wanted: bool) {
        self.queue.set_dev_notify(wanted);
    }

    /// Lets the device look at the queue.
    pub(super) fn notify(&mut self, transport: &mut Interrupting) {
        if self.queue.should_notify() {
            transport.notify(self.way as u16);
        }
    }

    /// Puts a frame on its way; it comes back if it has no bytes or there is no room.
    pub(super) fn submit(&mut self, header: Header, mut frame: HeapFrame) -> Result<(), HeapFrame> {
        if frame.bytes().is_empty() {
            return Err(frame);
        }
        let Some(index) = self.free.pop() else { return Err(frame) };
        let Some(head) = self.heads.get_mut(index) else { return Err(frame) };
        *head = header;
        let added = with_parts(self.way, head, &mut frame, |inputs, outputs| {
            // SAFETY: the header stays where it is in `heads`, the bytes in their block of the heap; nobody touches them before the
            // token comes back.
            unsafe { self.queue.add(inputs, outputs) }
        });
        let slot = added.ok().and_then(|token| self.flying.get_mut(usize::from(token)));
        let Some(slot) = slot else {
            self.free.push(index);
            return Err(frame);
        };
        *slot = Some(Flight { frame, head: index });
        Ok(())
    }

    /// The next frame that came back.
    pub(super) fn next(&mut self) -> Result<Option<Done>, Broken> {
        let Some(token) = self.queue.peek_used() else { return Ok(None) };
        let slot = self.flying.get_mut(usize::from(token)).ok_or(Broken)?;
        let Flight { frame, head } = slot.as_mut().ok_or(Broken)?;
        let head = self.heads.get_mut(*head).ok_or(Broken)?;
        let moved = with_parts(self.way, head, frame, |inputs, outputs| {
            // SAFETY: these are what was added under the token.
            unsafe { self.queue.pop_used(token, inputs, outputs) }
        });
        // A device that names another one by now still has this one.
        let moved = moved.map_err(|_| Broken)? as usize;
        let header = *head;
        let Flight { frame, head } = slot.take().ok_or(Broken)?;
        self.free.push(head);
        let length = match self.way {
            Way::Out => 0,
            Way::In => moved.checked_sub(size_of::<Header>()).ok_or(Broken)?,
        };
        if length > frame.bytes().len() {
            return Err(Broken);
        }
        Ok(Some(Done { header, frame, length }))
    }

    /// The memory of what is on its way stays the device's for ever.
    pub(super) fn forget(&mut self) {
        for flight in self.flying.iter_mut().filter_map(Option::take) {
            let _its_own = flight.frame.into_buffer().leak();
        }
        let _its_own = core::mem::take(&mut self.heads).leak();
        self.free.clear();
    }
}

/// Calls `work` with what the device reads and what it writes, as the queue wants it.
fn with_parts<R>(
    way: Way,
    head: &mut Header,
    frame: &mut HeapFrame,
    work: impl for<'a> FnOnce(&'a [&'a [u8]], &'a mut [&'a mut [u8]]) -> R,
) -> R {
    match way {
        Way::In => work(&[], &mut [head.as_mut_bytes(), frame.bytes_mut()]),
        Way::Out => work(&[head.as_bytes(), frame.bytes()], &mut []),
    }
}
