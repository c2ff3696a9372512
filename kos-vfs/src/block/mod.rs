//! The layer below a file system: [`BlockDevice`], the [`Partition`]s of a disk, and bytes on both sides of it.
//!
//! | item | what it is |
//! |---|---|
//! | [`BlockDevice`] | the port: what a disk driver implements |
//! | [`Geometry`] | what kind of device, and the one check of a request |
//! | [`partition::scan`], [`Partition`] | GPT and MBR, and a device that is a part of another |
//! | [`read_bytes`], [`write_bytes`] | any bytes of a device |
//! | [`ByteDevice`], [`StreamDevice`] | a device as a stream of bytes, and a stream as a device |
//! | [`QueuedDevice`], [`Bio`] | the port of a disk with several requests in flight, which it owns until they are complete |
//! | [`QueuedBlock`] | such a disk as a [`BlockDevice`], which sends many at a time and sleeps |

mod adapter;
mod bio;
mod device;
pub mod partition;
mod queue;

pub use adapter::{ByteDevice, StreamDevice, read_bytes, write_bytes};
pub use bio::{Bio, BioKind, Done, Refusal, Refused};
pub use device::{BlockDevice, DeviceFeatures, Geometry, GeometryError, SECTOR_MAX, SECTOR_MIN, WriteMode};
pub use partition::Partition;
pub use queue::{Completion, QueueStats, QueuedBlock, QueuedDevice};
