//! [`Zip`]: the entries of an archive, from its directory at the end.

use alloc::vec::Vec;

use super::error::{WheelError, shown};
use super::inflate::{InflateError, Inflater};

/// Most entries.
const ENTRIES: usize = 512;
/// Most bytes that all entries unpack to.
const UNPACKED: usize = 8 << 20;
/// Most bytes that they unpack to for each byte of the archive: PyPI takes no wheel that has more.
const RATIO: usize = 50;
/// Bytes of the record at the end, of a record of the directory, and of the head of an entry, without what is of any length.
const END: usize = 22;
const RECORD: usize = 46;
const HEAD: usize = 30;
/// Most bytes of a comment behind the record at the end.
const COMMENT: usize = 0xffff;
/// Flags: encrypted; sum and sizes follow behind the data, and are in the directory.
const ENCRYPTED: u16 = 1;
const FOLLOWS: u16 = 8;
/// Methods.
pub(super) const STORED: u16 = 0;
pub(super) const DEFLATED: u16 = 8;

/// An archive.
#[derive(Debug)]
pub(super) struct Zip<'z>(Vec<Entry<'z>>);

/// One of its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'z> {
    pub(super) name: &'z str,
    method: u16,
    sum: u32,
    size: usize,
    packed: &'z [u8],
}

/// Numbers at offsets.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn bytes(&self, at: usize, length: usize) -> Option<&'b [u8]> {
        self.0.get(at..at.checked_add(length)?)
    }

    fn half(&self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes(self.bytes(at, 2)?.try_into().ok()?))
    }

    fn word(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(at, 4)?.try_into().ok()?))
    }

    fn size(&self, at: usize) -> Option<usize> {
        usize::try_from(self.word(at)?).ok()
    }
}

impl<'z> Zip<'z> {
    /// Reads the directory of an archive.
    pub(super) fn parse(bytes: &'z [u8]) -> Result<Self, WheelError> {
        let file = Fields(bytes);
        let none = WheelError::NoZip("no end", bytes.len());
        let last = bytes.len().checked_sub(END).ok_or_else(|| none.clone())?;
        let is_end = |&at: &usize| {
            let comment = usize::from(file.half(at + 20).unwrap_or(0));
            file.bytes(at, 4) == Some(b"PK\x05\x06") && at + END + comment == bytes.len()
        };
        let end = (last.saturating_sub(COMMENT)..=last).rev().find(is_end).ok_or(none)?;
        let cut = |what, at| move || WheelError::NoZip(what, at);
        let count = usize::from(file.half(end + 10).ok_or_else(cut("a cut end", end))?);
        let mut at = file.size(end + 16).ok_or_else(cut("a cut end", end))?;
        if count > ENTRIES {
            return Err(WheelError::TooLarge);
        }
        // Before the directory there is room for all entries beside each other.
        let (mut entries, mut room, mut beside) = (Vec::new(), UNPACKED, at);
        entries.try_reserve_exact(count).map_err(|_| WheelError::NoMemory)?;
        for _ in 0..count {
            let (entry, next) = entry(&file, at, end).ok_or_else(cut("a bad entry", at))?;
            room = room.checked_sub(entry.size).ok_or(WheelError::TooLarge)?;
            let taken = HEAD + entry.name.len() + entry.packed.len();
            beside = beside.checked_sub(taken).ok_or_else(cut("entries over others", at))?;
            if entries.iter().any(|other: &Entry<'_>| other.name == entry.name) {
                return Err(WheelError::NoZip("a name twice", at));
            }
            entries.push(entry);
            at = next;
        }
        if (UNPACKED - room) / RATIO > bytes.len() {
            return Err(WheelError::Bomb);
        }
        Ok(Self(entries))
    }

    pub(super) fn entries(&self) -> &[Entry<'z>] {
        &self.0
    }
}

/// The entry whose record is at `at`, before `end`, and where the next one is.
fn entry<'z>(file: &Fields<'z>, at: usize, end: usize) -> Option<(Entry<'z>, usize)> {
    let lengths =
        [28, 30, 32].map(|field| at.checked_add(field).and_then(|at| file.half(at)).map(usize::from));
    let [name, extra, comment] = lengths;
    let next = at.checked_add(RECORD)?.checked_add(name?)?.checked_add(extra?)?.checked_add(comment?)?;
    if file.bytes(at, 4)? != b"PK\x01\x02" || next > end {
        return None;
    }
    let (bytes, head) = (file.bytes(at + RECORD, name?)?, file.size(at + 42)?);
    let packed_size = file.size(at + 20)?;
    // Where the entry lies it has a head of its own, with the same name, method, sum and sizes; the last two may follow the data.
    let own = Fields(file.bytes(0, at)?.get(head..)?);
    let (own_flags, own_name) = (own.half(6)?, usize::from(own.half(26)?));
    let data = HEAD + own_name + usize::from(own.half(28)?);
    let told = if own_flags & FOLLOWS == 0 { 12 } else { 0 };
    let same = own.bytes(HEAD, own_name)? == bytes
        && own.half(8)? == file.half(at + 10)?
        && own.bytes(14, told)? == file.bytes(at + 16, told)?;
    if own.bytes(0, 4)? != b"PK\x03\x04" || !same {
        return None;
    }
    // Encrypted: no method of this crate.
    let method =
        if (file.half(at + 8)? | own_flags) & ENCRYPTED == 0 { file.half(at + 10)? } else { u16::MAX };
    let name = core::str::from_utf8(bytes).ok()?;
    let packed = own.bytes(data, packed_size)?;
    Some((Entry { name, method, sum: file.word(at + 16)?, size: file.size(at + 24)?, packed }, next))
}

impl Entry<'_> {
    /// Its bytes, as many as the directory says, and with that sum.
    pub(super) fn unpack(&self, inflater: &mut Inflater) -> Result<Vec<u8>, WheelError> {
        let bytes = match self.method {
            STORED if self.packed.len() == self.size => copy(self.packed)?,
            STORED => return Err(WheelError::Damaged(shown(self.name))),
            DEFLATED => inflater.inflate(self.packed, self.size).map_err(|why| match why {
                InflateError::Damaged => WheelError::Damaged(shown(self.name)),
                InflateError::NoMemory => WheelError::NoMemory,
            })?,
            method => return Err(WheelError::Method(method, shown(self.name))),
        };
        if crc(&bytes) != self.sum {
            return Err(WheelError::Damaged(shown(self.name)));
        }
        Ok(bytes)
    }
}

fn copy(packed: &[u8]) -> Result<Vec<u8>, WheelError> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(packed.len()).map_err(|_| WheelError::NoMemory)?;
    bytes.extend_from_slice(packed);
    Ok(bytes)
}

/// The CRC-32 of zip.
pub(super) fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}
