//! The way of packets from a machine to itself, where it is rough: [`HostedLink`].

use alloc::sync::Arc;
use core::convert::Infallible;

use kos_demo_kernel::platform::{RoughLink, SmoothLink};
use kos_demo_kernel::time::Instant;
use kos_net::NetDevice;
use kos_net::dev::{Batch, Capabilities, HeapFrame};

use super::Board;
use crate::rough::{Rough, Roughness};

/// A link of a machine to itself, and what befalls packets on it.
pub(super) struct HostedLink<C> {
    link: Rough<SmoothLink, C>,
    board: Arc<Board>,
}

/// The packets of this machine to itself are to meet what its plan says.
pub(super) fn rough(
    board: &Arc<Board>,
    smooth: SmoothLink,
    share: Roughness,
    seed: u64,
) -> impl RoughLink + use<> {
    let (board, clock) = (Arc::clone(board), Arc::clone(board));
    let clock = move || Instant::from_ticks(clock.nanoseconds());
    // What is sent there is received: once is enough.
    HostedLink { link: Rough::new(smooth, [share, Roughness::default()], seed, clock), board }
}

impl<C: Fn() -> Instant + Send> RoughLink for HostedLink<C> {
    fn due(&self) -> Option<Instant> {
        self.link.due()
    }

    fn trim(&mut self) {
        self.link.device.trim();
    }
}

impl<C: Fn() -> Instant> NetDevice for HostedLink<C> {
    type Frame = HeapFrame;
    type Error = Infallible;

    fn capabilities(&self) -> &Capabilities {
        self.link.capabilities()
    }

    fn receive(&mut self, into: &mut Batch<HeapFrame>) -> Result<(), Infallible> {
        let received = self.link.receive(into);
        let [inward, _] = self.link.befell();
        self.board.tell_befell(inward);
        received
    }

    fn lease(&mut self, bytes: usize) -> Option<HeapFrame> {
        self.link.lease(bytes)
    }

    fn recycle(&mut self, frame: HeapFrame) {
        self.link.recycle(frame);
    }

    fn transmit(&mut self, from: &mut Batch<HeapFrame>) -> Result<(), Infallible> {
        self.link.transmit(from)
    }
}
