//! [`Archive`]: the entries of cpio archives, borrowed from their bytes.
//!
//! Every entry starts with 110 bytes of text: a magic of six digits and 13 hexadecimal numbers of eight. Then come its name
//! with a NUL and its bytes, each filled up to a multiple of four from the start of the entry.

use super::error::{ArchiveError, ArchiveFault};
use crate::attr::{DeviceNumber, FileType, Mode, Timestamp};
use crate::name::{Name, NameError, PATH_MAX};

const HEADER: usize = 110;
const MAGIC: &[u8] = b"070701";
const MAGIC_SUMS: &[u8] = b"070702";
const TRAILER: &[u8] = b"TRAILER!!!";
const TYPE_BITS: u16 = 0o170_000;

/// What says that two entries are one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileKey {
    /// Which of the archives: links do not reach from one to the next.
    pub archive: u32,
    /// The device of the inode number.
    pub device: (u32, u32),
    /// Inode number.
    pub inode: u32,
    /// `S_IFMT` of the mode.
    pub kind: u16,
}

/// One file of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// At which byte of the archive it starts.
    pub offset: u64,
    /// Its name: relative, without `..` and NUL; components like `.` and none are possible.
    pub name: &'a [u8],
    /// What kind of file.
    pub kind: FileType,
    /// Its permission bits.
    pub mode: Mode,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// How many names the file had. With more than one, other entries may be the same file.
    pub links: u32,
    /// Which file it is.
    pub key: FileKey,
    /// Last change of its bytes.
    pub modified: Timestamp,
    /// Which device, if it is one.
    pub device: DeviceNumber,
    /// Its bytes; where a symlink points. Of a file with several names, only one entry has them.
    pub data: &'a [u8],
}

impl<'a> Entry<'a> {
    /// The components of its name; none, if it is the top directory itself.
    pub fn components(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        components(self.name).map(|(_, component)| component)
    }

    /// Its last component, and the path before it. `None` of the top directory.
    pub(super) fn split(&self) -> Option<(&'a [u8], &'a [u8])> {
        let (at, last) = components(self.name).last()?;
        Some((self.name.get(..at)?, last))
    }

    /// Whether another entry may be the same file.
    pub(super) const fn is_linked(&self) -> bool {
        self.links > 1 && !matches!(self.kind, FileType::Directory | FileType::Symlink)
    }
}

/// Components with where they start.
fn components(name: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    let all = name.split(|&byte| byte == b'/').map(move |component| {
        let start = at;
        at += component.len() + 1;
        (start, component)
    });
    all.filter(|(_, component)| !matches!(*component, b"" | b"."))
}

/// The numbers of a header, in the order of the archive.
#[derive(Clone, Copy)]
struct Header {
    inode: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    links: u32,
    modified: u32,
    size: u32,
    device: (u32, u32),
    special: (u32, u32),
    name_size: u32,
    sum: u32,
}

const fn error(offset: usize, fault: ArchiveFault) -> ArchiveError {
    ArchiveError { offset: offset as u64, fault }
}

/// Up to the next multiple of four; `None` at the end of what can be counted.
fn filled(length: usize) -> Option<usize> {
    length.checked_next_multiple_of(4)
}

/// The entries of one archive or several behind each other.
///
/// Reads each entry when it comes; after an error there are no more.
#[derive(Clone, Debug)]
pub struct Archive<'a> {
    bytes: &'a [u8],
    at: usize,
    archive: u32,
    /// Whether the trailer of this archive is still to come.
    inside: bool,
    done: bool,
}

