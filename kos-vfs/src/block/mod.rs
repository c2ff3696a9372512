//! The layer below a file system: [`BlockDevice`], and the [`Partition`]s of a disk.
//!
//! | item | what it is |
//! |---|---|
//! | [`BlockDevice`] | the port: what a disk driver implements |
//! | [`Geometry`] | what kind of device, and the one check of a request |
//! | [`partition::scan`], [`Partition`] | GPT and MBR, and a device that is a part of another |
//!
//! The port is synchronous. A device with requests in flight wants a second port, with requests that it owns until they are
//! complete; that comes with the page cache, which is who has many requests at a time.

mod device;
pub mod partition;

pub use device::{BlockDevice, DeviceFeatures, Geometry, GeometryError, SECTOR_MAX, SECTOR_MIN, WriteMode};
pub use partition::Partition;
