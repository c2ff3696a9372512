//! Fakes for each port, fault injection, models, contract checks and fuzz bodies, for the tests of this crate and of its
//! users. Uses `std`.
//!
//! | item | what it is |
//! |---|---|
//! | [`RamDisk`] | a [`BlockDevice`](crate::block::BlockDevice) in memory that takes only what was written |
//! | [`check_block_device`] | the contract of a block device |
//! | [`HostEnv`], [`TestClock`] | locks that yield, and a clock that is set by hand |
//! | [`script`] | file-system calls as text: the path client's engine |
//! | [`cases()`] | how many sequences a property test runs |

mod block;
mod cases;
mod env;
pub mod script;

pub use block::{RamDisk, check_block_device};
pub use cases::cases;
pub use env::{HostEnv, TestClock};
