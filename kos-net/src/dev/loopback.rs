//! A device whose frames come back: [`Loopback`].

use core::convert::Infallible;

use heapless::Deque;

use super::{Batch, Buffer, BufferFrame, Capabilities, FrameChecksum, Medium, Offloads};
use crate::ports::{Frame as _, NetDevice};

/// What is sent is received. Up to `FRAMES` frames are under way; then it is full. Their memory is kept and used again.
///
/// Nothing damages a frame here, so no sum over data is computed or checked, and large segments stay whole.
#[derive(Debug)]
pub struct Loopback<B, const FRAMES: usize> {
    capabilities: Capabilities,
    queue: Deque<BufferFrame<B>, FRAMES>,
    /// Frames that are done with, each with memory for the largest packet.
    spare: heapless::Vec<BufferFrame<B>, FRAMES>,
}

impl<B: Buffer, const FRAMES: usize> Loopback<B, FRAMES> {
    /// A device for IP packets of up to `mtu` bytes.
    #[must_use]
    pub const fn new(mtu: u16) -> Self {
        let mut capabilities = Capabilities::new(Medium::Ip, mtu);
        capabilities.offloads = Offloads::CHECKSUM_RX.union(Offloads::CHECKSUM_TX);
        capabilities.loopback = true;
        Self { capabilities, queue: Deque::new(), spare: heapless::Vec::new() }
    }

    /// Lets go of the memory that is kept for later only.
    pub fn trim(&mut self) {
        self.spare.clear();
    }
}

impl<B: Buffer, const FRAMES: usize> NetDevice for Loopback<B, FRAMES> {
    type Frame = BufferFrame<B>;
    type Error = Infallible;

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn receive(&mut self, into: &mut Batch<Self::Frame>) -> Result<(), Infallible> {
        while into.room() > 0 {
            let Some(mut frame) = self.queue.pop_front() else { break };
            frame.meta_mut().checksum = FrameChecksum::Verified;
            // There is room: a frame that came back would be lost.
            drop(into.push(frame));
        }
        Ok(())
    }

    fn lease(&mut self, bytes: usize) -> Option<Self::Frame> {
        let largest = usize::from(self.capabilities.mtu);
        if bytes > largest {
            return None;
        }
        self.spare.pop().or_else(|| BufferFrame::allocate(largest))?.reused(bytes)
    }

    fn recycle(&mut self, frame: Self::Frame) {
        // If there are enough of them it is dropped.
        drop(self.spare.push(frame));
    }

    fn transmit(&mut self, from: &mut Batch<Self::Frame>) -> Result<(), Infallible> {
        while !self.queue.is_full()
            && let Some(frame) = from.pop()
        {
            // There is room: a frame that came back would be lost.
            drop(self.queue.push_back(frame));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Loopback;
    use crate::dev::Batch;
    use crate::ports::{Frame as _, NetDevice as _};

    #[test]
    fn what_was_sent_comes_back_in_order_and_no_more_than_fits() {
        let (mut device, mut out, mut back) = (Loopback::<[u8; 8], 2>::new(8), Batch::new(), Batch::new());
        for value in 0..3 {
            let mut frame = device.lease(1).unwrap();
            frame.bytes_mut()[0] = value;
            out.push(frame).unwrap();
        }
        device.transmit(&mut out).unwrap();
        assert_eq!(out.len(), 1, "the rest stays");
        device.receive(&mut back).unwrap();
        device.transmit(&mut out).unwrap();
        device.receive(&mut back).unwrap();
        let values: alloc::vec::Vec<u8> = back.iter().map(|frame| frame.bytes()[0]).collect();
        assert_eq!(values, [0, 1, 2]);
        assert!(device.lease(9).is_none());
    }
}
