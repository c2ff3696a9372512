//! A device behind rules: [`Fence`]. What does not pass goes back to the device as done with.

use kos_net::dev::{Batch, Capabilities};
use kos_net::{Frame as _, NetDevice};

use super::{Action, Direction, Firewall, Link};

/// A device, and who may pass.
pub(crate) struct Fence<'a, D> {
    device: &'a mut D,
    firewall: &'a mut Firewall,
    link: Link,
}

impl<'a, D: NetDevice> Fence<'a, D> {
    pub(crate) const fn new(device: &'a mut D, firewall: &'a mut Firewall, link: Link) -> Self {
        Self { device, firewall, link }
    }

    /// Takes out what does not pass, behind the first `before`; the others keep their order. Whether there was any.
    #[cold]
    fn sift(&mut self, direction: Direction, batch: &mut Batch<D::Frame>, before: usize) -> bool {
        let (medium, many) = (self.device.capabilities().medium, batch.len());
        for place in 0..many {
            let Some(frame) = batch.pop() else { break };
            let passes = place < before
                || self.firewall.judge(direction, self.link, medium, frame.bytes()) == Action::Accept;
            if !passes {
                self.device.recycle(frame);
            } else if let Err(frame) = batch.push(frame) {
                // There was room for it a moment ago.
                self.device.recycle(frame);
            }
        }
        batch.len() < many
    }

    /// Frames in front that were judged before.
    const fn waiting(&mut self) -> &mut usize {
        let [own, card] = &mut self.firewall.waiting;
        if matches!(self.link, Link::Own) { own } else { card }
    }
}

impl<D: NetDevice> NetDevice for Fence<'_, D> {
    type Frame = D::Frame;
    type Error = D::Error;

    fn capabilities(&self) -> &Capabilities {
        self.device.capabilities()
    }

    fn receive(&mut self, into: &mut Batch<Self::Frame>) -> Result<(), Self::Error> {
        let before = into.len();
        let received = self.device.receive(into);
        if !self.firewall.is_open() && self.sift(Direction::In, into, before) {
            self.firewall.dropped = true;
        }
        received
    }

    fn lease(&mut self, bytes: usize) -> Option<Self::Frame> {
        self.device.lease(bytes)
    }

    fn recycle(&mut self, frame: Self::Frame) {
        self.device.recycle(frame);
    }

    fn transmit(&mut self, from: &mut Batch<Self::Frame>) -> Result<(), Self::Error> {
        if !self.firewall.is_open() {
            let before = *self.waiting();
            self.sift(Direction::Out, from, before);
        }
        let sent = self.device.transmit(from);
        *self.waiting() = from.len();
        sent
    }
}
