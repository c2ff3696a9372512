//! The drivers, each over the same volume, with one open file.

use core::cell::RefCell;
use core::ops::ControlFlow;
use std::io::{Cursor, Read, Seek, SeekFrom, Write};

use embedded_sdmmc::{
    Block, BlockCount, BlockDevice, BlockIdx, LfnBuffer, Mode as OpenAs, RawDirectory, RawFile, TimeSource,
    Timestamp as SdTime, VolumeIdx, VolumeManager,
};
use hadris_fat::CacheOptions;
use hadris_fat::sync::FatFs;
use hadris_fs::{DirCursor, NodeId, OpenMode, SetAttr};
use hadris_io::ErrorType;
use hadris_storage::{BlockIndex, BlockSize, MemDevice};
use kos_vfs::fs::fat::{Fat, MountOptions};
use kos_vfs::fs::{Cookie, DirEntry, FileSystem};
use kos_vfs::{DeviceError, Ino};

use super::volume::Volume;
use crate::harness::must;
use crate::lock::NoLock;
use crate::vfs::ram::{Ram, SECTOR};
use crate::vfs::{create_file, name_of, read_file, remove_file, write_file};

/// A driver with one open file.
pub(super) trait Drive: 'static {
    /// What is not alike.
    const NOTE: &str = "";

    fn mount(volume: Volume) -> Self;
    fn open(&mut self, name: &str);
    fn create(&mut self, name: &str);
    fn close(&mut self);
    fn remove(&mut self, name: &str);
    fn read(&mut self, at: u64, out: &mut [u8]);
    fn write(&mut self, at: u64, bytes: &[u8]);
    /// How many names the root has.
    fn list(&mut self) -> usize;
}

/// Ours, as a [`FileSystem`].
pub(super) struct Kos {
    fs: Fat<Ram, NoLock>,
    file: Option<Ino>,
}

impl Drive for Kos {
    const NOTE: &str = "usable from several threads with another lock; each change is on the disk at once";

    fn mount(volume: Volume) -> Self {
        Self { fs: must(Fat::mount(Ram::new(volume.0), MountOptions::default()).ok()), file: None }
    }

    fn open(&mut self, name: &str) {
        let found = self.fs.dirs().lookup(self.fs.root(), name_of(name));
        self.file = Some(must(found.ok()).ino);
    }

    fn create(&mut self, name: &str) {
        self.file = Some(create_file(&self.fs, name));
    }

    fn close(&mut self) {
        self.fs.forget(must(self.file.take()), 1);
    }

    fn remove(&mut self, name: &str) {
        remove_file(&self.fs, name);
    }

    fn read(&mut self, at: u64, out: &mut [u8]) {
        read_file(&self.fs, must(self.file), at, out);
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        write_file(&self.fs, must(self.file), at, bytes);
    }

    fn list(&mut self) -> usize {
        let mut names = 0;
        let mut sink = |entry: DirEntry<'_>| {
            names += usize::from(!entry.name.as_bytes().is_empty());
            true
        };
        must(self.fs.dirs().readdir(self.fs.root(), Cookie(0), &mut sink).ok());
        names
    }
}

type Bytes = Cursor<Vec<u8>>;

/// fatfs, over a cursor.
pub(super) struct Fatfs {
    fs: &'static fatfs::FileSystem<Bytes>,
    file: Option<fatfs::File<'static, Bytes>>,
}

impl Drive for Fatfs {
    const NOTE: &str = "over bytes, so without sectors; moves a cluster a call";

    /// The volume stays for ever: its files borrow it.
    fn mount(volume: Volume) -> Self {
        let fs = fatfs::FileSystem::new(Cursor::new(volume.0), fatfs::FsOptions::new());
        Self { fs: Box::leak(Box::new(must(fs.ok()))), file: None }
    }

    fn open(&mut self, name: &str) {
        self.file = self.fs.root_dir().open_file(name).ok();
    }

    fn create(&mut self, name: &str) {
        self.file = self.fs.root_dir().create_file(name).ok();
    }

    fn close(&mut self) {
        must(must(self.file.take()).flush().ok());
    }

    fn remove(&mut self, name: &str) {
        must(self.fs.root_dir().remove(name).ok());
    }

