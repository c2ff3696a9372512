//! Files: what do names and bytes cost?
//!
//! [`fat`] compares drivers of FAT over a disk in memory, without a cache of file data on any side.

mod fat;

pub(crate) use fat::questions;
