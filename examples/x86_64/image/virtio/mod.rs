//! What all virtio devices on PCI share, beneath the crate `virtio-drivers`.
//!
//! | module | idea |
//! |---|---|
//! | [`hal`] | memory and addresses |
//! | [`transport`] | the PCI transport, with one MSI-X vector for all queues |

mod hal;
mod transport;

pub(crate) use hal::{MetalHal, frames};
pub(crate) use transport::{Interrupting, Wiring};
