//! A driver of smoltcp as our device: [`SmoltcpDevice`].
//!
//! One copy more each way than a device of ours: the driver's memory is its own. It moves one packet a call, and knows no offloads
//! but that it checked sums; sums of what is sent are always complete.

use core::convert::Infallible;
use core::fmt;
use core::marker::PhantomData;

use ::smoltcp::phy::{self, Device, RxToken as _, TxToken as _};

use super::{Batch, Buffer, BufferFrame, Capabilities, FrameChecksum, Medium, Offloads};
use crate::ports::{Frame as _, NetDevice};
use crate::time::Instant;

/// Bytes of the header of Ethernet, which the driver's MTU counts and ours does not.
const ETHERNET: usize = 14;

/// A driver that implements smoltcp's `Device`, with frames in memory of kind `B`.
#[derive(Debug)]
pub struct SmoltcpDevice<D, B> {
    device: D,
    capabilities: Capabilities,
    now: Instant,
    _frames: PhantomData<fn() -> B>,
}

/// The driver sends neither Ethernet nor IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownMedium;

impl fmt::Display for UnknownMedium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the driver sends neither Ethernet nor IP")
    }
}

impl core::error::Error for UnknownMedium {}

impl<D: Device, B> SmoltcpDevice<D, B> {
    /// Takes a driver.
    ///
    /// # Errors
    /// It has another medium.
    pub fn new(device: D) -> Result<Self, UnknownMedium> {
        let theirs = device.capabilities();
        let (medium, link) = match theirs.medium {
            phy::Medium::Ethernet => (Medium::Ethernet, ETHERNET),
            phy::Medium::Ip => (Medium::Ip, 0),
            #[allow(unreachable_patterns, reason = "another crate may enable a medium more")]
            _ => return Err(UnknownMedium),
        };
        let mtu = theirs.max_transmission_unit.saturating_sub(link);
        let mut capabilities = Capabilities::new(medium, u16::try_from(mtu).unwrap_or(u16::MAX));
        let sums = &theirs.checksum;
        capabilities.offloads.set(Offloads::CHECKSUM_RX, !sums.tcp.rx() && !sums.udp.rx());
        Ok(Self { device, capabilities, now: Instant::from_ticks(0), _frames: PhantomData })
    }

    /// What the driver is told of the time with the next calls.
    pub const fn set_now(&mut self, now: Instant) {
        self.now = now;
    }

    /// The driver.
    pub const fn get_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// The driver back.
    pub fn into_inner(self) -> D {
        self.device
    }

    fn now(&self) -> ::smoltcp::time::Instant {
        ::smoltcp::time::Instant::from_micros(i64::try_from(self.now.as_ticks() / 1000).unwrap_or(i64::MAX))
    }
}

impl<D: Device, B: Buffer> NetDevice for SmoltcpDevice<D, B> {
    type Frame = BufferFrame<B>;
    type Error = Infallible;

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn receive(&mut self, into: &mut Batch<Self::Frame>) -> Result<(), Infallible> {
        let now = self.now();
        while into.room() > 0 {
            // The memory first: a packet that was taken cannot be put back.
            let Some(mut frame) = self.lease(ETHERNET + usize::from(self.capabilities.mtu)) else { break };
            let Some((packet, _)) = self.device.receive(now) else { break };
            packet.consume(|bytes| {
                frame.bytes_mut().iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                frame.truncate(bytes.len());
            });
            if self.capabilities.offloads.contains(Offloads::CHECKSUM_RX) {
                frame.meta_mut().checksum = FrameChecksum::Verified;
            }
            // There is room: a frame that came back would be lost.
            drop(into.push(frame));
        }
        Ok(())
    }

    fn lease(&mut self, bytes: usize) -> Option<Self::Frame> {
        BufferFrame::allocate(bytes)
    }

    fn transmit(&mut self, from: &mut Batch<Self::Frame>) -> Result<(), Infallible> {
        let now = self.now();
        while !from.is_empty()
            && let Some(room) = self.device.transmit(now)
            && let Some(frame) = from.pop()
        {
            let bytes = frame.bytes();
            room.consume(bytes.len(), |to| to.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from));
        }
        Ok(())
    }
}
