//! The port of a disk driver: [`BlockDevice`], with its [`Geometry`].
//!
//! A sector is the unit of reading and writing, 512 to 4096 bytes. Positions are sectors in 64 bits, so that nothing ends at
//! 2 TiB or 4 GiB. What is on a device is whole sectors: a write that a power cut interrupts may leave any number of its
//! sectors written, in any order, each of them old or new in pieces of 512 bytes.

use alloc::sync::Arc;
use core::error::Error;
use core::fmt;

use crate::error::DeviceError;

/// Bytes of the smallest sector.
pub const SECTOR_MIN: usize = 512;
/// Bytes of the largest sector.
pub const SECTOR_MAX: usize = 4096;

bitflags::bitflags! {
    /// What a device is able to do beside reading and writing.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct DeviceFeatures: u32 {
        /// Takes no writes.
        const READ_ONLY = 1 << 0;
        /// Has a cache that a power cut empties; [`BlockDevice::flush`] empties it in time. Without this bit what was
        /// written is durable.
        const FLUSH = 1 << 1;
        /// Writes with [`WriteMode::Through`] without flushing the rest.
        const FUA = 1 << 2;
        /// Is told by [`BlockDevice::discard`] which sectors hold nothing.
        const DISCARD = 1 << 3;
    }
}

/// Why numbers are no [`Geometry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GeometryError {
    /// A sector size that is no power of two from 512 to 4096.
    SectorSize {
        /// Its bytes.
        bytes: u32,
    },
    /// More than 2^63 - 1 bytes.
    TooLarge {
        /// How many sectors.
        sectors: u64,
    },
}

impl fmt::Display for GeometryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SectorSize { bytes } => write!(f, "a sector of {bytes} bytes"),
            Self::TooLarge { sectors } => write!(f, "{sectors} sectors are more than 2^63 bytes"),
        }
    }
}

impl Error for GeometryError {}

/// What kind of device it is. Fixed while the device is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    shift: u32,
    sectors: u64,
    features: DeviceFeatures,
}

impl Geometry {
    /// A device of `sectors` sectors of `sector_size` bytes.
    ///
    /// # Errors
    /// A size that is none, or too many bytes.
    pub const fn new(
        sector_size: u32,
        sectors: u64,
        features: DeviceFeatures,
    ) -> Result<Self, GeometryError> {
        if !sector_size.is_power_of_two() || sector_size < 512 || sector_size > 4096 {
            return Err(GeometryError::SectorSize { bytes: sector_size });
        }
        let shift = sector_size.trailing_zeros();
        if sectors > i64::MAX.cast_unsigned() >> shift {
            return Err(GeometryError::TooLarge { sectors });
        }
        Ok(Self { shift, sectors, features })
    }

    /// Bytes of a sector: a power of two from 512 to 4096.
    pub const fn sector_size(&self) -> usize {
        1 << self.shift
    }

    /// The logarithm of [`sector_size`](Self::sector_size): 9 to 12.
    pub const fn sector_shift(&self) -> u32 {
        self.shift
    }

    /// How many sectors it has.
    pub const fn sectors(&self) -> u64 {
        self.sectors
    }

    /// How many bytes it has: below 2^63.
    pub const fn bytes(&self) -> u64 {
        self.sectors << self.shift
    }

    /// What it is able to do.
    pub const fn features(&self) -> DeviceFeatures {
        self.features
    }

    /// The same device with other sectors in number.
    #[must_use]
    pub const fn resized(self, sectors: u64) -> Option<Self> {
        match Self::new(1 << self.shift, sectors, self.features) {
            Ok(geometry) => Some(geometry),
            Err(_) => None,
        }
    }

    /// The sectors that a request for `length` bytes from `sector` on takes: the check that every driver makes first.
    ///
    /// # Errors
    /// [`DeviceError::Unaligned`], or [`DeviceError::OutOfRange`].
    pub const fn check(&self, sector: u64, length: usize) -> Result<u64, DeviceError> {
        if length & (self.sector_size() - 1) != 0 {
            return Err(DeviceError::Unaligned { length });
        }
        let count = (length >> self.shift) as u64;
        match self.check_sectors(sector, count) {
            Ok(()) => Ok(count),
            Err(error) => Err(error),
        }
    }

    /// The same check for `count` sectors.
    ///
    /// # Errors
    /// [`DeviceError::OutOfRange`].
    pub const fn check_sectors(&self, sector: u64, count: u64) -> Result<(), DeviceError> {
        if sector > self.sectors || count > self.sectors - sector {
            return Err(DeviceError::OutOfRange { sector, sectors: self.sectors });
        }
        Ok(())
    }

