//! The network card of a machine that has none: [`NoNet`].

use core::convert::Infallible;

use kos_net::dev::{Batch, Capabilities, HeapFrame};
use kos_net::wire::MacAddr;
use kos_net::{LinkControl, NetDevice};

use super::NetCard;

/// A card that no machine has: there are no values of it.
#[derive(Clone, Copy, Debug)]
pub enum NoNet {}

impl NetDevice for NoNet {
    type Frame = HeapFrame;
    type Error = Infallible;

    fn capabilities(&self) -> &Capabilities {
        match *self {}
    }

    fn receive(&mut self, _: &mut Batch<HeapFrame>) -> Result<(), Infallible> {
        match *self {}
    }

    fn lease(&mut self, _: usize) -> Option<HeapFrame> {
        match *self {}
    }

    fn transmit(&mut self, _: &mut Batch<HeapFrame>) -> Result<(), Infallible> {
        match *self {}
    }
}

impl LinkControl for NoNet {
    type Error = Infallible;

    fn is_up(&self) -> bool {
        match *self {}
    }

    fn mac(&self) -> MacAddr {
        match *self {}
    }

    fn filter(&mut self, _: MacAddr, _: bool) -> Result<(), Infallible> {
        match *self {}
    }
}

impl NetCard for NoNet {
    fn is_starved(&self) -> bool {
        match *self {}
    }
}
