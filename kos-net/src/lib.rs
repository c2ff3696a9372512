#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "alloc", feature = "testing"))]
extern crate alloc;
#[cfg(any(test, feature = "testing"))]
extern crate std;

pub mod dev;
mod drop_reason;
pub mod ip;
mod jitter;
pub mod link;
mod ports;
mod room;
pub mod sock;
mod stats;
pub mod tcp;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub mod timer;
pub mod wire;

pub use drop_reason::DropReason;
pub use ports::{Entropy, EntropyError, Frame, LinkControl, NetDevice};
pub use room::Room;
pub use stats::{Drops, Stats};