    /// The check of a write: also refuses a device that takes none.
    ///
    /// # Errors
    /// [`DeviceError::ReadOnly`], or as [`check`](Self::check).
    pub const fn check_write(&self, sector: u64, length: usize) -> Result<u64, DeviceError> {
        if self.features.contains(DeviceFeatures::READ_ONLY) {
            return Err(DeviceError::ReadOnly);
        }
        self.check(sector, length)
    }
}

/// When a write is durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WriteMode {
    /// At the next [`BlockDevice::flush`] that succeeds.
    #[default]
    Cached,
    /// When the call returns ("force unit access"); what was written before is not.
    Through,
}

/// A disk. Its calls may sleep; none is made with a spin lock held or interrupts masked. Calls come from several threads at
/// the same time: what two of them do to the same sector at the same time is open, but each piece of 512 bytes is old or new.
///
/// A wrong implementation breaks what is stored, never memory. [`check_block_device`](crate::testing::check_block_device)
/// checks one.
pub trait BlockDevice: Send + Sync {
    /// What kind of device it is: always the same answer, and cheap.
    fn geometry(&self) -> Geometry;

    /// Fills `out` from `sector` on.
    ///
    /// # Errors
    /// As [`Geometry::check`], or what the device says; `out` then holds anything.
    fn read(&self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError>;

    /// Stores `bytes` from `sector` on. A device without [`DeviceFeatures::FUA`] writes and flushes for
    /// [`WriteMode::Through`].
    ///
    /// # Errors
    /// As [`Geometry::check_write`], or what the device says: then each sector of the request is old or new.
    fn write(&self, sector: u64, bytes: &[u8], mode: WriteMode) -> Result<(), DeviceError>;

    /// Returns when every write that was complete before the call is durable.
    ///
    /// # Errors
    /// What the device says: then none of them is known to be durable, and a second call does not make it so.
    fn flush(&self) -> Result<(), DeviceError>;

    /// Says that `count` sectors from `sector` on hold nothing: what is read there is open until they are written. Does
    /// nothing without [`DeviceFeatures::DISCARD`].
    ///
    /// # Errors
    /// As [`Geometry::check_write`], or what the device says.
    fn discard(&self, sector: u64, count: u64) -> Result<(), DeviceError>;
}

/// What is lent or shared is a device, too.
macro_rules! through_pointers {
    ($($pointer:ty),*) => {$(
        impl<D: BlockDevice + ?Sized> BlockDevice for $pointer {
            fn geometry(&self) -> Geometry {
                (**self).geometry()
            }

            fn read(&self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError> {
                (**self).read(sector, out)
            }

            fn write(&self, sector: u64, bytes: &[u8], mode: WriteMode) -> Result<(), DeviceError> {
                (**self).write(sector, bytes, mode)
            }

            fn flush(&self) -> Result<(), DeviceError> {
                (**self).flush()
            }

            fn discard(&self, sector: u64, count: u64) -> Result<(), DeviceError> {
                (**self).discard(sector, count)
            }
        }
    )*};
}
through_pointers!(&D, Arc<D>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sectors_are_512_to_4096_bytes() {
        let none = DeviceFeatures::empty();
        for bytes in [0, 1, 256, 513, 1023, 8192, 1 << 31] {
            assert_eq!(Geometry::new(bytes, 1, none), Err(GeometryError::SectorSize { bytes }));
        }
        for bytes in [512, 1024, 2048, 4096] {
            assert_eq!(Geometry::new(bytes, 7, none).unwrap().bytes(), 7 * u64::from(bytes));
        }
        let sectors = 1 << 54;
        assert_eq!(Geometry::new(512, sectors, none), Err(GeometryError::TooLarge { sectors }));
        assert!(Geometry::new(512, sectors - 1, none).is_ok());
    }

    #[test]
    fn a_request_ends_with_the_device() {
        let geometry = Geometry::new(512, 10, DeviceFeatures::READ_ONLY).unwrap();
        assert_eq!(geometry.check(9, 512), Ok(1));
        assert_eq!(geometry.check(10, 0), Ok(0));
        assert_eq!(geometry.check(9, 1024), Err(DeviceError::OutOfRange { sector: 9, sectors: 10 }));
        assert_eq!(
            geometry.check(u64::MAX, 512),
            Err(DeviceError::OutOfRange { sector: u64::MAX, sectors: 10 })
        );
        assert_eq!(geometry.check(0, 100), Err(DeviceError::Unaligned { length: 100 }));
        assert_eq!(geometry.check_write(0, 512), Err(DeviceError::ReadOnly));
    }
}
