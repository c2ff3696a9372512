//! [`unpack()`]: the entries of an archive, made files by the calls of a process.
//!
//! The archive is read three times: first to know that it is whole, so that a bad one changes nothing; then to make the files;
//! at last for the times of directories, which their files have changed. What is remembered meanwhile is one word-sized row for
//! each name of a file with several, sorted, so that a file is linked to the first of its names.

use alloc::vec::Vec;

use super::archive::{Archive, Entry, FileKey, entry_at};
use super::error::{UnpackError, UnpackFault};
use crate::attr::{FileType, Mode};
use crate::call::{At, AtFlags, Call, DirError, SetTime};
use crate::errno::Errno;
use crate::error::FsError;
use crate::file::{FileError, How, OpenFlags};
use crate::fs::FsFeatures;
use crate::ports::Env;
use crate::tree::place::Place;
use crate::walk::{ResolveError, ResolveFlags};

/// What came out of an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Entries.
    pub entries: u64,
    /// Bytes of files.
    pub bytes: u64,
}

/// Unpacks `archive` into the directory at `path`. Owners, modes, times, devices and hard links are as in the archive, so the
/// caller is usually root; what the file system cannot store of owners and modes is left out. A name that is there already
/// is replaced, unless both are directories. Symlinks are followed as if the directory were the root, so nothing comes
/// out of it.
///
/// # Errors
/// What is wrong with the archive, before anything is changed; or what the file system says: then the entries before that one
/// are there, and a second call with more room does the rest.
pub fn unpack<E: Env>(
    archive: &[u8],
    call: &Call<'_, '_, E>,
    at: At<'_, '_, E>,
    path: &[u8],
) -> Result<Unpacked, UnpackError> {
    let leaders = Leaders::of(archive)?;
    let at_start = |error: ResolveError| UnpackError { offset: 0, fault: error.into() };
    let top = call.resolve(at, path, AtFlags::empty()).map_err(at_start)?;
    let unpacker = Unpacker { archive, call, top, leaders };
    let mut done = Unpacked::default();
    for entry in Archive::new(archive) {
        let entry = entry?;
        done.bytes += unpacker.put(&entry).map_err(|fault| UnpackError { offset: entry.offset, fault })?;
        done.entries += 1;
    }
    for entry in Archive::new(archive) {
        let entry = entry?;
        if entry.kind == FileType::Directory {
            unpacker.stamp(&entry).map_err(|fault| UnpackError { offset: entry.offset, fault })?;
        }
    }
    Ok(done)
}

/// Where the first name of each file with several names is. Sorted.
struct Leaders(Vec<(FileKey, usize)>);

impl Leaders {
    /// Reads all of the archive.
    fn of(archive: &[u8]) -> Result<Self, UnpackError> {
        let mut count = 0;
        for entry in Archive::new(archive) {
            count += usize::from(entry?.is_linked());
        }
        let mut rows = Vec::new();
        let no_memory = |_| UnpackError { offset: 0, fault: UnpackFault::NoMemory };
        rows.try_reserve_exact(count).map_err(no_memory)?;
        for entry in Archive::new(archive) {
            let entry = entry?;
            if let Some(offset) = usize::try_from(entry.offset).ok().filter(|_| entry.is_linked()) {
                rows.push((entry.key, offset));
            }
        }
        rows.sort_unstable();
        Ok(Self(rows))
    }

    /// The first entry of the file of which `entry` is another name.
    fn of_file<'a>(&self, archive: &'a [u8], entry: &Entry<'a>) -> Option<Entry<'a>> {
        if !entry.is_linked() {
            return None;
        }
        let first = self.0.partition_point(|(key, _)| *key < entry.key);
        let &(key, offset) = self.0.get(first)?;
        let leader = entry_at(archive, offset).filter(|_| key == entry.key)?;
        let other = leader.offset != entry.offset && !leader.components().eq(entry.components());
        other.then_some(leader)
    }
}

struct Unpacker<'a, 'c, 'v, E: Env> {
    archive: &'a [u8],
    call: &'c Call<'c, 'v, E>,
    top: Place<'v, E>,
    leaders: Leaders,
}

