//! Disks of the machine: files with a kosfs, made here, and looked at after the machine was killed.

use core::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use kos_vfs::block::BlockDevice;
use kos_vfs::fs::kosfs::{FsckOptions, KosFs, MkfsOptions, MountError, MountOptions, Problem, fsck, mkfs};
use kos_vfs::fs::{FileSystem as _, NewNode, SyncMode};
use kos_vfs::testing::FileDisk;
use kos_vfs::{DeviceNumber, FileType, FsError, Mode, Name, Timestamp};

/// Bytes of a disk that is made.
pub const BYTES: u64 = 64 << 20;

/// How many of the newest durable files are looked at: the kernel removes older ones.
pub const LOOKED_AT: usize = 32;

pub(crate) type Lock = spin::RwLock<()>;

/// Why a disk was not made, or is not what it should be.
#[derive(Debug)]
#[non_exhaustive]
pub enum DiskError {
    /// The host refuses.
    Io(io::Error),
    /// The file system is not made, or not whole.
    Fs(FsError),
    /// It cannot be mounted.
    Mount(MountError),
    /// `fsck` finds something.
    Damaged {
        /// The first of what it finds.
        problem: String,
    },
    /// A file that was durable is gone.
    Lost {
        /// Its number.
        number: u64,
    },
    /// A file that was durable has other bytes.
    Changed {
        /// Its number.
        number: u64,
        /// Where they begin.
        at: usize,
    },
    /// What was written down of its writes lacks some.
    Unlogged {
        /// The newest file that was durable.
        newest: u64,
        /// The newest that was written down.
        found: u64,
    },
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(cause) => cause.fmt(f),
            Self::Fs(cause) => cause.fmt(f),
            Self::Mount(cause) => cause.fmt(f),
            Self::Damaged { problem } => write!(f, "fsck: {problem}"),
            Self::Lost { number } => write!(f, "file {number} was durable and is gone"),
            Self::Changed { number, at } => {
                write!(f, "file {number} was durable and differs from byte {at} on")
            }
            Self::Unlogged { newest, found } => {
                write!(f, "file {newest} was durable, and file {found} is the newest in the log of writes")
            }
        }
    }
}

impl core::error::Error for DiskError {}

impl From<io::Error> for DiskError {
    fn from(cause: io::Error) -> Self {
        Self::Io(cause)
    }
}

impl From<FsError> for DiskError {
    fn from(cause: FsError) -> Self {
        Self::Fs(cause)
    }
}

/// Makes a disk with an empty kosfs at `path`, all of it or nothing.
///
/// # Errors
/// The host refuses.
pub fn make(path: &Path) -> Result<(), DiskError> {
    make_of(path, BYTES)
}

/// The same with so many bytes.
///
/// # Errors
/// The host refuses, or they are too few.
pub fn make_of(path: &Path, bytes: u64) -> Result<(), DiskError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let part = path.with_extension("part");
    let disk = FileDisk::create(&part, bytes)?;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(0);
    let now = Timestamp::new(seconds, since.subsec_nanos()).unwrap_or(Timestamp::EPOCH);
    let unique = since.as_nanos().to_le_bytes();
    let options = MkfsOptions { uuid: unique, label: [0; 64], now, uid: 0, gid: 0, hash_key: unique };
    mkfs::<_, Lock>(disk, &options)?;
    fs::rename(&part, path)?;
    Ok(())
}

/// The same, where the kernel's `durability` has written the file of this number last: the next has the next one.
///
/// # Errors
/// The host refuses, or they are too few.
pub fn make_begun(path: &Path, bytes: u64, number: u64) -> Result<(), DiskError> {
    make_of(path, bytes)?;
    let fs = KosFs::<_, Lock>::mount(FileDisk::open(path, false)?, MountOptions::default())
        .map_err(DiskError::Mount)?;
    let (device, now) = (DeviceNumber::default(), Timestamp::EPOCH);
    let mut new = NewNode {
        kind: FileType::Directory,
        mode: Mode::of(0o755),
        uid: 0,
        gid: 0,
        device,
        target: &[],
        now,
    };
    let folder = fs.dirs().create(fs.root(), name("crash")?, &new)?;
    (new.kind, new.mode) = (FileType::Regular, Mode::of(0o644));
    let file = fs.dirs().create(folder.ino, name(&number.to_string())?, &new)?;
    fs.forget(file.ino, 1);
    fs.forget(folder.ino, 1);
    Ok(fs.sync(SyncMode::All)?)
}

/// Checks the disk at `path`, mounts it, and looks at the files of these numbers that the kernel's `durability` wrote.
///
/// # Errors
/// What is not as it must be.
pub fn examine(path: &Path, durable: &[u64]) -> Result<(), DiskError> {
    look(&FileDisk::open(path, false)?, durable)
}

/// The same with any disk.
///
/// # Errors
/// What is not as it must be.
pub fn look<D: BlockDevice>(disk: &D, durable: &[u64]) -> Result<(), DiskError> {
    let options = MountOptions { read_only: true, ..MountOptions::default() };
    check(disk)?;
    let fs = KosFs::<_, Lock>::mount(disk, options).map_err(DiskError::Mount)?;
    let lookup = |dir, text: &str, number| match fs.dirs().lookup(dir, name(text)?) {
        Err(FsError::NotFound) => Err(DiskError::Lost { number }),
        found => Ok(found?),
    };
    let Some(&first) = durable.first() else { return Ok(()) };
    let folder = lookup(fs.root(), "crash", first)?;
    for &number in durable {
        let file = lookup(folder.ino, &number.to_string(), number)?;
        let expected = contents(number);
        let mut bytes = vec![0; expected.len() + 1];
        let count = fs.files().read_at(file.ino, 0, &mut bytes)?;
        fs.forget(file.ino, 1);
        bytes.truncate(count);
        if bytes != expected {
            let at = bytes.iter().zip(&expected).take_while(|(found, wanted)| found == wanted).count();
            return Err(DiskError::Changed { number, at });
        }
    }
    fs.forget(folder.ino, 1);
    Ok(())
}

/// Every block and every byte, as `fsck` sees them.
fn check<D: BlockDevice>(disk: &D) -> Result<(), DiskError> {
    let options = FsckOptions { data: true, ..FsckOptions::default() };
    let mut first = None;
    let mut each = |problem: &Problem, _| first = first.take().or_else(|| Some(problem.to_string()));
    fsck::<_, Lock>(disk, &options, &mut each).map_err(DiskError::Mount)?;
    first.map_or(Ok(()), |problem| Err(DiskError::Damaged { problem }))
}

fn name(text: &str) -> Result<Name<'_>, FsError> {
    Name::new(text.as_bytes()).map_err(|_| FsError::BadName)
}

/// What the kernel's `durability` writes into the file of this number.
pub(crate) fn contents(number: u64) -> Vec<u8> {
    let lines = usize::try_from(number % 700).unwrap_or(0) + 1;
    format!("{number}\n").repeat(lines).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_was_made_is_whole_and_lost_files_are_named() {
        let path = std::env::temp_dir().join(format!("kos-demo-disk-{}.img", std::process::id()));
        make(&path).unwrap();
        examine(&path, &[]).unwrap();
        assert!(matches!(examine(&path, &[7]), Err(DiskError::Lost { number: 7 })));
        fs::remove_file(&path).unwrap();
        assert_eq!(contents(2), b"2\n2\n2\n");
    }
}
