//! Random calls beside a plain `Vec<u8>` for each file.

use alloc::sync::Arc;

use kos_vfs::fs::{Allocate, FileSystem, Seek, SyncMode};
use kos_vfs::testing::{HostEnv, cases};
use kos_vfs::{At, Config, Ctx, FileError, OpenFlags, SeekFrom, Vfs, View};

use super::watched::{Promise, Watched};
use super::{
    Handle, SECOND, fat_on, kosfs_on, mkfs_fat, mkfs_kosfs, new_disk, open, small, stat, stored, system,
};

/// The files are smaller than this.
const SIZE: u64 = 160 << 10;

/// Numbers from a seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % end.max(1)
    }
}

const PATHS: [&[u8]; 3] = [b"/a", b"/b", b"/c"];

/// A file system behind the cache, and what its files must be.
pub(crate) struct Model {
    pub(crate) vfs: &'static Vfs<HostEnv>,
    pub(crate) view: View<'static, HostEnv>,
    fs: Arc<dyn FileSystem>,
    files: [Vec<u8>; 3],
    handles: [Handle; 3],
    now: u32,
    random: Random,
    /// Whether a call may fail: then a file is afterwards what it says it is.
    pub(crate) lenient: bool,
    pub(crate) failures: u32,
}

impl Model {
    pub(crate) fn new(fs: Arc<dyn FileSystem>, config: &Config, seed: u64) -> Self {
        let (vfs, view) = system(config, Arc::clone(&fs));
        let handles = PATHS.map(|path| open(&view, path, OpenFlags::empty()));
        let random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        Self {
            vfs,
            view,
            fs,
            files: Default::default(),
            handles,
            now: 1,
            random,
            lenient: false,
            failures: 0,
        }
    }

    /// One random call. Panics where the answer is not the model's.
    pub(crate) fn step(&mut self) {
        let index = self.random.below(3) as usize;
        let what = self.random.below(40);
        let done = match what {
            0..=11 => self.write(index, false),
            12 | 13 => self.write(index, true),
            14..=23 => self.read(index),
            24 | 25 => self.truncate(index),
            26 | 27 => self.allocate(index),
            28 => self.handles[index].sync(SyncMode::Data),
            29 => self.sync(),
            30 | 31 => {
                self.now += 1 + self.random.below(20) as u32;
                self.vfs.tick(SECOND * self.now);
                Ok(())
            }
            32 => {
                self.vfs.shrink_pages(self.random.below(9) as usize);
                Ok(())
            }
            33 => self.replace(index),
            34 => self.look_for_data(index),
            35 | 36 => {
                let flags = if self.random.below(3) == 0 { OpenFlags::DIRECT } else { OpenFlags::empty() };
                self.handles[index] = open(&self.view, PATHS[index], flags);
                Ok(())
            }
            _ => {
                let size = stat(&self.view, PATHS[index]).size;
                assert_eq!(size, self.files[index].len() as u64, "the size of file {index}");
                Ok(())
            }
        };
        if let Err(error) = done {
            assert!(self.lenient, "call {what} on file {index}: {error}");
            self.failures += 1;
            self.adopt(index);
        }
        self.vfs.check().unwrap();
    }

    /// After a failure: all but the bytes in question is as it was, and those are what is read.
    fn adopt(&mut self, index: usize) {
        let size = stat(&self.view, PATHS[index]).size;
        let mut bytes = vec![0; size as usize];
        let mut file = self.handles[index].pread(&mut bytes, 0);
        if file.is_err() {
            file = self.handles[index].pread(&mut bytes, 0);
        }
        let count = file.unwrap();
        bytes.truncate(count);
        self.files[index] = bytes;
    }

    fn range(&mut self) -> (u64, u64) {
        let offset = self.random.below(SIZE);
        let most = [10, 700, 5000, 40_000][self.random.below(4) as usize];
        let (offset, length) = (offset, 1 + self.random.below(most));
        // Often at the border of a page.
        match self.random.below(4) {
            0 => (offset & !4095, length),
            1 => (offset & !4095, (length | 4095) + 1),
            _ => (offset, length),
        }
    }

    fn write(&mut self, index: usize, append: bool) -> Result<(), FileError> {
        let (offset, length) = self.range();
        let offset = if append { self.files[index].len() as u64 } else { offset };
        let offset = offset.min(SIZE);
        let seed = self.random.below(256) as u8;
        let bytes = super::pattern(length as usize, seed);
        let count = self.view.call(&Ctx::root()).pwrite(&self.handles[index], &bytes, offset)?;
        assert!(count == bytes.len() || self.lenient, "a short write");
        let file = &mut self.files[index];
        let end = offset as usize + count;
        if file.len() < end {
            file.resize(end, 0);
        }
        file[offset as usize..end].copy_from_slice(&bytes[..count]);
        if count < bytes.len() {
            self.failures += 1;
            self.adopt(index);
        }
        Ok(())
    }