impl<'a, 'v, E: Env> Unpacker<'a, '_, 'v, E> {
    /// Makes one entry a file; how many bytes it has.
    fn put(&self, entry: &Entry<'a>) -> Result<u64, UnpackFault> {
        let Some((parent, name)) = entry.split() else {
            return match entry.kind {
                FileType::Directory => self.describe(&self.top, entry).map(|()| 0),
                found => Err(UnpackFault::TopIsDirectory { found }),
            };
        };
        let dir = self.inside(parent, true)?;
        let linked = self.link(entry, &dir, name)?;
        match entry.kind {
            FileType::Regular if !linked || !entry.data.is_empty() => {
                return self.fill(entry, &dir, name, linked);
            }
            _ if linked => {}
            FileType::Directory => self.make_dir(&dir, name)?,
            FileType::Symlink => {
                self.instead(&dir, name, || self.call.symlink(entry.data, At::Place(&dir), name))?;
            }
            kind => self.instead(&dir, name, || {
                self.call.mknod(At::Place(&dir), name, kind, Mode::USER_READ, entry.device)
            })?,
        }
        let place = self.call.resolve(At::Place(&dir), name, AtFlags::NO_FOLLOW)?;
        self.describe(&place, entry).map(|()| 0)
    }

    /// What a path in the archive names.
    fn inside(&self, path: &[u8], follow: bool) -> Result<Place<'v, E>, ResolveError> {
        let path = if path.is_empty() { b"." } else { path };
        self.call.resolve_within(At::Place(&self.top), path, follow, ResolveFlags::IN_ROOT)
    }

    /// Gives a file that has come already one more name, if the entry is one of it.
    fn link(&self, entry: &Entry<'a>, dir: &Place<'v, E>, name: &[u8]) -> Result<bool, UnpackFault> {
        let Some(leader) = self.leaders.of_file(self.archive, entry) else { return Ok(false) };
        let file = self.inside(leader.name, false)?;
        self.instead(dir, name, || self.call.link_place(&file, At::Place(dir), name))?;
        Ok(true)
    }

    /// Makes a name; if it is there, in place of what has it.
    fn instead(
        &self,
        dir: &Place<'v, E>,
        name: &[u8],
        make: impl Fn() -> Result<(), DirError>,
    ) -> Result<(), DirError> {
        match make() {
            Err(error) if error.errno() == Errno::EEXIST => {
                self.remove(dir, name)?;
                make()
            }
            made => made,
        }
    }

    fn remove(&self, dir: &Place<'v, E>, name: &[u8]) -> Result<(), DirError> {
        match self.call.unlink(At::Place(dir), name) {
            Err(error) if error.errno() == Errno::EISDIR => self.call.rmdir(At::Place(dir), name),
            removed => removed,
        }
    }

    fn make_dir(&self, dir: &Place<'v, E>, name: &[u8]) -> Result<(), UnpackFault> {
        let make = || self.call.mkdir(At::Place(dir), name, Mode::USER_READ | Mode::USER_EXEC);
        match make() {
            Err(error) if error.errno() == Errno::EEXIST => {
                let place = self.call.resolve(At::Place(dir), name, AtFlags::NO_FOLLOW)?;
                if self.call.stat(&place)?.attr.kind != FileType::Directory {
                    self.remove(dir, name)?;
                    make()?;
                }
                Ok(())
            }
            made => Ok(made?),
        }
    }

    /// Makes a regular file with its bytes, or gives one that was linked its bytes.
    fn fill(
        &self,
        entry: &Entry<'a>,
        dir: &Place<'v, E>,
        name: &[u8],
        linked: bool,
    ) -> Result<u64, UnpackFault> {
        let flags = OpenFlags::WRITE_ONLY | OpenFlags::NO_FOLLOW;
        let again = How::flags(flags | OpenFlags::TRUNCATE);
        let create = How::create(flags | OpenFlags::EXCLUSIVE, Mode::USER_READ | Mode::USER_WRITE);
        let open = |how| self.call.open(At::Place(dir), name, how);
        let file = match open(if linked { &again } else { &create }) {
            Err(error) if error.errno() == Errno::EEXIST => {
                self.remove(dir, name)?;
                open(&create)?
            }
            opened => opened?,
        };
        let mut rest = entry.data;
        while !rest.is_empty() {
            let count = self.call.write(&file, rest)?;
            rest = rest.get(count..).unwrap_or_default();
            if count == 0 {
                return Err(FileError::Fs(FsError::NoSpace).into());
            }
        }
        self.describe(file.place(), entry)?;
        Ok(entry.data.len() as u64)
    }

    /// Sets owner, mode and times. The owner first: it takes set-user-ID away.
    fn describe(&self, place: &Place<'v, E>, entry: &Entry<'_>) -> Result<(), UnpackFault> {
        let stored = place.node().fs.info().features.contains(FsFeatures::OWNERS);
        let attr = self.call.stat(place)?.attr;
        if stored && (attr.uid, attr.gid) != (entry.uid, entry.gid) {
            self.call.chown(place, Some(entry.uid), Some(entry.gid))?;
        }
        if stored && entry.kind != FileType::Symlink {
            self.call.chmod(place, entry.mode)?;
        }
        let time = SetTime::To(entry.modified);
        Ok(self.call.set_times(place, time, time)?)
    }

    /// Sets the times of a directory, if it still is one.
    fn stamp(&self, entry: &Entry<'_>) -> Result<(), UnpackFault> {
        let path = if entry.components().next().is_none() { b"." } else { entry.name };
        let place = self.inside(path, false)?;
        if self.call.stat(&place)?.attr.kind == FileType::Directory {
            let time = SetTime::To(entry.modified);
            self.call.set_times(&place, time, time)?;
        }
        Ok(())
    }
}
