//! What is on the disk: its volumes, each mounted where it belongs.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use kos_vfs::FsError;
use kos_vfs::block::{BlockDevice, Partition, partition};
use kos_vfs::fs::FileSystem;
use kos_vfs::fs::fat::{self, Fat};
use kos_vfs::fs::kosfs::{self, KosFs};

use super::claims::{Claim, Claims};
use super::disks::DiskFile;
use crate::glue::faults::Faulty;
use crate::glue::sleep_lock::SleepLock;
use crate::platform::Platform;
use crate::text::Text;

/// The part of a disk that holds a volume; number 0 is all of it.
pub(crate) struct Part<P: Platform> {
    pub(crate) number: u32,
    disk: P::Disk,
    claims: Arc<Claims<SleepLock<P>>>,
    first: u64,
    sectors: u64,
}

/// A volume that can be mounted.
pub(crate) struct Volume {
    pub(crate) kind: Kind,
    pub(crate) fs: Arc<dyn FileSystem>,
}

/// The formats that disks have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    KosFs,
    Fat,
}

impl Kind {
    /// The format of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "kosfs" => Some(Self::KosFs),
            "fat" | "vfat" => Some(Self::Fat),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::KosFs => "kosfs",
            Self::Fat => "fat",
        })
    }
}

/// The partitions of a disk; a disk without any is one part.
pub(crate) fn parts<P: Platform>(
    disk: &P::Disk,
    claims: &Arc<Claims<SleepLock<P>>>,
) -> Result<Vec<Part<P>>, FsError> {
    let entries = partition::scan(disk).unwrap_or_default();
    let mut parts = Vec::new();
    parts.try_reserve_exact(entries.len() + 1)?;
    for entry in entries {
        let (number, first, sectors) = (entry.number, entry.first, entry.sectors);
        parts.push(Part { number, first, sectors, ..whole(disk, claims) });
    }
    if parts.is_empty() {
        parts.push(whole(disk, claims));
    }
    Ok(parts)
}

/// All of a disk.
pub(crate) fn whole<P: Platform>(disk: &P::Disk, claims: &Arc<Claims<SleepLock<P>>>) -> Part<P> {
    let (disk, claims, sectors) = (disk.clone(), Arc::clone(claims), disk.geometry().sectors());
    Part { number: 0, disk, claims, first: 0, sectors }
}

impl<P: Platform> Part<P> {
    /// As a device; `holder` lives as long.
    fn device(&self, holder: Option<Arc<Claim>>) -> Result<Partition<Faulty<P>>, FsError> {
        let disk = Faulty::new(self.disk.clone(), holder);
        Partition::new(disk, self.first, self.sectors).map_err(FsError::Device)
    }

    fn range(&self) -> Range<u64> {
        self.first..self.first.saturating_add(self.sectors)
    }

    /// As a file of bytes.
    pub(super) fn file(&self) -> Result<DiskFile<P>, FsError> {
        Ok(DiskFile::new(self.device(None)?, self.range(), Arc::clone(&self.claims)))
    }

    /// Nobody else mounts what is on it, nor writes to it past the file system, while the claim lives.
    fn claim(&self) -> Result<Arc<Claim>, Text> {
        let room = || P::with_kernel(|kernel| kernel.has_room_for::<Claim>()).unwrap_or(true);
        let taken = self.claims.claim(self.range(), room);
        taken.map_err(|errno| Text::new(format_args!("{}: {}", self.name(), errno.meaning())))
    }

    /// What it is called: `vda`, `vda1`.
    pub(crate) fn name(&self) -> Text {
        match self.number {
            0 => Text::new(format_args!("vda")),
            number => Text::new(format_args!("vda{number}")),
        }
    }

    /// Looks at the volume on it as it is on the disk, without changing anything; tells `each` of every problem.
    pub(crate) fn check(&self, each: &mut dyn FnMut(&dyn fmt::Display)) -> Result<Option<Kind>, Text> {
        let failed = |error: &dyn fmt::Display| Text::new(format_args!("{}: {error}", self.name()));
        let device = self.device(None).map_err(|error| failed(&error))?;
        let options = kosfs::FsckOptions { data: true, ..Default::default() };
        match kosfs::fsck::<_, SleepLock<P>>(&device, &options, &mut |problem, _| each(problem)) {
            Ok(_) => return Ok(Some(Kind::KosFs)),
            Err(kosfs::MountError::NotKosfs { .. }) => {}
            Err(error) => return Err(failed(&error)),
        }
        match fat::fsck(&device, false, &mut |problem, _| each(problem)) {
            Ok(_) => Ok(Some(Kind::Fat)),
            Err(fat::FsckError::Mount(fat::MountError::NotFat { .. })) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Mounts the volume on it, of the format `only` if that is said. [`None`] if no format is found.
    pub(crate) fn mount(&self, only: Option<Kind>, read_only: bool) -> Result<Option<Volume>, Text> {
        let failed =
            |kind, error: &dyn fmt::Display| Text::new(format_args!("{} on {}: {error}", kind, self.name()));
        let claim = self.claim()?;
        let device = || self.device(Some(Arc::clone(&claim)));
        if only != Some(Kind::Fat) {
            let options = kosfs::MountOptions { read_only, ..Default::default() };
            let device = device().map_err(|error| failed(Kind::KosFs, &error))?;
            match KosFs::<_, SleepLock<P>>::mount(device, options) {
                Ok(fs) => return Ok(Some(Volume { kind: Kind::KosFs, fs: Arc::new(fs) })),
                Err(kosfs::MountError::NotKosfs { .. }) => {}
                Err(error) => return Err(failed(Kind::KosFs, &error)),
            }
        }
        if only != Some(Kind::KosFs) {
            let options = fat::MountOptions { read_only, ..Default::default() };
            let device = device().map_err(|error| failed(Kind::Fat, &error))?;
            match Fat::<_, SleepLock<P>>::mount(device, options) {
                Ok(fs) => return Ok(Some(Volume { kind: Kind::Fat, fs: Arc::new(fs) })),
                Err(fat::MountError::NotFat { .. }) => {}
                Err(error) => return Err(failed(Kind::Fat, &error)),
            }
        }
        Ok(None)
    }
}
