//! A mounted volume as a [`FileSystem`].

use lock_api::RawMutex;

use super::Fat;
use super::dir::Scan;
use super::entry::Flags;
use super::file::{Extents, SIZE_MAX, Source};
use super::name::Units;
use super::nodes::ROOT;
use super::time;
use super::volume::Volume;
use crate::attr::{Attr, FileType, Ino, Mode, SetAttr, Timestamp};
use crate::block::{BlockDevice, read_bytes, write_bytes};
use crate::error::FsError;
use crate::fs::{
    Allocate, Cookie, DirEntry, DirOps, DirSink, FileOps, FileSystem, FsFeatures, FsInfo, NewNode, Rename,
    StatFs, SyncMode,
};
use crate::name::{NAME_MAX, Name, PATH_MAX};

impl<D: BlockDevice, R: RawMutex + Send + Sync> FileSystem for Fat<D, R> {
    fn info(&self) -> FsInfo {
        FsInfo {
            kind: "vfat",
            block_size: self.layout.cluster_bytes(),
            max_size: SIZE_MAX,
            max_links: 1,
            max_name: NAME_MAX,
            time_step: 2_000_000_000,
            access_step: 24 * 60 * 60 * 1_000_000_000,
            features: match self.options.read_only {
                true => FsFeatures::SPELLINGS | FsFeatures::READ_ONLY,
                false => FsFeatures::SPELLINGS,
            },
        }
    }

    fn root(&self) -> Ino {
        ROOT
    }

    fn load(&self, file: Ino) -> Result<Attr, FsError> {
        self.with(|volume| {
            let attr = volume.attr(file)?;
            let node = volume.node(file)?;
            node.uses = node.uses.checked_add(1).ok_or(FsError::NoMemory)?;
            Ok(attr)
        })
    }

    fn attr(&self, file: Ino) -> Result<Attr, FsError> {
        self.with(|volume| volume.attr(file))
    }

    fn set_attr(&self, file: Ino, set: &SetAttr) -> Result<Attr, FsError> {
        self.with(|volume| {
            volume.set_attr(file, set)?;
            volume.attr(file)
        })
    }

    fn forget(&self, file: Ino, uses: u32) {
        let _ = self.with(|volume| {
            volume.release(file, uses);
            Ok(())
        });
    }

    fn dirs(&self) -> &dyn DirOps {
        self
    }

    fn files(&self) -> &dyn FileOps {
        self
    }

    fn statfs(&self) -> Result<StatFs, FsError> {
        let free = self.with(|volume| volume.count_room())?.into();
        Ok(StatFs { blocks: self.layout.clusters.into(), free, available: free, files: 0, files_free: 0 })
    }

    fn sync(&self, mode: SyncMode) -> Result<(), FsError> {
        self.with(|volume| match mode {
            SyncMode::Data => volume.flush(),
            SyncMode::All => volume.sync(),
        })
    }
}

impl Volume<'_> {
    fn set_attr(&mut self, file: Ino, set: &SetAttr) -> Result<(), FsError> {
        let now = self.attr(file)?;
        let owner = set.uid.unwrap_or(now.uid) == now.uid && set.gid.unwrap_or(now.gid) == now.gid;
        let mode = set.mode.unwrap_or(now.mode);
        if !owner || !Mode::ALL_ACCESS.contains(mode) {
            return Err(FsError::Unsupported);
        }
        let read_only = self.read_only_of(&now, mode);
        self.begin()?;
        self.change_entry(file, |entry| {
            if let Some(read_only) = read_only {
                entry.flags.set(Flags::READ_ONLY, read_only);
            }
            if let Some(time) = set.modified {
                let (date, clock, _) = time::encode(time);
                entry.modified = (date, clock);
            }
            if let Some(time) = set.accessed {
                entry.accessed = time::encode(time).0;
            }
        })
    }

    /// Whether `mode` makes a file one that may not be written. A mode that cannot be stored changes nothing and is no error,
    /// as in Linux: programs set modes without need.
    fn read_only_of(&self, now: &Attr, mode: Mode) -> Option<bool> {
        let write = Mode::of(0o222);
        let (most, mode) = (self.options.file_mode, mode & self.options.file_mode);
        let stored =
            now.kind == FileType::Regular && most.intersects(write) && mode - write == now.mode - write;
        match mode & write {
            bits if !stored || bits == now.mode & write => None,
            bits if bits == most & write => Some(false),
            bits if bits.is_empty() => Some(true),
            _ => None,
        }
    }
}