impl<'a> Archive<'a> {
    /// The archives in `bytes`, whole. Zeroes may stand before, between and after them.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, archive: 0, inside: true, done: false }
    }

    /// As many bytes of the archive from `start` on.
    fn bytes(&self, start: usize, length: usize) -> Result<&'a [u8], ArchiveError> {
        let end = start.checked_add(length);
        let bytes = end.and_then(|end| self.bytes.get(start..end));
        let needs = start as u64 + length as u64;
        bytes.ok_or_else(|| error(self.bytes.len(), ArchiveFault::Truncated { needs }))
    }

    fn number(&self, at: usize) -> Result<u32, ArchiveError> {
        let mut number = 0;
        for (at, &found) in (at..).zip(self.bytes(at, 8)?) {
            let digit = char::from(found).to_digit(16);
            number = number << 4 | digit.ok_or_else(|| error(at, ArchiveFault::Digit { found }))?;
        }
        Ok(number)
    }

    fn header(&self, at: usize) -> Result<Header, ArchiveError> {
        let field = |index: usize| self.number(at + MAGIC.len() + index * 8);
        Ok(Header {
            inode: field(0)?,
            mode: field(1)?,
            uid: field(2)?,
            gid: field(3)?,
            links: field(4)?,
            modified: field(5)?,
            size: field(6)?,
            device: (field(7)?, field(8)?),
            special: (field(9)?, field(10)?),
            name_size: field(11)?,
            sum: field(12)?,
        })
    }

    /// The name of the entry at `at`, without its NUL.
    fn name(&self, at: usize, header: &Header) -> Result<&'a [u8], ArchiveError> {
        let found = header.name_size;
        let length = usize::try_from(found).ok().filter(|length| (1..=PATH_MAX).contains(length));
        let length = length.ok_or_else(|| error(at + 94, ArchiveFault::NameSize { found }))?;
        let start = at + HEADER;
        let bytes = self.bytes(start, length)?;
        match bytes.split_last() {
            Some((0, name)) if !name.contains(&0) => Ok(name),
            _ => Err(error(start, ArchiveFault::NotTerminated)),
        }
    }

    /// The entry at `at`, and where the next one is; `None` for a trailer.
    fn entry(&self, at: usize) -> Result<(Option<Entry<'a>>, usize), ArchiveError> {
        let magic = self.bytes(at, HEADER)?.get(..MAGIC.len()).unwrap_or_default();
        if magic != MAGIC && magic != MAGIC_SUMS {
            let mut found = [0; 6];
            found.iter_mut().zip(magic).for_each(|(to, from)| *to = *from);
            return Err(error(at, ArchiveFault::Magic { found }));
        }
        let header = self.header(at)?;
        let name = self.name(at, &header)?;
        // A name is no longer than a path, so this does not overflow.
        let start = at + filled(HEADER + name.len() + 1).unwrap_or(HEADER);
        let data = match usize::try_from(header.size) {
            Ok(0) | Err(_) => &[],
            Ok(size) => self.bytes(start, size)?,
        };
        // What fills up the last one may be missing.
        let next = filled(start - at + data.len()).map_or(usize::MAX, |length| at.saturating_add(length));
        let next = next.min(self.bytes.len());
        if name == TRAILER {
            return Ok((None, next));
        }
        check_name(at + HEADER, name)?;
        let found = header.mode;
        let word = u16::try_from(found).ok();
        let kind = word.and_then(FileType::from_bits);
        let (Some(word), Some(kind)) = (word, kind) else {
            return Err(error(at + 14, ArchiveFault::Mode { found }));
        };
        if kind == FileType::Regular && magic == MAGIC_SUMS && !data.is_empty() {
            check_sum(at, &header, data)?;
        }
        if kind == FileType::Symlink && (data.is_empty() || data.len() >= PATH_MAX || data.contains(&0)) {
            return Err(error(start, ArchiveFault::Target));
        }
        let Header { inode, device, uid, gid, links, modified, special, .. } = header;
        let key = FileKey { archive: self.archive, device, inode, kind: word & TYPE_BITS };
        let entry = Entry {
            offset: at as u64,
            name,
            kind,
            mode: Mode::of(word),
            uid,
            gid,
            links,
            key,
            modified: Timestamp::new(i64::from(modified), 0).unwrap_or(Timestamp::EPOCH),
            device: DeviceNumber { major: special.0, minor: special.1 },
            data,
        };
        Ok((Some(entry), next))
    }

    fn try_next(&mut self) -> Result<Option<Entry<'a>>, ArchiveError> {
        loop {
            if !self.inside || self.at == 0 {
                let rest = self.bytes.get(self.at..).unwrap_or_default();
                let zeroes = rest.iter().take_while(|&&byte| byte == 0).count();
                self.at += zeroes;
            }
            if self.at >= self.bytes.len() {
                return if self.inside { Err(error(self.at, ArchiveFault::NoTrailer)) } else { Ok(None) };
            }
            self.inside = true;
            let (entry, next) = self.entry(self.at)?;
            self.at = next;
            if entry.is_some() {
                return Ok(entry);
            }
            self.inside = false;
            self.archive += 1;
        }
    }
}

/// The entry that starts at `offset`, which [`Archive`] has found there.
pub(super) fn entry_at(bytes: &[u8], offset: usize) -> Option<Entry<'_>> {
    Archive::new(bytes).entry(offset).ok()?.0
}

impl<'a> Iterator for Archive<'a> {
    type Item = Result<Entry<'a>, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.try_next().transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Whether a name stays where it is unpacked.
fn check_name(at: usize, name: &[u8]) -> Result<(), ArchiveError> {
    if name.is_empty() {
        return Err(error(at, ArchiveFault::Name(NameError::Empty)));
    }
    if name.first() == Some(&b'/') {
        return Err(error(at, ArchiveFault::Absolute));
    }
    for (start, component) in components(name) {
        match Name::new(component) {
            Ok(_) => {}
            Err(NameError::Dots) => return Err(error(at + start, ArchiveFault::DotDot)),
            Err(fault) => return Err(error(at + start, ArchiveFault::Name(fault))),
        }
    }
    Ok(())
}

fn check_sum(at: usize, header: &Header, data: &[u8]) -> Result<(), ArchiveError> {
    let found = data.iter().fold(0_u32, |sum, &byte| sum.wrapping_add(u32::from(byte)));
    let stored = header.sum;
    if stored == found { Ok(()) } else { Err(error(at + 102, ArchiveFault::Sum { stored, found })) }
}
