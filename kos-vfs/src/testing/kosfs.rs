//! kosfs over images of which nothing is to be believed, with checksums that are right: [`mount_kosfs`], [`fsck_kosfs`].

#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "test helpers: what is wrong shall fail loudly"
)]

use alloc::vec;
use alloc::vec::Vec;
use std::sync::OnceLock;

use crate::attr::{DeviceNumber, FileType, Mode, Timestamp};
use crate::block::{BlockDevice, WriteMode};
use crate::error::FsError;
use crate::fs::kosfs::{FsckOptions, KosFs, MkfsOptions, MountOptions, blocks_of_tree, fsck, mkfs, reseal};
use crate::fs::{Cookie, DirEntry, FileSystem, NewNode, SyncMode, XattrFlags};
use crate::name::{Name, PATH_MAX};

use super::RamDisk;

type Lock = spin::RwLock<()>;

/// A volume of 4 MiB with some files of all kinds, and where its tree and superblocks are.
fn sample() -> &'static (RamDisk, Vec<u64>) {
    static SAMPLE: OnceLock<(RamDisk, Vec<u64>)> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let disk = RamDisk::with_size(4 << 20, 4096);
        let (uuid, label, now) = (*b"a volume to fuzz", [0; 64], Timestamp::EPOCH);
        let options = MkfsOptions { uuid, label, now, uid: 0, gid: 0, hash_key: [1; 16] };
        mkfs::<_, Lock>(&disk, &options).expect("a RAM disk");
        let fs = KosFs::<_, Lock>::mount(&disk, MountOptions::default()).expect("a new volume");
        fill(&fs).expect("there is space");
        drop(fs);
        let blocks = blocks_of_tree(&disk).expect("a RAM disk");
        (disk, blocks)
    })
}

fn new(kind: FileType) -> NewNode<'static> {
    let target: &[u8] = if kind == FileType::Symlink { b"elsewhere" } else { b"" };
    let (mode, device, now) = (Mode::of(0o755), DeviceNumber::default(), Timestamp::EPOCH);
    NewNode { kind, mode, uid: 0, gid: 0, device, target, now }
}

fn name(bytes: &[u8]) -> Result<Name<'_>, FsError> {
    Name::new(bytes).map_err(|_| FsError::BadName)
}

fn fill(fs: &dyn FileSystem) -> Result<(), FsError> {
    let (root, now) = (fs.root(), Timestamp::EPOCH);
    let dir = fs.dirs().create(root, name(b"dir")?, &new(FileType::Directory))?.ino;
    let below = fs.dirs().create(dir, name(b"below")?, &new(FileType::Directory))?.ino;
    fs.dirs().create(below, name(b"soft")?, &new(FileType::Symlink))?;
    for number in 0..40_u8 {
        let file = fs.dirs().create(dir, name(&[b'a' + number])?, &new(FileType::Regular))?.ino;
        fs.files().write_at(file, 0, &vec![number; usize::from(number) * 300], now)?;
    }
    let large = fs.dirs().create(root, name(b"large")?, &new(FileType::Regular))?.ino;
    fs.files().write_at(large, 5000, &[7; 100_000], now)?;
    if let Some(xattrs) = fs.xattrs() {
        xattrs.set(large, b"user.long", &[8; 3000], XattrFlags::empty(), now)?;
    }
    fs.dirs().link(below, name(b"again")?, large, now)?;
    fs.sync(SyncMode::All)
}

/// The sample with bytes changed, of which every four of `data` tell one: a block of the tree or a superblock, where, and what.
/// All checksums fit.
fn hostile(data: &[u8]) -> RamDisk {
    let (disk, blocks) = sample();
    let disk = disk.clone();
    for change in data.as_chunks::<4>().0.iter().take(64) {
        let block = blocks[usize::from(change[0]) % blocks.len()];
        let mut bytes = [0; 4096];
        disk.read(block, &mut bytes).expect("a RAM disk");
        let at = usize::from(u16::from_le_bytes([change[1], change[2]])) % 4096;
        bytes[at] = change[3];
        disk.write(block, &bytes, WriteMode::Cached).expect("a RAM disk");
    }
    reseal(&disk).expect("a RAM disk");
    disk
}

