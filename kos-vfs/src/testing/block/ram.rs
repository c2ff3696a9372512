//! A disk in memory: [`RamDisk`].

use alloc::boxed::Box;
use alloc::vec;
use core::fmt;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::block::{BlockDevice, DeviceFeatures, Geometry, WriteMode};
use crate::error::DeviceError;

/// Bytes of a piece that is in memory or not.
const CHUNK: usize = 64 * 1024;

/// A disk in memory. It takes as much of it as was written and is not zero, so that it may be of 16 TiB; the rest reads as zeroes. What is
/// written is durable at once.
pub struct RamDisk {
    geometry: Geometry,
    chunks: RwLock<HashMap<u64, Box<[u8]>>>,
}

impl RamDisk {
    /// A disk of zeroes.
    #[must_use]
    pub fn new(geometry: Geometry) -> Self {
        Self { geometry, chunks: RwLock::default() }
    }

    /// A disk of zeroes with `bytes` bytes in sectors of `sector_size`, able to do everything.
    ///
    /// # Panics
    /// If there is no such [`Geometry`].
    #[must_use]
    #[expect(clippy::panic, reason = "a test helper; the numbers stand in the test")]
    pub fn with_size(bytes: u64, sector_size: u32) -> Self {
        let features = DeviceFeatures::FLUSH | DeviceFeatures::FUA | DeviceFeatures::DISCARD;
        match Geometry::new(sector_size, bytes / u64::from(sector_size), features) {
            Ok(geometry) => Self::new(geometry),
            Err(error) => panic!("{bytes} bytes: {error}"),
        }
    }

    /// A disk with the bytes of `image`, a whole number of sectors.
    ///
    /// # Panics
    /// If there is no such [`Geometry`].
    #[must_use]
    pub fn from_image(image: &[u8], sector_size: u32) -> Self {
        let disk = Self::with_size(image.len() as u64, sector_size);
        disk.store(0, &image[..image.len() & !(sector_size as usize - 1)]);
        disk
    }

    /// Everything on it. For disks that fit in memory.
    #[must_use]
    pub fn to_image(&self) -> vec::Vec<u8> {
        let bytes = usize::try_from(self.geometry.bytes()).unwrap_or(usize::MAX);
        let mut image = vec![0; bytes];
        self.load(0, &mut image);
        image
    }

    /// Bytes of memory that it takes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.chunks.read().unwrap_or_else(PoisonError::into_inner).len() as u64 * CHUNK as u64
    }

    fn load(&self, mut at: u64, out: &mut [u8]) {
        let chunks = self.chunks.read().unwrap_or_else(PoisonError::into_inner);
        let mut out = out;
        while !out.is_empty() {
            let (offset, length) = piece(at, out.len());
            let (head, rest) = out.split_at_mut(length);
            match chunks.get(&(at / CHUNK as u64)) {
                Some(chunk) => head.copy_from_slice(&chunk[offset..offset + length]),
                None => head.fill(0),
            }
            at += length as u64;
            out = rest;
        }
    }

    fn store(&self, mut at: u64, bytes: &[u8]) {
        let mut chunks = self.chunks.write().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = bytes;
        while !bytes.is_empty() {
            let (offset, length) = piece(at, bytes.len());
            let (head, rest) = bytes.split_at(length);
            if !chunks.contains_key(&(at / CHUNK as u64)) && head.iter().all(|byte| *byte == 0) {
                at += length as u64;
                bytes = rest;
                continue;
            }
            let chunk = chunks.entry(at / CHUNK as u64).or_insert_with(|| vec![0; CHUNK].into());
            chunk[offset..offset + length].copy_from_slice(head);
            at += length as u64;
            bytes = rest;
        }
    }
}

/// Where in its chunk byte `at` lies, and how many of `length` bytes do.
#[expect(clippy::cast_possible_truncation, reason = "below the size of a chunk")]
fn piece(at: u64, length: usize) -> (usize, usize) {
    let offset = at as usize % CHUNK;
    (offset, length.min(CHUNK - offset))
}

impl Clone for RamDisk {
    fn clone(&self) -> Self {
        let chunks = self.chunks.read().unwrap_or_else(PoisonError::into_inner).clone();
        Self { geometry: self.geometry, chunks: RwLock::new(chunks) }
    }
}

impl fmt::Debug for RamDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RamDisk").field("geometry", &self.geometry).finish_non_exhaustive()
    }
}

impl BlockDevice for RamDisk {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.geometry.check(sector, out.len())?;
        self.load(sector << self.geometry.sector_shift(), out);
        Ok(())
    }

    fn write(&self, sector: u64, bytes: &[u8], _: WriteMode) -> Result<(), DeviceError> {
        self.geometry.check_write(sector, bytes.len())?;
        self.store(sector << self.geometry.sector_shift(), bytes);
        Ok(())
    }

    fn flush(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    /// Gives back the memory of whole pieces; the rest stays.
    fn discard(&self, sector: u64, count: u64) -> Result<(), DeviceError> {
        self.geometry.check_write(sector, 0)?;
        self.geometry.check_sectors(sector, count)?;
        let first = (sector << self.geometry.sector_shift()).div_ceil(CHUNK as u64);
        let end = ((sector + count) << self.geometry.sector_shift()) / CHUNK as u64;
        let mut chunks = self.chunks.write().unwrap_or_else(PoisonError::into_inner);
        chunks.retain(|index, _| !(first..end).contains(index));
        Ok(())
    }
}
