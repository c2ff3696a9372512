//! Block devices for tests.

#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "test helpers: what is out of range shall fail loudly"
)]

mod contract;
mod fault;
#[cfg(unix)]
mod file;
mod gpt;
mod power;
mod queued;
mod ram;
mod record;
#[cfg(test)]
mod tests;

pub use contract::check_block_device;
pub use fault::{Fault, FaultDisk};
#[cfg(unix)]
pub use file::FileDisk;
pub use gpt::gpt;
pub use power::PowerCut;
pub use queued::{QueuedRam, Yielding, check_queued_device};
pub use ram::RamDisk;
pub use record::{DiskEvent, RecordDisk};
