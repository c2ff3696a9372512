//! Copies a directory of the host into a volume: [`into_volume`]. Names come in ascending order, so that the same directory
//! gives the same volume.

use alloc::sync::Arc;
use core::error::Error;
use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use kos_vfs::attr::DeviceNumber;
use kos_vfs::block::BlockDevice;
use kos_vfs::fs::{FsFeatures, SyncMode, XATTR_SIZE_MAX, XattrFlags};
use kos_vfs::{
    At, AtFlags, Call, Config, Ctx, FileType, How, Mode, MountFlags, OpenFile, OpenFlags, Place, SetTime,
    Timestamp, Vfs, XattrName,
};
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno as HostErrno;

use super::volume;
use crate::fs::env::{Clock, SleepEnv};

type Done = Result<(), Box<dyn Error>>;

/// Copies what is in `dir` into the empty volume on `disk`. Says what the volume cannot hold, and leaves it out.
///
/// # Errors
/// The first file that was not copied, and why.
pub(super) fn into_volume<D: BlockDevice + 'static>(disk: D, dir: &Path, clock: Clock) -> Done {
    let fs = volume::open(disk, false)?;
    let vfs = Vfs::<SleepEnv>::new(&Config::default(), clock)?;
    let (features, links, extended) = (fs.info().features, fs.info().max_links > 1, fs.xattrs().is_some());
    let view = vfs.mount_root(Arc::clone(&fs), MountFlags::empty())?;
    let ctx = Ctx::root();
    let mut copy = Copy { call: view.call(&ctx), features, links, extended, clock, known: HashMap::new() };
    let root = copy.call.resolve(At::Cwd, b"/", AtFlags::empty())?;
    copy.directory(dir, &root)?;
    copy.attributes(&root, &fs::metadata(dir)?)?;
    Ok(fs.sync(SyncMode::All)?)
}

/// A copy on its way.
struct Copy<'a, 'v> {
    call: Call<'a, 'v, SleepEnv>,
    features: FsFeatures,
    /// Whether a file may have several names.
    links: bool,
    /// Whether it may have extended attributes.
    extended: bool,
    clock: Clock,
    /// Files with several names, by device and number.
    known: HashMap<(u64, u64), Place<'v, SleepEnv>>,
}

