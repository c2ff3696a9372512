//! Bytes over sectors and sectors over bytes: [`read_bytes`], [`write_bytes`], [`ByteDevice`], [`StreamDevice`].
//!
//! Whole sectors are moved in one request; what is no whole sector goes over a buffer of one on the stack.

use core::fmt;

use embedded_io::{Error, ErrorKind, ErrorType, Read, Seek, SeekFrom, Write};
use lock_api::{Mutex, RawMutex};

use super::device::{BlockDevice, Geometry, SECTOR_MAX, WriteMode};
use crate::error::DeviceError;

/// How the bytes at `at` are best moved: those of one sector by way of a buffer, or as many whole sectors as there are. Returns
/// the sector, the byte in it, and how many bytes.
#[expect(clippy::cast_possible_truncation, reason = "below the size of a sector")]
fn split(shift: u32, at: u64, length: usize) -> (u64, usize, usize) {
    let size = 1_usize << shift;
    let offset = at as usize & (size - 1);
    let piece = if offset == 0 && length >= size { length & !(size - 1) } else { length.min(size - offset) };
    (at >> shift, offset, piece)
}

/// Fills `out` from byte `at` of a device on.
///
/// # Errors
/// As [`BlockDevice::read`].
pub fn read_bytes(device: &dyn BlockDevice, mut at: u64, mut out: &mut [u8]) -> Result<(), DeviceError> {
    let shift = device.geometry().sector_shift();
    while !out.is_empty() {
        let (sector, offset, piece) = split(shift, at, out.len());
        let (now, rest) = core::mem::take(&mut out).split_at_mut(piece);
        if piece >> shift != 0 {
            device.read(sector, now)?;
        } else {
            let mut buffer = [0; SECTOR_MAX];
            let whole = buffer.get_mut(..1 << shift).unwrap_or(&mut []);
            device.read(sector, whole)?;
            now.copy_from_slice(whole.get(offset..offset + piece).unwrap_or(&[]));
        }
        at += piece as u64;
        out = rest;
    }
    Ok(())
}

/// Stores `bytes` from byte `at` of a device on. The rest of a sector stays.
///
/// # Errors
/// As [`BlockDevice::read`] and [`BlockDevice::write`]; what came before it may be stored.
pub fn write_bytes(device: &dyn BlockDevice, mut at: u64, mut bytes: &[u8]) -> Result<(), DeviceError> {
    let shift = device.geometry().sector_shift();
    while !bytes.is_empty() {
        let (sector, offset, piece) = split(shift, at, bytes.len());
        let (now, rest) = bytes.split_at_checked(piece).unwrap_or((bytes, &[]));
        if piece >> shift != 0 {
            device.write(sector, now, WriteMode::Cached)?;
        } else {
            let mut buffer = [0; SECTOR_MAX];
            let whole = buffer.get_mut(..1 << shift).unwrap_or(&mut []);
            device.read(sector, whole)?;
            if let Some(place) = whole.get_mut(offset..offset + piece) {
                place.copy_from_slice(now);
            }
            device.write(sector, whole, WriteMode::Cached)?;
        }
        at += piece as u64;
        bytes = rest;
    }
    Ok(())
}

impl Error for DeviceError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unaligned { .. } | Self::OutOfRange { .. } => ErrorKind::InvalidInput,
            Self::ReadOnly => ErrorKind::PermissionDenied,
            _ => ErrorKind::Other,
        }
    }
}

/// The position that `to` asks for, from 0 to the end and behind; `None` before 0.
fn seek(position: u64, end: u64, to: SeekFrom) -> Option<u64> {
    match to {
        SeekFrom::Start(offset) => Some(offset),
        SeekFrom::End(delta) => end.checked_add_signed(delta),
        SeekFrom::Current(delta) => position.checked_add_signed(delta),
    }
}

/// A device as a stream of bytes, for code that knows [`embedded_io`].
#[derive(Clone, Copy, Debug)]
pub struct ByteDevice<D> {
    device: D,
    position: u64,
}

impl<D: BlockDevice> ByteDevice<D> {
    /// Begins at byte 0.
    pub const fn new(device: D) -> Self {
        Self { device, position: 0 }
    }

    /// Gives the device back.
    pub fn into_inner(self) -> D {
        self.device
    }

    /// How many of `length` bytes there are before the end.
    fn within(&self, length: usize) -> usize {
        let left = self.device.geometry().bytes().saturating_sub(self.position);
        usize::try_from(left).map_or(length, |left| left.min(length))
    }
}

impl<D> ErrorType for ByteDevice<D> {
    type Error = DeviceError;
}

impl<D: BlockDevice> Read for ByteDevice<D> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, DeviceError> {
        let length = self.within(out.len());
        read_bytes(&self.device, self.position, out.get_mut(..length).unwrap_or(&mut []))?;
        self.position += length as u64;
        Ok(length)
    }
}

