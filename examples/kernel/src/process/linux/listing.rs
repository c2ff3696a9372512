//! Directories: `getdents64`.
//!
//! Source: Linux, getdents(2): each entry is its number, the place behind it, its length, its kind, its name with a zero byte, and
//! bytes up to a multiple of 8.

use kos_paging::VirtAddr;
use kos_vfs::{Entry, Errno, SeekFrom};

use super::files::file;
use super::names::zeros;
use super::{Answer, Running};
use crate::platform::Platform;

/// Bytes that are gathered at a time.
const ROOM: usize = 4096;
/// Bytes before the name.
const FIXED: usize = 19;

pub(super) fn list<P: Platform>(running: &mut Running<P>, [word, to, length, ..]: [u64; 6]) -> Answer {
    let file = file(running, word, Errno::ENOTDIR)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX).min(ROOM);
    let mut gathered = zeros(length)?;
    let before = file.seek(SeekFrom::Current(0)).map_err(|error| error.errno())?;
    let (mut used, mut full) = (0, false);
    let listed = file.list(|entry| {
        let room = gathered.get_mut(used..).unwrap_or_default();
        let bytes = put(entry, room);
        full |= bytes.is_none();
        used += bytes.unwrap_or(0);
        !full
    });
    listed.map_err(|error| error.errno())?;
    if used == 0 && full {
        return Err(Errno::EINVAL);
    }
    let gathered = gathered.get(..used).unwrap_or_default();
    if running.thread.space.copy_out(VirtAddr::new(to), gathered).is_err() {
        // Names that nobody saw come again.
        file.seek(SeekFrom::Start(before)).map_err(|error| error.errno())?;
        return Err(Errno::EFAULT);
    }
    Ok(used as u64)
}

/// Puts an entry to the start of `room`: its bytes, or [`None`] if it does not fit.
fn put(entry: &Entry<'_>, room: &mut [u8]) -> Option<usize> {
    let length = (FIXED + entry.name.len() + 1).next_multiple_of(8);
    let room = room.get_mut(..length)?;
    room.fill(0);
    let (number, rest) = room.split_first_chunk_mut()?;
    *number = entry.number.to_le_bytes();
    let (next, rest) = rest.split_first_chunk_mut()?;
    *next = entry.next.0.to_le_bytes();
    let (bytes, rest) = rest.split_first_chunk_mut()?;
    *bytes = u16::try_from(length).ok()?.to_le_bytes();
    let (kind, rest) = rest.split_first_mut()?;
    // `DT_…` are the upper bits of a mode.
    *kind = u8::try_from(entry.kind.bits() >> 12).ok()?;
    rest.iter_mut().zip(entry.name).for_each(|(to, from)| *to = *from);
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kos_vfs::FileType;

    #[test]
    fn an_entry_has_its_fields_where_programs_look() {
        let mut room = [0xff; 40];
        let entry =
            Entry { name: b"name5", number: 7, kind: FileType::Directory, next: kos_vfs::fs::Cookie(9) };
        assert_eq!(put(&entry, &mut room), Some(32));
        assert_eq!(room[..8], 7_u64.to_le_bytes());
        assert_eq!(room[8..16], 9_u64.to_le_bytes());
        assert_eq!(room[16..19], [32, 0, 4]);
        assert_eq!(&room[19..25], b"name5\0");
        assert_eq!(room[25..32], [0; 7]);
        assert_eq!(room[32..], [0xff; 8], "nothing behind it is touched");
        assert_eq!(put(&entry, &mut room[..31]), None);
    }
}
