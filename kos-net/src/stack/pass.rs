//! One poll of one interface: [`Pass`].

use core::borrow::BorrowMut as _;

use super::interface::Interface;
use super::tcp::Recent;
use super::{Budget, Core, Progress};
use crate::ports::{Frame, NetDevice};
use crate::sock::{Socket, Storage};

/// The stack, an interface of it, and its device.
pub(crate) struct Pass<'p, F, S: Storage<F>, D: NetDevice> {
    pub(crate) core: &'p mut Core<F, S>,
    pub(super) interface: &'p mut Interface<F, S::Neighbours, S::Batch>,
    pub(super) device: &'p mut D,
    failure: Option<D::Error>,
    pub(super) recent: Option<Recent>,
}

/// What came of an attempt to send for a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// So many packets are done with.
    Packets(usize),
    /// There was nothing to send.
    Nothing,
    /// The device takes no more; it stays.
    Stuck,
}

impl<'p, F: Frame, S: Storage<F>, D: NetDevice<Frame = F>> Pass<'p, F, S, D> {
    pub(super) const fn new(
        core: &'p mut Core<F, S>,
        interface: &'p mut Interface<F, S::Neighbours, S::Batch>,
        device: &'p mut D,
    ) -> Self {
        Self { core, interface, device, failure: None, recent: None }
    }

    pub(super) fn run(mut self, budget: Budget) -> Result<Progress, D::Error> {
        let mut progress = Progress::default();
        self.flush();
        // What a loop took comes back: it is answered at once.
        while self.turn(budget, &mut progress) {
            if progress.frames_in >= budget.frames_in || progress.packets_out >= budget.packets_out {
                progress.more = true;
                break;
            }
        }
        match self.failure {
            Some(error) => Err(error),
            None => Ok(progress),
        }
    }

    /// Does what there is to do; whether frames went out that come back.
    fn turn(&mut self, budget: Budget, progress: &mut Progress) -> bool {
        let before = self.core.stats.frames_out;
        progress.more = false;
        self.receive(budget, progress);
        self.run_neighbours();
        self.run_autoconfiguration();
        self.run_groups();
        self.run_timers();
        self.expire_pieces();
        self.send(budget, progress);
        // What was sent may wait for a neighbour, who is asked at once.
        self.run_neighbours();
        self.flush();
        self.interface.is_loopback() && self.core.stats.frames_out > before && self.failure.is_none()
    }

    fn receive(&mut self, budget: Budget, progress: &mut Progress) {
        let Some(mut batch) = self.core.incoming.take() else { return };
        while self.failure.is_none() && progress.frames_in < budget.frames_in {
            let frames = batch.borrow_mut();
            self.failure = self.device.receive(frames).err();
            let (count, full) = (frames.len(), frames.room() == 0);
            while let Some(frame) = frames.pop() {
                self.input(&frame);
                self.device.recycle(frame);
            }
            self.finish_recent();
            progress.frames_in += count;
            progress.more = full && self.failure.is_none();
            if !full {
                break;
            }
        }
        self.core.incoming = Some(batch);
    }

    fn send(&mut self, budget: Budget, progress: &mut Progress) {
        let interface = self.interface.id.0;
        while self.has_room() {
            if progress.packets_out >= budget.packets_out {
                progress.more |= self.core.sockets.has_dirty(interface);
                return;
            }
            let Some(index) = self.core.sockets.next_dirty(interface) else { return };
            match self.send_for(index) {
                Sent::Packets(count) => progress.packets_out += count,
                Sent::Nothing => continue,
                Sent::Stuck => {
                    self.core.sockets.mark_dirty(index, interface);
                    return;
                }
            }
            self.core.schedule(index);
        }
    }

    fn send_for(&mut self, index: u32) -> Sent {
        match self.core.sockets.at(index) {
            Some(Socket::Datagrams(_)) => self.send_datagram(index),
            Some(Socket::Tcp(_)) => self.send_segment(index),
            Some(Socket::Listening(_)) => self.ask_again(index),
            _ => Sent::Nothing,
        }
    }

    /// Hands the device what it takes.
    pub(super) fn flush(&mut self) {
        if !self.interface.out().is_empty() && self.failure.is_none() {
            self.failure = self.device.transmit(self.interface.out()).err();
        }
    }

    /// Whether one more frame has room on its way to the device.
    pub(super) fn has_room(&mut self) -> bool {
        if self.interface.out().room() == 0 {
            self.flush();
        }
        self.interface.out().room() > 0 && self.failure.is_none()
    }

    /// The same of several frames.
    pub(super) fn has_room_for(&mut self, frames: usize) -> bool {
        if self.interface.out().room() < frames {
            self.flush();
        }
        self.interface.out().room() >= frames && self.failure.is_none()
    }
}
