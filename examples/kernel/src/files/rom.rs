//! A directory of files that lie in memory as the machine brings them along: read where they are, copied by nobody, never changed.
//!
//! For programs that are too large to be copied at each boot whether somebody runs them or not. The directory is file 1, the others
//! follow in their order.

use core::fmt;

use kos_vfs::fs::{
    Cookie, DirEntry, DirOps, DirSink, FileOps, FileSystem, FsFeatures, FsInfo, NewNode, Rename, StatFs,
    SyncMode,
};
use kos_vfs::{Attr, DeviceNumber, FileType, FsError, Ino, Mode, Name, SetAttr, Timestamp};

/// Bytes of a block.
const BLOCK: u64 = 4096;

/// A name, and what the file has.
pub(super) type RomFile = (&'static str, &'static [u8]);

/// The file system.
pub(super) struct Rom {
    files: &'static [RomFile],
    now: Timestamp,
}

impl fmt::Debug for Rom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.files.iter().map(|file| file.0)).finish()
    }
}

impl Rom {
    /// These files, as of now.
    pub(super) const fn new(files: &'static [RomFile], now: Timestamp) -> Self {
        Self { files, now }
    }

    fn bytes(&self, file: Ino) -> Result<&'static [u8], FsError> {
        let place = usize::try_from(file.number).ok().and_then(|number| number.checked_sub(2));
        place.and_then(|place| self.files.get(place)).map(|file| file.1).ok_or(FsError::IsDirectory)
    }

    fn described(&self, file: Ino) -> Attr {
        let bytes = self.bytes(file).ok();
        let size = bytes.map_or(0, |bytes| bytes.len() as u64);
        let kind = if bytes.is_some() { FileType::Regular } else { FileType::Directory };
        Attr {
            ino: file,
            kind,
            mode: Mode::of(0o555),
            links: if bytes.is_some() { 1 } else { 2 },
            uid: 0,
            gid: 0,
            device: DeviceNumber::default(),
            size,
            blocks: size.div_ceil(512),
            accessed: self.now,
            modified: self.now,
            changed: self.now,
            born: self.now,
        }
    }
}

const fn numbered(number: u64) -> Ino {
    Ino { number, generation: 0 }
}

impl FileSystem for Rom {
    fn info(&self) -> FsInfo {
        FsInfo {
            kind: "rom",
            block_size: 4096,
            max_size: i64::MAX.cast_unsigned(),
            max_links: 1,
            max_name: 255,
            time_step: 1,
            access_step: 1,
            features: FsFeatures::RESIDENT | FsFeatures::READ_ONLY,
        }
    }

    fn root(&self) -> Ino {
        numbered(1)
    }

    fn load(&self, file: Ino) -> Result<Attr, FsError> {
        Ok(self.described(file))
    }

    fn attr(&self, file: Ino) -> Result<Attr, FsError> {
        Ok(self.described(file))
    }

    fn set_attr(&self, _: Ino, _: &SetAttr) -> Result<Attr, FsError> {
        Err(FsError::ReadOnly)
    }

    fn forget(&self, _: Ino, _: u32) {}

    fn dirs(&self) -> &dyn DirOps {
        self
    }

    fn files(&self) -> &dyn FileOps {
        self
    }

    fn statfs(&self) -> Result<StatFs, FsError> {
        let blocks = self.files.iter().map(|file| (file.1.len() as u64).div_ceil(BLOCK)).sum();
        Ok(StatFs { blocks, files: self.files.len() as u64, ..StatFs::default() })
    }

    fn sync(&self, _: SyncMode) -> Result<(), FsError> {
        Ok(())
    }
}

impl DirOps for Rom {
    fn lookup(&self, _: Ino, name: Name<'_>) -> Result<Attr, FsError> {
        let found = (2..).zip(self.files).find(|(_, file)| file.0.as_bytes() == name.as_bytes());
        found.map(|(number, _)| self.described(numbered(number))).ok_or(FsError::NotFound)
    }

    fn create(&self, _: Ino, _: Name<'_>, _: &NewNode<'_>) -> Result<Attr, FsError> {
        Err(FsError::ReadOnly)
    }