    fn read(&mut self, at: u64, out: &mut [u8]) {
        let file = must(self.file.as_mut());
        must(file.seek(SeekFrom::Start(at)).ok());
        must(file.read_exact(out).ok());
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        let file = must(self.file.as_mut());
        must(file.seek(SeekFrom::Start(at)).ok());
        must(file.write_all(bytes).ok());
    }

    fn list(&mut self) -> usize {
        let named = |entry: &fatfs::DirEntry<'_, Bytes>| !entry.file_name().is_empty();
        self.fs.root_dir().iter().filter_map(Result::ok).filter(named).count()
    }
}

/// The disk of hadris-fat: its own, with requests of a page.
struct Paged(MemDevice<Vec<u8>>);

impl ErrorType for Paged {
    type Error = <MemDevice<Vec<u8>> as ErrorType>::Error;
}

type Refusal = hadris_io::Error<<Paged as ErrorType>::Error>;

impl hadris_storage::sync::BlockDevice for Paged {
    fn block_size(&self) -> BlockSize {
        self.0.block_size()
    }

    fn block_count(&self) -> u64 {
        self.0.block_count()
    }

    fn writable(&self) -> bool {
        true
    }

    fn read_blocks(&mut self, first: BlockIndex, out: &mut [u8]) -> Result<(), Refusal> {
        let mut pages = out.chunks_mut(4096).zip((first.get()..).step_by(4096 / SECTOR));
        pages.try_for_each(|(page, at)| self.0.read_blocks(BlockIndex::new(at), page))
    }

    fn write_blocks(&mut self, first: BlockIndex, bytes: &[u8]) -> Result<(), Refusal> {
        let mut pages = bytes.chunks(4096).zip((first.get()..).step_by(4096 / SECTOR));
        pages.try_for_each(|(page, at)| self.0.write_blocks(BlockIndex::new(at), page))
    }
}

/// hadris-fat with caches as large as ours.
pub(super) struct Hadris {
    fs: FatFs<Paged>,
    file: Option<NodeId>,
}

fn hadris_name(name: &str) -> &hadris_fs::Name {
    hadris_fs::Name::new(name)
}

impl Drive for Hadris {
    const NOTE: &str = "size and time of an open file in memory until it is closed";

    fn mount(volume: Volume) -> Self {
        let device = MemDevice::new(volume.0, must(BlockSize::new(512)));
        let fs = must(FatFs::mount(Paged(device), hadris_fs::MountOptions::new()).ok());
        let cache = CacheOptions::new().with_blocks(64).with_chain_positions(512);
        Self { fs: fs.with_cache(cache), file: None }
    }

    fn open(&mut self, name: &str) {
        let node = must(self.fs.lookup(self.fs.root(), hadris_name(name)).ok());
        must(self.fs.open(node, OpenMode::Write).ok());
        self.file = Some(node);
    }

    fn create(&mut self, name: &str) {
        let node = must(self.fs.create(self.fs.root(), hadris_name(name), &SetAttr::new()).ok());
        must(self.fs.open(node, OpenMode::Write).ok());
        self.file = Some(node);
    }

    fn close(&mut self) {
        let node = must(self.file.take());
        must(self.fs.close(node).ok());
        self.fs.forget(node, 1);
    }

    fn remove(&mut self, name: &str) {
        must(self.fs.unlink(self.fs.root(), hadris_name(name)).ok());
    }

    fn read(&mut self, at: u64, out: &mut [u8]) {
        let (node, mut done) = (must(self.file), 0);
        while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
            done += must(self.fs.read(node, at + done as u64, rest).ok().filter(|&count| count > 0));
        }
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        let (node, mut done) = (must(self.file), 0);
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            done += must(self.fs.write(node, at + done as u64, rest).ok().filter(|&count| count > 0));
        }
    }

    fn list(&mut self) -> usize {
        let (mut names, mut from) = (0, DirCursor::START);
        while let Some(entry) = must(self.fs.readdir(self.fs.root(), from).ok()) {
            names += usize::from(!entry.name().as_bytes().is_empty());
            from = entry.next_cursor();
        }
        names
    }
}

/// The disk of embedded-sdmmc: it wants a table of partitions before the volume.
struct Card {
    table: Block,
    volume: RefCell<Vec<u8>>,
}

/// The sector at which the volume begins.
const START: u32 = 2048;

