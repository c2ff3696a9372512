//! The layer below a file system: [`BlockDevice`], the [`Partition`]s of a disk, and bytes on both sides of it.
//!
//! | item | what it is |
//! |---|---|
//! | [`BlockDevice`] | the port: what a disk driver implements |
//! | [`Geometry`] | what kind of device, and the one check of a request |
//! | [`partition::scan`], [`Partition`] | GPT and MBR, and a device that is a part of another |
//! | [`read_bytes`], [`write_bytes`] | any bytes of a device |
//! | [`ByteDevice`], [`StreamDevice`] | a device as a stream of bytes, and a stream as a device |
//!
//! The port is synchronous. A device with requests in flight wants a second port, with requests that it owns until they are
//! complete; that comes with the page cache, which is who has many requests at a time.

mod adapter;
mod device;
pub mod partition;

pub use adapter::{ByteDevice, StreamDevice, read_bytes, write_bytes};
pub use device::{BlockDevice, DeviceFeatures, Geometry, GeometryError, SECTOR_MAX, SECTOR_MIN, WriteMode};
pub use partition::Partition;