impl<D: BlockDevice, R: RawMutex + Send + Sync> DirOps for Fat<D, R> {
    fn lookup(&self, dir: Ino, name: Name<'_>) -> Result<Attr, FsError> {
        self.with(|volume| {
            let start = volume.dir_start(dir)?;
            // A name that cannot be there is not there.
            let units = Units::of_name(name).map_err(|_| FsError::NotFound)?;
            let found = volume.find(start, &units)?.ok_or(FsError::NotFound)?;
            let ino = volume.take_in(&found)?;
            volume.attr(ino)
        })
    }

    fn create(&self, dir: Ino, name: Name<'_>, new: &NewNode<'_>) -> Result<Attr, FsError> {
        self.with(|volume| {
            let ino = volume.create(dir, name, new)?;
            volume.attr(ino)
        })
    }

    fn link(&self, _: Ino, _: Name<'_>, _: Ino, _: Timestamp) -> Result<Attr, FsError> {
        Err(FsError::Unsupported)
    }

    fn unlink(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<(), FsError> {
        self.with(|volume| volume.remove(dir, name, file, now, false))
    }

    fn rmdir(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<(), FsError> {
        self.with(|volume| volume.remove(dir, name, file, now, true))
    }

    fn rename(&self, rename: &Rename<'_>) -> Result<(), FsError> {
        self.with(|volume| volume.rename(rename))
    }

    fn readlink(&self, _: Ino, _: &mut [u8; PATH_MAX]) -> Result<usize, FsError> {
        Err(FsError::Unsupported)
    }

    /// A cookie is the slot behind a name, and [`Cookie::FIRST`]. A set of slots that begins before it is read from its
    /// beginning, so that its name is whole.
    fn readdir(&self, dir: Ino, from: Cookie, sink: &mut dyn DirSink) -> Result<(), FsError> {
        let slot = from.0.saturating_sub(Cookie::FIRST.0);
        let slot = u32::try_from(slot).unwrap_or(u32::MAX);
        self.with(|volume| {
            let start = volume.dir_start(dir)?;
            let mut scan = Scan::new(start, slot.saturating_sub(super::lfn::SLOTS_MAX), 0);
            let mut buffer = [0; NAME_MAX];
            while let Some(found) = scan.next(volume)? {
                if found.slots.end <= slot {
                    continue;
                }
                let Some(name) = scan.shown(&found).write(&mut buffer) else { continue };
                let kind = if found.entry.is_dir() { FileType::Directory } else { FileType::Regular };
                let ino = volume.state.nodes.ino_of(found.place, &found.entry);
                let next = Cookie(Cookie::FIRST.0 + u64::from(found.slots.end));
                if !sink.entry(DirEntry { name, ino, kind, next }) {
                    return Ok(());
                }
            }
            Ok(())
        })
    }
}

impl<D: BlockDevice, R: RawMutex + Send + Sync> FileOps for Fat<D, R> {
    fn read_at(&self, file: Ino, offset: u64, out: &mut [u8]) -> Result<usize, FsError> {
        let (mut done, mut extents) = (0, Extents::new());
        while done < out.len() {
            let at = offset.saturating_add(done as u64);
            self.with(|volume| volume.extents(file, at, out.len() - done, &mut extents))?;
            if extents.is_empty() {
                break;
            }
            for extent in &extents {
                let rest = out.get_mut(done..).unwrap_or(&mut []);
                let piece = rest.split_at_mut(extent.length_in(rest.len())).0;
                read_bytes(&self.device, extent.at, piece)?;
                done += piece.len();
            }
        }
        Ok(done)
    }

    fn write_at(&self, file: Ino, offset: u64, bytes: &[u8], now: Timestamp) -> Result<usize, FsError> {
        if offset >= SIZE_MAX {
            return Err(FsError::TooLarge { limit: SIZE_MAX });
        }
        let most = usize::try_from(SIZE_MAX - offset).unwrap_or(usize::MAX);
        let bytes = bytes.get(..bytes.len().min(most)).unwrap_or(bytes);
        self.with(|volume| volume.begin())?;
        let done = self.overwrite(file, offset, bytes)?;
        let rest = bytes.get(done..).unwrap_or(&[]);
        let ended = self.with(|volume| {
            let at = offset + done as u64;
            // Where the device failed half-way, the rest is for the next call: it lies within the file.
            if rest.is_empty() || at < volume.node(file)?.entry.size.into() {
                return volume.change_entry(file, |entry| entry.touch(now)).map(|()| 0);
            }
            volume.grow(file, at, rest.len() as u64, Source::Bytes(rest), now)
        });
        match ended {
            Ok(more) => Ok(done + usize::try_from(more).unwrap_or(0)),
            Err(error) if done == 0 => Err(error),
            Err(_) => Ok(done),
        }
    }

    fn reserve(&self, file: Ino, pages: u64, end: u64) -> Result<bool, FsError> {
        let end = if pages == 0 { 0 } else { end };
        let end = u32::try_from(end).map_err(|_| FsError::TooLarge { limit: SIZE_MAX })?;
        self.with(|volume| volume.promise(file, end))?;
        Ok(true)
    }

    fn truncate(&self, file: Ino, size: u64, now: Timestamp) -> Result<Attr, FsError> {
        let size = u32::try_from(size).map_err(|_| FsError::TooLarge { limit: SIZE_MAX })?;
        self.with(|volume| {
            volume.resize(file, size, now)?;
            volume.attr(file)
        })
    }

    fn allocate(
        &self,
        file: Ino,
        how: Allocate,
        offset: u64,
        length: u64,
        now: Timestamp,
    ) -> Result<Attr, FsError> {
        if !matches!(how, Allocate::Grow | Allocate::KeepSize) {
            return Err(FsError::Unsupported);
        }
        let end = u32::try_from(offset.saturating_add(length));
        let end = end.map_err(|_| FsError::TooLarge { limit: SIZE_MAX })?;
        self.with(|volume| {
            let size = volume.node(file)?.entry.size;
            match how {
                _ if end <= size => {}
                // Clusters behind the end of a file are damage to whoever checks the volume.
                Allocate::KeepSize => return Err(FsError::Unsupported),
                _ => volume.resize(file, end, now)?,
            }
            volume.attr(file)
        })
    }

    fn fsync(&self, file: Ino, _: SyncMode) -> Result<(), FsError> {
        self.with(|volume| {
            volume.node(file)?;
            volume.flush()
        })
    }
}

impl<D: BlockDevice, R: RawMutex + Send + Sync> Fat<D, R> {
    /// Overwrites what a file has already; returns how many bytes that were, an error if none.
    fn overwrite(&self, file: Ino, offset: u64, bytes: &[u8]) -> Result<usize, FsError> {
        let (mut done, mut extents) = (0, Extents::new());
        while done < bytes.len() {
            let at = offset.saturating_add(done as u64);
            self.with(|volume| volume.extents(file, at, bytes.len() - done, &mut extents))?;
            if extents.is_empty() {
                break;
            }
            for extent in &extents {
                let rest = bytes.get(done..).unwrap_or(&[]);
                let piece = rest.get(..extent.length_in(rest.len())).unwrap_or(rest);
                match write_bytes(&self.device, extent.at, piece) {
                    Err(error) if done == 0 => return Err(error.into()),
                    Err(_) => return Ok(done),
                    Ok(()) => done += piece.len(),
                }
            }
        }
        Ok(done)
    }
}

impl Volume<'_> {
    /// Sets the size of a file.
    fn resize(&mut self, file: Ino, size: u32, now: Timestamp) -> Result<(), FsError> {
        let entry = self.node(file)?.entry;
        if entry.is_dir() {
            return Err(FsError::IsDirectory);
        }
        self.begin()?;
        if size > entry.size {
            let (from, length) = (u64::from(entry.size), u64::from(size - entry.size));
            return self.grow_whole(file, from, length, now);
        }
        self.change_entry(file, |entry| {
            entry.size = size;
            entry.first = if size == 0 { 0 } else { entry.first };
            entry.touch(now);
        })?;
        // The size is what was asked for; clusters that could not be freed are for fsck.
        let _ = self.cut(file, size, entry.first);
        Ok(())
    }

    /// Grows with zeroes, all or nothing.
    fn grow_whole(&mut self, file: Ino, from: u64, length: u64, now: Timestamp) -> Result<(), FsError> {
        self.grow(file, from + length, 0, Source::Zeroes, now).map(|_| ())
    }
}
