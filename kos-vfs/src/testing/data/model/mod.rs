//! [`DataModel`]: files on a volume, and what they must hold.

mod calls;

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::bytes::Bytes;
use super::op::DataOp;
use crate::call::{At, AtFlags, Ctx};
use crate::errno::Errno;
use crate::file::{FileError, How, OpenFile, OpenFlags, SeekFrom};
use crate::fs::tmpfs::{Tmpfs, TmpfsConfig};
use crate::fs::{FsFeatures, FsInfo, RenameFlags, SyncMode};
use crate::testing::{HostEnv, TestClock, Volume};
use crate::tree::mount::MountFlags;
use crate::tree::place::View;
use crate::vfs::Vfs;
use crate::{Config, Mode};

/// The files.
const PATHS: [&[u8]; 4] = [b"/m/a", b"/m/b", b"/m/c", b"/m/d"];
/// As many bytes are looked at in one piece.
const LOOK: u64 = 1 << 16;

/// Blocks that a tree may keep.
const SLACK: u64 = 4;

type Handle<'v> = OpenFile<'v, HostEnv>;

/// Four files of a volume that is mounted on `/m`, and what they must hold.
#[derive(Debug)]
pub struct DataModel<'v> {
    vfs: &'v Vfs<HostEnv>,
    view: View<'v, HostEnv>,
    volume: &'v dyn Volume,
    info: FsInfo,
    files: [Bytes; 4],
    /// Their descriptors: one for any place, one that appends.
    handles: Vec<[Handle<'v>; 2]>,
    positions: [u64; 4],
    now: Duration,
    /// Blocks that were free before the first file.
    free: u64,
    full: u64,
    steps: u64,
}

impl<'v> DataModel<'v> {
    /// A [`Vfs`] for a model, with tables as `config` says.
    ///
    /// # Panics
    /// If `config` is no good.
    #[must_use]
    pub fn vfs(config: &Config) -> Vfs<HostEnv> {
        Vfs::new(config, TestClock::at(1_000_000_000)).expect("sizes in bounds, and memory")
    }

    /// Mounts an empty volume and makes the files.
    ///
    /// # Panics
    /// If that fails.
    #[must_use]
    pub fn new(vfs: &'v Vfs<HostEnv>, volume: &'v dyn Volume) -> Self {
        let root = Tmpfs::<HostEnv>::new(&TmpfsConfig::default()).expect("memory");
        let view = vfs.mount_root(Arc::new(root), MountFlags::empty()).expect("an empty table of mounts");
        view.call(&Ctx::root()).mkdir(At::Cwd, b"/m", Mode::ALL_ACCESS).expect("a tmpfs has room");
        let fs = volume.mount().expect("an empty volume");
        let (info, free) = (fs.info(), fs.statfs().expect("an empty volume").free);
        drop(fs);
        let mut model = Self {
            vfs,
            view,
            volume,
            info,
            files: Default::default(),
            handles: Vec::new(),
            positions: [0; 4],
            now: Duration::ZERO,
            free,
            full: 0,
            steps: 0,
        };
        model.mount();
        model
    }

    fn mount(&mut self) {
        let fs = self.volume.mount().expect("a volume that is whole");
        let ctx = Ctx::root();
        self.view.call(&ctx).mount(fs, At::Cwd, b"/m", MountFlags::empty()).expect("a mount");
        let open = |file| self.open(file, OpenFlags::empty()).expect("a file");
        self.handles = (0..PATHS.len()).map(open).collect();
        self.positions = [0; 4];
    }

    fn open(&self, file: usize, flags: OpenFlags) -> Result<[Handle<'v>; 2], FileError> {
        let ctx = Ctx::root();
        let open = |more: OpenFlags| {
            let how = How::create(OpenFlags::READ_WRITE | flags | more, Mode::of(0o644));
            self.view.call(&ctx).open(At::Cwd, PATHS[file], &how)
        };
        Ok([open(OpenFlags::empty())?, open(OpenFlags::APPEND)?])
    }

