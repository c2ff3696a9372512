//! The GUID partition table: a header and an array of entries, each with a checksum, at both ends of the device.

use alloc::vec::Vec;

use super::{PartitionEntry, PartitionError, PartitionKind, Sector, bytes_at, crc32, push, u32_at, u64_at};
use crate::block::device::{BlockDevice, Geometry};
use crate::error::DeviceError;

/// The most entries that are read. The usual table has 128.
const ENTRIES_MAX: u32 = 1024;
/// Bytes of an entry, at least.
const ENTRY_MIN: u32 = 128;
/// Bytes of a header, at least.
const HEADER_MIN: usize = 92;

/// A header whose checksum is right.
#[derive(Clone, Copy, Debug)]
struct Header {
    entries_at: u64,
    entries: u32,
    entry_size: u32,
    entries_crc: u32,
    first_usable: u64,
    last_usable: u64,
}

/// Why one copy is no good.
enum Bad {
    Damaged(&'static str),
    Other(PartitionError),
}

impl From<DeviceError> for Bad {
    fn from(error: DeviceError) -> Self {
        Self::Other(PartitionError::Device(error))
    }
}

impl From<PartitionError> for Bad {
    fn from(error: PartitionError) -> Self {
        Self::Other(error)
    }
}

/// The partitions of the first copy that is whole. A copy that cannot be read is as good as damaged, unless both are so.
pub(super) fn scan<D: BlockDevice + ?Sized>(
    device: &D,
    sector: &mut Sector,
) -> Result<Vec<PartitionEntry>, PartitionError> {
    let first = match scan_copy(device, 1, sector) {
        Ok(found) => return Ok(found),
        Err(bad) => bad,
    };
    match (scan_copy(device, device.geometry().sectors().saturating_sub(1), sector), first) {
        (Ok(found), _) => Ok(found),
        (Err(_), Bad::Other(error)) => Err(error),
        (Err(_), Bad::Damaged(what)) => Err(PartitionError::DamagedGpt { what }),
    }
}

fn scan_copy<D: BlockDevice + ?Sized>(
    device: &D,
    at: u64,
    sector: &mut Sector,
) -> Result<Vec<PartitionEntry>, Bad> {
    let header = parse_header(device.geometry(), at, sector.read(device, at)?).map_err(Bad::Damaged)?;
    let mut found = Vec::new();
    let mut crc = 0;
    let size = device.geometry().sector_size();
    let mut left = header.entries.saturating_mul(header.entry_size) as usize;
    let per_sector = (size / header.entry_size as usize).max(1);
    for index in 0.. {
        let bytes = sector.read(device, header.entries_at.saturating_add(index))?;
        let bytes = bytes.get(..left.min(size)).unwrap_or(bytes);
        crc = crc32(crc, bytes);
        for (number, entry) in (index * per_sector as u64..).zip(bytes.chunks(header.entry_size as usize)) {
            push(&mut found, device.geometry(), parse_entry(&header, number, entry))?;
        }
        left = left.saturating_sub(size);
        if left == 0 {
            break;
        }
    }
    if crc != header.entries_crc {
        return Err(Bad::Damaged("the checksum of its entries"));
    }
    Ok(found)
}

/// Checks everything but the entries' checksum.
fn parse_header(geometry: Geometry, at: u64, bytes: &[u8]) -> Result<Header, &'static str> {
    let size = u32_at(bytes, 12) as usize;
    if !bytes.starts_with(b"EFI PART") {
        return Err("its magic");
    }
    let Some(header) = bytes.get(..size).filter(|header| header.len() >= HEADER_MIN) else {
        return Err("its header's size");
    };
    if header_crc(header) != u32_at(bytes, 16) {
        return Err("the checksum of its header");
    }
    let parsed = Header {
        entries_at: u64_at(bytes, 72),
        entries: u32_at(bytes, 80),
        entry_size: u32_at(bytes, 84),
        entries_crc: u32_at(bytes, 88),
        first_usable: u64_at(bytes, 40),
        last_usable: u64_at(bytes, 48),
    };
    let fits = parsed.entry_size.is_power_of_two()
        && parsed.entry_size >= ENTRY_MIN
        && parsed.entry_size as usize <= geometry.sector_size()
        && (1..=ENTRIES_MAX).contains(&parsed.entries);
    match fits {
        _ if u64_at(bytes, 24) != at => Err("a header of another place"),
        true => Ok(parsed),
        false => Err("its entries' size or number"),
    }
}

/// The checksum of a header, its own field taken as zero.
fn header_crc(header: &[u8]) -> u32 {
    let (head, rest) = header.split_at_checked(16).unwrap_or((header, &[]));
    let tail = rest.get(4..).unwrap_or(&[]);
    crc32(crc32(crc32(0, head), &[0; 4]), tail)
}

/// One entry; of no sectors if it is unused or not within the usable ones.
fn parse_entry(header: &Header, index: u64, bytes: &[u8]) -> PartitionEntry {
    let kind: [u8; 16] = bytes_at(bytes, 0);
    let (first, last) = (u64_at(bytes, 32), u64_at(bytes, 40));
    let used = kind != [0; 16] && first >= header.first_usable && last <= header.last_usable && first <= last;
    PartitionEntry {
        number: u32::try_from(index).map_or(u32::MAX, |index| index.saturating_add(1)),
        first,
        sectors: if used { (last - first).saturating_add(1) } else { 0 },
        kind: PartitionKind::Gpt(kind),
        guid: bytes_at(bytes, 16),
    }
}