/// Mounts a hostile image, reads much and changes something.
pub fn mount_kosfs(data: &[u8]) {
    use_it(&hostile(data));
}

/// Mounts `disk` and uses it, if that goes.
fn use_it(disk: &RamDisk) {
    let Ok(fs) = KosFs::<_, Lock>::mount(disk, MountOptions::default()) else { return };
    read_some(&fs);
    let _ = change_some(&fs);
    let _ = fs.statfs();
    let _ = fs.sync(SyncMode::All);
}

/// Checks a hostile image, mends it, checks again, and uses it.
///
/// # Panics
/// If something is found after everything was mended.
pub fn fsck_kosfs(data: &[u8]) {
    let disk = hostile(data);
    let _ = fsck::<_, Lock>(&disk, &FsckOptions { data: true, ..FsckOptions::default() }, &mut |_, _| {});
    let options = FsckOptions { repair: true, ..FsckOptions::default() };
    let Ok(report) = fsck::<_, Lock>(&disk, &options, &mut |_, _| {}) else { return };
    let mut found = Vec::new();
    let again = fsck::<_, Lock>(&disk, &FsckOptions::default(), &mut |problem, _| found.push(*problem));
    let again = again.expect("it was just mended");
    assert!(again.problems == 0 || report.left() > 0, "{found:?}");
    use_it(&disk);
}

/// Reads up to 200 files; a damaged tree may have no end.
fn read_some(fs: &dyn FileSystem) {
    let (mut pending, mut left) = (vec![fs.root()], 200);
    while left > 0
        && let Some(dir) = pending.pop()
    {
        let mut found = vec![];
        let mut sink = |entry: DirEntry<'_>| {
            left -= 1;
            found.push((entry.ino, entry.kind));
            left > 0
        };
        let _ = fs.dirs().readdir(dir, Cookie(0), &mut sink);
        for (ino, kind) in found {
            if kind == FileType::Directory {
                pending.push(ino);
            }
            let Ok(attr) = fs.load(ino) else { continue };
            let mut buffer = [0; PATH_MAX];
            for offset in [0, attr.size / 2, attr.size.saturating_sub(1)] {
                let _ = fs.files().read_at(ino, offset, &mut buffer);
            }
            let _ = fs.dirs().readlink(ino, &mut buffer);
            if let Some(xattrs) = fs.xattrs() {
                let _ = xattrs.list(ino, &mut |_| true);
                let _ = xattrs.get(ino, b"user.long", &mut buffer);
            }
            fs.forget(ino, 1);
        }
    }
}

/// Makes, grows, cuts and removes files.
fn change_some(fs: &dyn FileSystem) -> Result<(), FsError> {
    let (root, now) = (fs.root(), Timestamp::EPOCH);
    let made = fs.dirs().create(root, name(b"made")?, &new(FileType::Regular))?;
    fs.files().write_at(made.ino, 100, &[7; 5000], now)?;
    fs.files().truncate(made.ino, 600, now)?;
    fs.dirs().unlink(root, name(b"made")?, made.ino, now)?;
    fs.forget(made.ino, 1);
    let dir = fs.dirs().lookup(root, name(b"dir")?)?.ino;
    for number in 0..40_u8 {
        let bytes = [b'a' + number];
        let Ok(old) = fs.dirs().lookup(dir, name(&bytes)?) else { continue };
        let _ = fs.files().write_at(old.ino, 3000, &[1; 3000], now);
        let _ = fs.files().truncate(old.ino, 2000, now);
        let _ = fs.dirs().unlink(dir, name(&bytes)?, old.ino, now);
        fs.forget(old.ino, 1);
    }
    let large = fs.dirs().lookup(root, name(b"large")?)?.ino;
    let _ = fs.files().truncate(large, 70_000, now);
    fs.dirs().unlink(root, name(b"large")?, large, now)?;
    fs.forget(large, 1);
    Ok(())
}
