#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "alloc", feature = "testing"))]
extern crate alloc;
#[cfg(any(test, feature = "testing"))]
extern crate std;

mod config;
pub mod dev;
mod drop_reason;
mod error;
pub mod ip;
mod jitter;
pub mod link;
mod ping;
mod ports;
mod raw;
mod room;
#[cfg(feature = "services")]
pub mod services;
pub mod sock;
mod stack;
mod stats;
pub mod tcp;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub mod timer;
mod udp;
pub mod wire;

pub use config::{Config, IpConfig, Limits};
pub use drop_reason::DropReason;
pub use error::{
    AcceptError, BindError, ConfigError, InterfaceError, NetworkError, ReceiveError, SendError, StreamError,
};
pub use ports::{Entropy, EntropyError, Frame, LinkControl, NetDevice};
pub use room::Room;
pub use sock::{Envelope, Readiness, SocketId};
pub use stack::{Budget, Corruption, InterfaceSlot, Progress, SocketKind, SocketView, Stack};
pub use stats::{Drops, Stats};
