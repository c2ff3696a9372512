//! Disks of the host, and the commands that make and check a volume on one.
//!
//! [`FileDisk`] is a file as a block device; [`DiskCommand`] is `cargo hosted mkfs` and `cargo hosted fsck`.

mod command;
mod file;

pub use command::{DiskCommand, FsType};
pub use file::FileDisk;