impl<'v> Copy<'_, 'v> {
    /// Fills `to`. As deep as paths of the host can be long.
    fn directory(&mut self, dir: &Path, to: &Place<'v, SleepEnv>) -> Done {
        let names: io::Result<Vec<_>> = fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name())).collect();
        let mut names = names?;
        names.sort();
        for name in names {
            let path = dir.join(&name);
            self.file(&path, to, name.as_bytes()).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }

    /// Copies what is at `path` to `name`.
    fn file(&mut self, path: &Path, dir: &Place<'v, SleepEnv>, name: &[u8]) -> Done {
        let found = fs::symlink_metadata(path)?;
        let at = At::Place(dir);
        let several = found.nlink() > 1 && !found.is_dir();
        if several && let Some(other) = self.known.get(&(found.dev(), found.ino())) {
            return Ok(self.call.link_place(other, at, name)?);
        }
        if !self.make(path, &found, at, name)? {
            return Ok(());
        }
        let place = self.call.resolve(at, name, AtFlags::NO_FOLLOW)?;
        if found.is_dir() {
            self.directory(path, &place)?;
        }
        if self.extended {
            self.extended_attributes(path, &place)?;
        }
        self.attributes(&place, &found)?;
        if several && self.links {
            self.known.insert((found.dev(), found.ino()), place);
        }
        Ok(())
    }

    /// Makes a file like the one at `path`, with its bytes; false if the volume holds no such thing.
    fn make(
        &self,
        path: &Path,
        found: &Metadata,
        at: At<'_, 'v, SleepEnv>,
        name: &[u8],
    ) -> Result<bool, Box<dyn Error>> {
        let kind = u16::try_from(found.mode() & 0o170_000).ok().and_then(FileType::from_bits);
        let kind = kind.ok_or("a kind of file that is not known")?;
        let needs = match kind {
            FileType::Regular | FileType::Directory => FsFeatures::empty(),
            FileType::Symlink => FsFeatures::SYMLINKS,
            _ => FsFeatures::SPECIAL,
        };
        if !self.features.contains(needs) {
            eprintln!("{}: left out, as this type of volume holds no such files", path.display());
            return Ok(false);
        }
        let mode = Mode::USER_READ | Mode::USER_WRITE;
        match kind {
            FileType::Regular => {
                let file = self.call.open(at, name, &How::create(OpenFlags::WRITE_ONLY, mode))?;
                self.bytes(&File::open(path)?, found.len(), &file)?;
            }
            FileType::Directory => self.call.mkdir(at, name, mode | Mode::USER_EXEC)?,
            FileType::Symlink => {
                self.call.symlink(fs::read_link(path)?.as_os_str().as_bytes(), at, name)?;
            }
            _ => {
                let (major, minor) = (rustix::fs::major(found.rdev()), rustix::fs::minor(found.rdev()));
                self.call.mknod(at, name, kind, mode, DeviceNumber { major, minor })?;
            }
        }
        Ok(true)
    }

    /// Copies bytes, but not holes, where the volume has them.
    fn bytes(&self, from: &File, size: u64, to: &OpenFile<'v, SleepEnv>) -> Done {
        let sparse = self.features.contains(FsFeatures::SPARSE);
        let mut buffer = vec![0; 1 << 20];
        let mut at = 0;
        while at < size {
            let data = if sparse { next(from, SeekFrom::Data(at), size)? } else { at };
            let end = if sparse && data < size { next(from, SeekFrom::Hole(data), size)? } else { size };
            at = data;
            while at < end {
                let length = usize::try_from(end - at).map_or(buffer.len(), |left| left.min(buffer.len()));
                let piece = buffer.get_mut(..length).unwrap_or_default();
                from.read_exact_at(piece, at)?;
                self.write(to, piece, at)?;
                at += length as u64;
            }
        }
        Ok(self.call.set_size(to, size)?)
    }

    fn write(&self, to: &OpenFile<'v, SleepEnv>, mut bytes: &[u8], mut at: u64) -> Done {
        while !bytes.is_empty() {
            let count = self.call.pwrite(to, bytes, at)?;
            at += count as u64;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Copies extended attributes but `system.`, which are not bytes to Linux. A host without any has none to copy.
    fn extended_attributes(&self, path: &Path, place: &Place<'v, SleepEnv>) -> Done {
        let mut buffer = vec![0_u8; XATTR_SIZE_MAX];
        let length = match rustix::fs::llistxattr(path, buffer.as_mut_slice()) {
            Ok(length) => length,
            Err(HostErrno::OPNOTSUPP) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let list = buffer.get(..length).unwrap_or_default().to_vec();
        let mut names: Vec<&[u8]> = list.split(|&byte| byte == 0).filter(|name| !name.is_empty()).collect();
        names.sort_unstable();
        for name in names.into_iter().filter(|name| !name.starts_with(b"system.")) {
            let length = rustix::fs::lgetxattr(path, name, buffer.as_mut_slice())?;
            let value = buffer.get(..length).unwrap_or_default();
            self.call.set_xattr(place, XattrName::new(name)?, value, XattrFlags::empty())?;
        }
        Ok(())
    }

    /// Gives the file at `place` owner, mode and times, as far as the volume has them.
    fn attributes(&self, place: &Place<'v, SleepEnv>, found: &Metadata) -> Done {
        let mode = Mode::of((found.mode() & 0o7777) as u16);
        if self.features.contains(FsFeatures::OWNERS) {
            self.call.chown(place, Some(found.uid()), Some(found.gid()))?;
            if !found.is_symlink() {
                self.call.chmod(place, mode)?;
            }
        } else if !mode.intersects(Mode::USER_WRITE) && found.is_file() {
            self.call.chmod(place, self.call.stat(place)?.attr.mode - Mode::of(0o222))?;
        }
        let time = |seconds, nanos: i64| match self.clock {
            Clock::Fixed(time) => SetTime::To(time),
            Clock::Host => {
                let time = u32::try_from(nanos).ok().and_then(|nanos| Timestamp::new(seconds, nanos));
                time.map_or(SetTime::Omit, SetTime::To)
            }
        };
        let accessed = time(found.atime(), found.atime_nsec());
        Ok(self.call.set_times(place, accessed, time(found.mtime(), found.mtime_nsec()))?)
    }
}

/// Where the next data or hole begins; `size` where there is none.
fn next(file: &File, to: SeekFrom, size: u64) -> io::Result<u64> {
    match seek(file, to) {
        Ok(at) => Ok(at.min(size)),
        Err(HostErrno::NXIO) => Ok(size),
        Err(error) => Err(error.into()),
    }
}
