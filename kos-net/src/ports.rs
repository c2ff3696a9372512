//! What an integrator implements: [`NetDevice`] with its [`Frame`]s, [`LinkControl`], [`Entropy`]. Nothing else is asked for.
//!
//! All of them are called from the task that owns the stack, never from an interrupt handler, and none of them blocks: the
//! handler wakes that task. Each port is also a port when it is borrowed.

use core::fmt;

use crate::dev::{Batch, Capabilities, Meta};
use crate::wire::{MacAddr, NoRoom};

/// One pair of queues of a network adapter. A driver with several hands out several.
pub trait NetDevice {
    /// What it fills and sends.
    type Frame: Frame;
    /// What its hardware can do wrong.
    type Error: core::error::Error;

    /// What it can do. Never changes.
    fn capabilities(&self) -> &Capabilities;

    /// Moves frames that came behind those in `into`, as many as are there and have room. None is no error.
    ///
    /// # Errors
    /// The device failed. What was moved before that is in `into`.
    fn receive(&mut self, into: &mut Batch<Self::Frame>) -> Result<(), Self::Error>;

    /// A frame of `bytes` bytes to be filled: what stands in them means nothing. `None` if there is none at the moment, or if it
    /// takes no frame of that size; it is asked again with the next poll.
    fn lease(&mut self, bytes: usize) -> Option<Self::Frame>;

    /// Takes a frame back that came from [`receive`](Self::receive) or [`lease`](Self::lease) and is done with: its memory can be leased
    /// again. A device whose frames find their way home when they are dropped need not do anything.
    fn recycle(&mut self, frame: Self::Frame) {
        drop(frame);
    }

    /// Sends frames from the front of `from`, as many as it takes; the rest stays and is offered again.
    ///
    /// # Errors
    /// The device failed. What it had taken before that is gone from `from`.
    fn transmit(&mut self, from: &mut Batch<Self::Frame>) -> Result<(), Self::Error>;
}

impl<D: NetDevice + ?Sized> NetDevice for &mut D {
    type Frame = D::Frame;
    type Error = D::Error;

    fn capabilities(&self) -> &Capabilities {
        (**self).capabilities()
    }

    fn receive(&mut self, into: &mut Batch<Self::Frame>) -> Result<(), Self::Error> {
        (**self).receive(into)
    }

    fn lease(&mut self, bytes: usize) -> Option<Self::Frame> {
        (**self).lease(bytes)
    }

    fn recycle(&mut self, frame: Self::Frame) {
        (**self).recycle(frame);
    }

    fn transmit(&mut self, from: &mut Batch<Self::Frame>) -> Result<(), Self::Error> {
        (**self).transmit(from)
    }
}

/// A frame in memory that the device can reach. Dropping it gives it back to where it came from.
pub trait Frame {
    /// Its bytes.
    fn bytes(&self) -> &[u8];

    /// Its bytes.
    fn bytes_mut(&mut self) -> &mut [u8];

    /// Keeps the first `length` bytes only; a frame that is not longer stays as it is.
    fn truncate(&mut self, length: usize);

    /// Takes `count` bytes off the front.
    ///
    /// # Errors
    /// It has fewer; nothing changes.
    fn trim_front(&mut self, count: usize) -> Result<(), NoRoom>;

    /// Puts `count` bytes before the front; what stands in them means nothing.
    ///
    /// # Errors
    /// There is no room before it; nothing changes.
    fn grow_front(&mut self, count: usize) -> Result<(), NoRoom>;

    /// What is known of it beside its bytes.
    fn meta(&self) -> &Meta;

    /// What is known of it beside its bytes.
    fn meta_mut(&mut self) -> &mut Meta;
}

/// The control path of an adapter, apart from the data.
pub trait LinkControl {
    /// What the adapter can do wrong.
    type Error: core::error::Error;

    /// Whether frames get through at the moment.
    fn is_up(&self) -> bool;

    /// The adapter's address.
    fn mac(&self) -> MacAddr;

    /// Lets the frames of a group of the link in, or no longer. A filter that is full lets in too much, never too little.
    ///
    /// # Errors
    /// The adapter failed; the filter is as it was.
    fn filter(&mut self, group: MacAddr, listen: bool) -> Result<(), Self::Error>;
}

impl<L: LinkControl + ?Sized> LinkControl for &mut L {
    type Error = L::Error;

    fn is_up(&self) -> bool {
        (**self).is_up()
    }

    fn mac(&self) -> MacAddr {
        (**self).mac()
    }

    fn filter(&mut self, group: MacAddr, listen: bool) -> Result<(), Self::Error> {
        (**self).filter(group, listen)
    }
}

/// Bytes that nobody foresees: keys, ports, sequence numbers are made of them. A bad source costs secrecy, nothing else.
pub trait Entropy {
    /// Fills `out`.
    ///
    /// # Errors
    /// There are no such bytes now; what stands in `out` means nothing. The operation that needed them fails.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError>;
}

impl<E: Entropy + ?Sized> Entropy for &mut E {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        (**self).fill(out)
    }
}

/// There are no random bytes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntropyError;

impl fmt::Display for EntropyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no random bytes")
    }
}

impl core::error::Error for EntropyError {}
