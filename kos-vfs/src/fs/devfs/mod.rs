//! Devices: who is behind which number ([`Devices`]), and a directory of their nodes ([`Devfs`]).
//!
//! [`Devices`] is the [`SpecialOpener`](crate::SpecialOpener) of a [`Vfs`](crate::Vfs); it serves device nodes of every file
//! system. [`Devfs`] is a tmpfs in which a node appears when its device is registered, and goes with it. [`Null`], [`Zero`],
//! [`Full`] and [`Random`] are what every `/dev` has.
//!
//! Source: Linux `Documentation/admin-guide/devices.txt`, `drivers/char/mem.c`, `null(4)`, `full(4)`, `random(4)`.

mod nodes;
mod registry;
mod standard;
#[cfg(all(test, feature = "testing"))]
mod tests;

pub use nodes::{Devfs, DeviceNode, RegisterError};
pub use registry::{Device, Devices, Presence, Present};
pub use standard::{Entropy, Full, Null, Random, Zero};
