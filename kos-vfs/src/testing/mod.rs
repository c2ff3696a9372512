//! Fakes for each port, fault injection, models, contract checks and fuzz bodies, for the tests of this crate and of its
//! users. Uses `std`.
//!
//! | item | what it is |
//! |---|---|
//! | [`RamDisk`] | a [`BlockDevice`](crate::block::BlockDevice) in memory that takes only what was written |
//! | [`RecordDisk`], [`DiskEvent`] | remembers every change, so that any part of them can be done again |
//! | [`FaultDisk`], [`Fault`] | a device of which the k-th call fails |
//! | [`PowerCut`] | a device that loses, reorders and tears what was not flushed |
//! | `FileDisk` | a file of the host as a block device (Unix) |
//! | [`check_block_device`] | the contract of a block device |
//! | [`check_file_system`] | the contract of a file system |
//! | [`CpioWriter`], [`CpioEntry`] | writes cpio archives, good and bad |
//! | [`HostEnv`], [`TestClock`] | locks that yield, and a clock that is set by hand |
//! | [`script`] | file-system calls as text: the path client's engine |
//! | [`FatModel`], [`FatOp`] | what a FAT volume must do, stepped beside it |
//! | [`Volume`], [`TmpfsVolume`], [`KosFsVolume`], [`FatVolume`] | file systems that are mounted, checked and mounted again |
//! | [`DataModel`], [`DataOp`] | what the bytes of files must be, stepped beside any volume |
//! | [`fuzz`] | the bodies of the fuzz targets |
//! | [`cases()`] | how many sequences a property test runs |

mod block;
mod cases;
mod contract;
#[cfg(feature = "synthetic")]
mod cpio;
mod data;
mod env;
#[cfg(feature = "fat")]
pub(crate) mod fat;
#[cfg(feature = "kosfs")]
mod kosfs;
mod resolve;
pub mod script;
mod volume;

#[cfg(unix)]
pub use block::FileDisk;
pub use block::{
    DiskEvent, Fault, FaultDisk, PowerCut, QueuedRam, RamDisk, RecordDisk, Yielding, check_block_device,
    check_queued_device,
};
pub use cases::cases;
pub use contract::check_file_system;
#[cfg(feature = "synthetic")]
pub use cpio::{CpioEntry, CpioWriter};
pub use data::{DataModel, DataOp};
pub use env::{HostEnv, TestClock};
#[cfg(feature = "fat")]
pub use fat::{FatModel, FatOp, Names, TestLock};
#[cfg(feature = "fat")]
pub use volume::FatVolume;
#[cfg(feature = "kosfs")]
pub use volume::KosFsVolume;
pub use volume::{TmpfsVolume, Volume, fill_volume};

/// The body of each fuzz target.
pub mod fuzz {
    pub use super::block::gpt;
    #[cfg(feature = "synthetic")]
    pub use super::cpio::cpio;
    #[cfg(all(feature = "kosfs", feature = "fat"))]
    pub use super::data::ops_vs_model;
    #[cfg(feature = "fat")]
    pub use super::fat::mount_fat;
    #[cfg(feature = "kosfs")]
    pub use super::kosfs::{fsck_kosfs, mount_kosfs};
    pub use super::resolve::resolve;
}