impl<D: BlockDevice> Write for ByteDevice<D> {
    /// At the end there is nothing to write to: [`DeviceError::OutOfRange`].
    fn write(&mut self, bytes: &[u8]) -> Result<usize, DeviceError> {
        let length = self.within(bytes.len());
        if length == 0 && !bytes.is_empty() {
            let sectors = self.device.geometry().sectors();
            return Err(DeviceError::OutOfRange { sector: sectors, sectors });
        }
        write_bytes(&self.device, self.position, bytes.get(..length).unwrap_or(&[]))?;
        self.position += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        self.device.flush()
    }
}

impl<D: BlockDevice> Seek for ByteDevice<D> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64, DeviceError> {
        let geometry = self.device.geometry();
        let sectors = geometry.sectors();
        let position = seek(self.position, geometry.bytes(), to);
        self.position = position.ok_or(DeviceError::OutOfRange { sector: 0, sectors })?;
        Ok(self.position)
    }
}

/// A stream that can seek, as a device. Every fault of the stream is [`DeviceError::Failed`], or
/// [`DeviceError::NotFlushed`].
pub struct StreamDevice<T, R: RawMutex> {
    stream: Mutex<R, T>,
    geometry: Geometry,
}

impl<T: Read + Write + Seek, R: RawMutex> StreamDevice<T, R> {
    /// A stream of as many bytes as `geometry` has.
    pub const fn new(stream: T, geometry: Geometry) -> Self {
        Self { stream: Mutex::new(stream), geometry }
    }

    /// Gives the stream back.
    pub fn into_inner(self) -> T {
        self.stream.into_inner()
    }

    /// Does `body` with the stream at the first byte of `sector`.
    fn at(
        &self,
        sector: u64,
        body: impl FnOnce(&mut T) -> Result<(), DeviceError>,
    ) -> Result<(), DeviceError> {
        let mut stream = self.stream.lock();
        let start = SeekFrom::Start(sector << self.geometry.sector_shift());
        stream.seek(start).map_err(|_| DeviceError::Failed { sector })?;
        body(&mut stream)
    }
}

impl<T, R: RawMutex> fmt::Debug for StreamDevice<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamDevice").field("geometry", &self.geometry).finish_non_exhaustive()
    }
}

impl<T: Read + Write + Seek + Send, R: RawMutex + Send + Sync> BlockDevice for StreamDevice<T, R> {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.geometry.check(sector, out.len())?;
        self.at(sector, |stream| stream.read_exact(out).map_err(|_| DeviceError::Failed { sector }))
    }

    fn write(&self, sector: u64, bytes: &[u8], mode: WriteMode) -> Result<(), DeviceError> {
        self.geometry.check_write(sector, bytes.len())?;
        self.at(sector, |stream| {
            let written = stream.write_all(bytes);
            let flushed =
                written.and_then(|()| if mode == WriteMode::Through { stream.flush() } else { Ok(()) });
            flushed.map_err(|_| DeviceError::Failed { sector })
        })
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.stream.lock().flush().map_err(|_| DeviceError::NotFlushed)
    }

    /// A stream has no word for it.
    fn discard(&self, sector: u64, count: u64) -> Result<(), DeviceError> {
        self.geometry.check_write(sector, 0)?;
        self.geometry.check_sectors(sector, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{RamDisk, TestLock, check_block_device};
    use alloc::vec;

    #[test]
    fn a_device_is_a_stream_and_a_stream_is_a_device() {
        for sector_size in [512, 4096] {
            let disk = RamDisk::with_size(1 << 17, sector_size);
            let geometry = disk.geometry();
            check_block_device(&StreamDevice::<_, TestLock>::new(ByteDevice::new(&disk), geometry));
        }
    }

    #[test]
    fn bytes_cross_sectors_and_end_with_the_device() {
        let disk = RamDisk::with_size(4096, 512);
        let mut stream = ByteDevice::new(&disk);
        stream.seek(SeekFrom::Start(500)).unwrap();
        stream.write_all(&[7; 2000]).unwrap();
        assert_eq!(stream.seek(SeekFrom::Current(-2001)), Ok(499));
        let mut out = vec![9; 2002];
        stream.read_exact(&mut out).unwrap();
        assert_eq!((out[0], out[2001], &out[1..2001]), (0, 0, &[7; 2000][..]));
        stream.seek(SeekFrom::End(-3)).unwrap();
        assert_eq!(stream.write(&[1; 10]), Ok(3));
        assert_eq!(stream.write(&[1; 10]), Err(DeviceError::OutOfRange { sector: 8, sectors: 8 }));
        assert_eq!(stream.read(&mut out), Ok(0));
        assert!(stream.seek(SeekFrom::Current(-5000)).is_err());
    }
}