    /// How often the volume was full.
    pub const fn full(&self) -> u64 {
        self.full
    }

    /// Does one operation to both.
    ///
    /// # Panics
    /// If the file system answers otherwise than the model.
    pub fn step(&mut self, op: DataOp) {
        let file = usize::from(op.file & 3);
        let done = match op.code {
            0..70 => self.pwrite(file, op),
            70..90 => self.append(file, op),
            90..105 => self.write(file, op),
            105..150 => self.pread(file, op),
            150..160 => self.read(file, op),
            160..180 => self.truncate(file, op),
            180..205 => self.allocate(file, op),
            205..220 => self.seek(file, op),
            220..228 => self.sync(file, op),
            228..234 => self.pass(op),
            234..240 => self.reopen(file, op),
            240..246 => self.remove(file),
            246..250 => self.rename(file, op),
            250 => self.remount(),
            _ => self.compare(file),
        };
        if let Err(error) = done {
            panic!("{op:?}: {error}, {}", self.story(file));
        }
        self.steps += 1;
        if self.steps.is_multiple_of(16) {
            self.vfs.check().expect("an invariant");
        }
    }

    fn story(&self, file: usize) -> String {
        format!("{} of {} bytes, step {}", PATHS[file].escape_ascii(), self.files[file].size, self.steps)
    }

