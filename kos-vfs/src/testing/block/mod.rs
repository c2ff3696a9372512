//! Block devices for tests.

#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "test helpers: what is out of range shall fail loudly"
)]

mod contract;
mod ram;
#[cfg(test)]
mod tests;

pub use contract::check_block_device;
pub use ram::RamDisk;