    fn read(&mut self, index: usize) -> Result<(), FileError> {
        let (offset, length) = self.range();
        let mut bytes = vec![0xaa; length as usize];
        let count = self.handles[index].pread(&mut bytes, offset)?;
        let file = &self.files[index];
        let expected = file.get(offset as usize..).unwrap_or_default();
        let expected = &expected[..expected.len().min(bytes.len())];
        if self.lenient && count < expected.len() {
            assert_eq!(bytes[..count], expected[..count]);
            return Ok(());
        }
        assert!(bytes[..count] == *expected, "file {index} at {offset}, {length} bytes");
        Ok(())
    }

    fn truncate(&mut self, index: usize) -> Result<(), FileError> {
        let size = self.range().0;
        self.view.call(&Ctx::root()).set_size(&self.handles[index], size)?;
        self.files[index].resize(size as usize, 0);
        Ok(())
    }

    fn allocate(&mut self, index: usize) -> Result<(), FileError> {
        let (offset, length) = self.range();
        let how = [Allocate::PunchHole, Allocate::Zero, Allocate::ZeroKeepSize, Allocate::Grow];
        let how = how[self.random.below(4) as usize];
        match self.view.call(&Ctx::root()).allocate(&self.handles[index], how, offset, length) {
            Err(FileError::Fs(kos_vfs::FsError::Unsupported)) => return Ok(()),
            other => other?,
        }
        let file = &mut self.files[index];
        let end = (offset + length) as usize;
        if matches!(how, Allocate::Zero | Allocate::Grow) && file.len() < end {
            file.resize(end, 0);
        }
        if how != Allocate::Grow {
            let end = end.min(file.len());
            file[end.min(offset as usize)..end].fill(0);
        }
        Ok(())
    }

    fn look_for_data(&mut self, index: usize) -> Result<(), FileError> {
        let offset = self.range().0;
        let file = &self.files[index];
        let data = match self.handles[index].seek(SeekFrom::Data(offset)) {
            Err(FileError::NothingThere) => file.len(),
            other => other? as usize,
        };
        let skipped = file.get(offset as usize..data).unwrap_or_default();
        assert!(skipped.iter().all(|&byte| byte == 0), "{:?} skips bytes", Seek::Data);
        Ok(())
    }

    /// A new file takes the place of the old one, which is open.
    fn replace(&mut self, index: usize) -> Result<(), FileError> {
        let ctx = Ctx::root();
        self.view.call(&ctx).unlink(At::Cwd, PATHS[index]).map_err(FileError::from)?;
        let old = &self.handles[index];
        let mut bytes = vec![0; self.files[index].len()];
        assert!(self.lenient || old.pread(&mut bytes, 0)? == bytes.len() && bytes == self.files[index]);
        self.handles[index] = open(&self.view, PATHS[index], OpenFlags::empty());
        self.files[index].clear();
        Ok(())
    }

    /// Everything is where it belongs.
    pub(crate) fn sync(&mut self) -> Result<(), FileError> {
        self.vfs.sync()?;
        let cache = self.vfs.stats().cache;
        assert_eq!((cache.dirty, cache.dirty_files, cache.writeback), (0, 0, 0));
        for (path, file) in PATHS.iter().zip(&self.files) {
            assert!(stored(&*self.fs, &stat(&self.view, path)) == *file, "the driver has other bytes");
        }
        Ok(())
    }
}

fn run(make: impl Fn() -> Arc<dyn FileSystem>) {
    for seed in 0..u64::from(cases()).div_ceil(16) {
        let mut config = small();
        config.dirty_limit = [40, 75, 10][(seed % 3) as usize];
        config.dirty_background = config.dirty_background.min(config.dirty_limit);
        let mut model = Model::new(make(), &config, seed + 1);
        for _ in 0..400 {
            model.step();
        }
        model.sync().unwrap();
        assert!(model.vfs.stats().cache.evictions > 0 && model.vfs.stats().cache.hits > 0);
    }
}

fn new_kosfs(promise: Promise) -> Arc<dyn FileSystem> {
    let disk = new_disk();
    mkfs_kosfs(&disk);
    Arc::new(Watched::new(kosfs_on(disk), promise))
}

fn new_fat(promise: Promise) -> Arc<dyn FileSystem> {
    let disk = new_disk();
    mkfs_fat(&disk);
    Arc::new(Watched::new(fat_on(disk), promise))
}

#[test]
fn kosfs_is_its_model_behind_64_kib() {
    run(|| new_kosfs(Promise::Everything));
}

#[test]
fn fat_is_its_model_behind_64_kib() {
    run(|| new_fat(Promise::Everything));
}

#[test]
fn both_are_their_models_as_they_promise_themselves() {
    run(|| new_kosfs(Promise::AsItCan));
    run(|| new_fat(Promise::AsItCan));
}
