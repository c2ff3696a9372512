//! Disks of the host, and the commands that make and check a volume on one.
//!
//! [`FileDisk`] is a file as a block device, [`volume`] what is on it; [`DiskCommand`] is `cargo hosted mkfs` and
//! `cargo hosted fsck`.

mod command;
mod copy;
mod fresh;
mod fsck;
mod mkfs;
mod signature;
pub mod volume;

pub use command::DiskCommand;
pub(crate) use command::size;
pub(crate) use fresh::Fresh;
pub use kos_vfs::testing::FileDisk;
pub use mkfs::FsType;
