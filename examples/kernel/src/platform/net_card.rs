//! What the kernel wants of a network card beside the ports of kos-net: [`NetCard`].

use kos_net::dev::HeapFrame;
use kos_net::{LinkControl, NetDevice};

/// A network card.
pub trait NetCard: NetDevice<Frame = HeapFrame> + LinkControl {
    /// Whether it lacked memory to receive into. Each call of [`NetDevice::receive`] looks for some; while it lacks any, the kernel
    /// calls from time to time, for a card that cannot receive does not interrupt.
    fn is_starved(&self) -> bool;
}