    fn link(&self, _: Ino, _: Name<'_>, _: Ino, _: Timestamp) -> Result<Attr, FsError> {
        Err(FsError::ReadOnly)
    }

    fn unlink(&self, _: Ino, _: Name<'_>, _: Ino, _: Timestamp) -> Result<(), FsError> {
        Err(FsError::ReadOnly)
    }

    fn rmdir(&self, _: Ino, _: Name<'_>, _: Ino, _: Timestamp) -> Result<(), FsError> {
        Err(FsError::ReadOnly)
    }

    fn rename(&self, _: &Rename<'_>) -> Result<(), FsError> {
        Err(FsError::ReadOnly)
    }

    fn readlink(&self, _: Ino, _: &mut [u8; 4096]) -> Result<usize, FsError> {
        Err(FsError::Unsupported)
    }

    fn readdir(&self, _: Ino, from: Cookie, sink: &mut dyn DirSink) -> Result<(), FsError> {
        for (number, (name, _)) in (2..).zip(self.files) {
            let next = Cookie(Cookie::FIRST.0 + number - 1);
            let Ok(name) = Name::new(name.as_bytes()) else { continue };
            let entry = DirEntry { name, ino: numbered(number), kind: FileType::Regular, next };
            if next.0 > from.0 && !sink.entry(entry) {
                break;
            }
        }
        Ok(())
    }
}

impl FileOps for Rom {
    fn read_at(&self, file: Ino, offset: u64, out: &mut [u8]) -> Result<usize, FsError> {
        let bytes = self.bytes(file)?;
        let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
        out.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        Ok(rest.len().min(out.len()))
    }

    fn write_at(&self, _: Ino, _: u64, _: &[u8], _: Timestamp) -> Result<usize, FsError> {
        Err(FsError::ReadOnly)
    }

    fn truncate(&self, _: Ino, _: u64, _: Timestamp) -> Result<Attr, FsError> {
        Err(FsError::ReadOnly)
    }

    fn fsync(&self, _: Ino, _: SyncMode) -> Result<(), FsError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    const FILES: &[RomFile] = &[("one", b"first"), ("two", b"")];

    #[test]
    fn files_are_found_listed_and_read() {
        let rom = Rom::new(FILES, Timestamp::EPOCH);
        let one = rom.lookup(rom.root(), Name::new(b"one").unwrap()).unwrap();
        assert_eq!((one.size, one.kind, one.mode), (5, FileType::Regular, Mode::of(0o555)));
        let mut out = [0; 8];
        assert_eq!(rom.read_at(one.ino, 2, &mut out), Ok(3));
        assert_eq!(out[..3], *b"rst");
        assert_eq!(rom.read_at(one.ino, 9, &mut out), Ok(0));
        assert_eq!(rom.read_at(one.ino, u64::MAX, &mut out), Ok(0));
        assert_eq!(rom.read_at(rom.root(), 0, &mut out), Err(FsError::IsDirectory));
        assert!(matches!(rom.lookup(rom.root(), Name::new(b"three").unwrap()), Err(FsError::NotFound)));
        let (mut from, mut names) = (Cookie(0), vec![]);
        // One at a time.
        loop {
            let (before, start) = (names.len(), from);
            let mut each = |entry: DirEntry<'_>| {
                let first = names.len() == before;
                if first {
                    from = entry.next;
                    names.push((entry.name.as_bytes().to_vec(), entry.ino));
                }
                first
            };
            rom.readdir(rom.root(), start, &mut each).unwrap();
            if names.len() == before {
                break;
            }
        }
        assert_eq!(names, [(b"one".to_vec(), numbered(2)), (b"two".to_vec(), numbered(3))]);
    }

    #[test]
    fn nothing_is_changed() {
        let (rom, name, now) =
            (Rom::new(FILES, Timestamp::EPOCH), Name::new(b"one").unwrap(), Timestamp::EPOCH);
        assert_eq!(rom.unlink(rom.root(), name, numbered(2), now), Err(FsError::ReadOnly));
        assert_eq!(rom.write_at(numbered(2), 0, b"x", now), Err(FsError::ReadOnly));
        assert!(matches!(rom.truncate(numbered(2), 0, now), Err(FsError::ReadOnly)));
        assert_eq!(rom.statfs().unwrap().blocks, 1);
    }
}
