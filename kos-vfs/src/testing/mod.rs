//! Fakes for each port, fault injection, models, contract checks and fuzz bodies, for the tests of this crate and of its
//! users. Uses `std`.
//!
//! | item | what it is |
//! |---|---|
//! | [`RamDisk`] | a [`BlockDevice`](crate::block::BlockDevice) in memory that takes only what was written |
//! | [`check_block_device`] | the contract of a block device |
//! | [`cases()`] | how many sequences a property test runs |

mod block;
mod cases;

pub use block::{RamDisk, check_block_device};
pub use cases::cases;