    /// A full volume is no difference: then nothing has changed, but for the part that a short write stored.
    fn unless_full<T>(&mut self, file: usize, result: Result<T, FileError>) -> Result<Option<T>, FileError> {
        match result {
            Ok(done) => Ok(Some(done)),
            Err(error) if error.errno() == Errno::ENOSPC => {
                self.full += 1;
                self.compare(file)?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The largest size of a file.
    const fn limit(&self) -> u64 {
        if self.info.max_size < i64::MAX.cast_unsigned() {
            self.info.max_size
        } else {
            i64::MAX.cast_unsigned()
        }
    }

    /// Time passes, or memory becomes short.
    fn pass(&mut self, op: DataOp) -> Result<(), FileError> {
        if op.how & 1 == 0 {
            self.vfs.shrink_pages(usize::from(op.fill));
            self.vfs.shrink(u32::from(op.fill));
            return Ok(());
        }
        self.now += Duration::from_secs(u64::from(op.fill % 40));
        self.vfs.tick(self.now);
        Ok(())
    }

    fn reopen(&mut self, file: usize, op: DataOp) -> Result<(), FileError> {
        let flags = [OpenFlags::empty(), OpenFlags::DIRECT, OpenFlags::empty(), OpenFlags::DATA_SYNC];
        self.handles[file] = self.open(file, flags[usize::from(op.how & 3)])?;
        self.positions[file] = 0;
        self.size(file)
    }

    /// A file goes that is open, and stays as it is to who has it open; a new one takes its name.
    fn remove(&mut self, file: usize) -> Result<(), FileError> {
        self.view.call(&Ctx::root()).unlink(At::Cwd, PATHS[file])?;
        self.compare(file)?;
        self.anew(file)
    }

    /// A new file at a name that went. On a full volume all others are cut first: that always goes.
    fn anew(&mut self, file: usize) -> Result<(), FileError> {
        let mut opened = self.open(file, OpenFlags::empty());
        if opened.as_ref().is_err_and(|error| error.errno() == Errno::ENOSPC) {
            self.full += 1;
            for other in 0..PATHS.len() {
                self.view.call(&Ctx::root()).set_size(&self.handles[other][0], 0)?;
                self.files[other].truncate(0);
            }
            opened = self.open(file, OpenFlags::empty());
        }
        self.handles[file] = opened?;
        self.files[file] = Bytes::default();
        self.positions[file] = 0;
        Ok(())
    }

    /// A file takes the place of another that is open, or they change places.
    fn rename(&mut self, file: usize, op: DataOp) -> Result<(), FileError> {
        let to = usize::from(op.how) % 4;
        let exchange = op.fill & 1 == 0;
        if file == to || exchange && !self.info.features.contains(FsFeatures::EXCHANGE) {
            return Ok(());
        }
        let flags = if exchange { RenameFlags::EXCHANGE } else { RenameFlags::empty() };
        let ctx = Ctx::root();
        let renamed = self.view.call(&ctx).rename(At::Cwd, PATHS[file], At::Cwd, PATHS[to], flags);
        if self.unless_full(file, renamed.map_err(FileError::from))?.is_none() {
            return self.size(to);
        }
        self.handles.swap(file, to);
        self.files.swap(file, to);
        self.positions.swap(file, to);
        if exchange {
            return Ok(());
        }
        self.compare(file)?;
        self.anew(file)
    }

    /// Unmounts, checks, mounts again; every byte is there.
    fn remount(&mut self) -> Result<(), FileError> {
        self.unmount();
        self.mount();
        (0..PATHS.len()).try_for_each(|file| self.compare(file))
    }

    fn unmount(&mut self) {
        self.handles.clear();
        self.view.call(&Ctx::root()).unmount(At::Cwd, b"/m", false).expect("nothing is open");
        let stats = self.vfs.stats();
        assert_eq!((stats.open_files, stats.mounts), (0, 1));
        assert_eq!((stats.cache.clean, stats.cache.dirty, stats.cache.writeback), (0, 0, 0));
        self.volume.check();
    }

    fn size(&self, file: usize) -> Result<(), FileError> {
        let ctx = Ctx::root();
        let stat = self.view.call(&ctx).stat_at(At::Cwd, PATHS[file], AtFlags::empty());
        let size = stat.map_err(|error| FileError::Special(error.errno()))?.attr.size;
        assert_eq!(size, self.files[file].size, "the size of {}", self.story(file));
        Ok(())
    }

    /// Every byte that was written once, what lies around it, and what the file system takes for data.
    fn compare(&self, file: usize) -> Result<(), FileError> {
        let (handle, bytes) = (&self.handles[file][0], &self.files[file]);
        assert_eq!(handle.pread(&mut [], bytes.size)?, 0, "the end of {}", self.story(file));
        let mut out = vec![0; LOOK as usize];
        let mut look = |from: u64| {
            out.fill(0xaa);
            let end = from.saturating_add(LOOK).min(i64::MAX.cast_unsigned());
            let out = &mut out[..(end - from) as usize];
            let count = handle.pread(out, from)?;
            self.same(file, from, out, count);
            Ok::<u64, FileError>(end)
        };
        let mut seen = 0;
        for place in bytes.places() {
            if place >= seen {
                seen = look(place)?;
            }
        }
        let (mut from, mut left) = (0, 32);
        while left > 0 && from < bytes.size {
            left -= 1;
            from = match self.find_data(file, from)? {
                Some(data) => look(data)?,
                None => break,
            };
        }
        Ok(())
    }

    /// Where the next data is, by a descriptor whose position nobody minds.
    fn find_data(&self, file: usize, from: u64) -> Result<Option<u64>, FileError> {
        match self.handles[file][1].seek(SeekFrom::Data(from)) {
            Err(FileError::NothingThere) => Ok(None),
            found => found.map(Some),
        }
    }

    /// Removes everything: as much is free as at the beginning, and the volume is whole.
    ///
    /// # Panics
    /// If not.
    pub fn finish(mut self) {
        for (file, path) in PATHS.iter().enumerate() {
            self.compare(file).expect("every byte");
            self.view.call(&Ctx::root()).unlink(At::Cwd, path).expect("its name");
        }
        self.unmount();
        let fs = self.volume.mount().expect("a volume that is whole");
        // What a commit frees is free two commits later; a tree that was large may keep some blocks more.
        (0..3).for_each(|_| fs.sync(SyncMode::All).expect("a sync"));
        let free = fs.statfs().expect("a count").free;
        assert!(free + SLACK >= self.free, "{free} blocks are free for {}: some were lost", self.free);
        drop(fs);
        self.volume.check();
        self.vfs.check().expect("an invariant");
    }
}