impl Card {
    fn new(volume: Vec<u8>) -> Self {
        let mut table = Block::new();
        let sectors = must(u32::try_from(volume.len() / SECTOR).ok());
        let mut entry = [0; 16];
        let (kind, range) = entry.split_at_mut(8);
        kind.copy_from_slice(&[0, 0, 0, 0, 0x0c, 0, 0, 0]);
        range.copy_from_slice(&(u64::from(sectors) << 32 | u64::from(START)).to_le_bytes());
        must(table.contents.get_mut(446..462)).copy_from_slice(&entry);
        must(table.contents.get_mut(510..)).copy_from_slice(&[0x55, 0xaa]);
        Self { table, volume: RefCell::new(volume) }
    }
}

/// The bytes of a sector of the volume.
fn range(sector: u32) -> core::ops::Range<usize> {
    let start = (sector - START) as usize * SECTOR;
    start..start + SECTOR
}

impl BlockDevice for Card {
    type Error = DeviceError;

    fn read(&self, blocks: &mut [Block], first: BlockIdx) -> Result<(), DeviceError> {
        for (block, sector) in blocks.iter_mut().zip(first.0..) {
            if sector < START {
                *block = self.table.clone();
                continue;
            }
            let volume = self.volume.borrow();
            block.contents.copy_from_slice(must(volume.get(range(sector))));
        }
        Ok(())
    }

    fn write(&self, blocks: &[Block], first: BlockIdx) -> Result<(), DeviceError> {
        for (block, sector) in blocks.iter().zip(first.0..) {
            let mut volume = self.volume.borrow_mut();
            must(volume.get_mut(range(sector))).copy_from_slice(&block.contents);
        }
        Ok(())
    }

    fn num_blocks(&self) -> Result<BlockCount, DeviceError> {
        let sectors = self.volume.borrow().len() / SECTOR;
        Ok(BlockCount(must(u32::try_from(sectors).ok()) + START))
    }
}

struct NoClock;

impl TimeSource for NoClock {
    fn get_timestamp(&self) -> SdTime {
        SdTime::from_fat(33, 0)
    }
}

/// embedded-sdmmc.
pub(super) struct Embedded {
    volumes: VolumeManager<Card, NoClock>,
    root: RawDirectory,
    file: Option<RawFile>,
}

impl Embedded {
    fn open_as(&mut self, name: &str, how: OpenAs) {
        self.file = self.volumes.open_file_in_dir(self.root, name, how).ok();
    }

    fn seek(&self, at: u64) -> RawFile {
        let file = must(self.file);
        must(self.volumes.file_seek_from_start(file, must(u32::try_from(at).ok())).ok());
        file
    }
}

impl Drive for Embedded {
    const NOTE: &str = "keeps one sector in memory, by design";

    fn mount(volume: Volume) -> Self {
        let volumes = VolumeManager::new(Card::new(volume.0), NoClock);
        let volume = must(volumes.open_raw_volume(VolumeIdx(0)).ok());
        let root = must(volumes.open_root_dir(volume).ok());
        Self { volumes, root, file: None }
    }

    fn open(&mut self, name: &str) {
        self.open_as(name, OpenAs::ReadWriteAppend);
    }

    fn create(&mut self, name: &str) {
        self.open_as(name, OpenAs::ReadWriteCreate);
    }

    fn close(&mut self) {
        must(self.volumes.close_file(must(self.file.take())).ok());
    }

    fn remove(&mut self, name: &str) {
        must(self.volumes.delete_entry_in_dir(self.root, name).ok());
    }

    fn read(&mut self, at: u64, out: &mut [u8]) {
        let file = self.seek(at);
        assert_eq!(self.volumes.read(file, out).ok(), Some(out.len()), "a short read");
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        let file = self.seek(at);
        must(self.volumes.write(file, bytes).ok());
    }

    fn list(&mut self) -> usize {
        let (mut names, mut storage) = (0, [0; 765]);
        let mut long = LfnBuffer::new(&mut storage);
        let named = self.volumes.iterate_dir_lfn(self.root, &mut long, |entry, long| {
            let length = long.map_or(entry.name.base_name().len(), str::len);
            names += usize::from(length > 0);
            ControlFlow::Continue(())
        });
        must(named.ok());
        names
    }
}
