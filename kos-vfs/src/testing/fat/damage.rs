//! A volume with bytes changed: nothing may panic, nothing may take for ever; [`mount_fat`].

use alloc::vec;

use super::model::FatModel;
use super::{FatOp, TestLock};
use crate::attr::{DeviceNumber, FileType, Mode, Timestamp};
use crate::block::{BlockDevice, WriteMode};
use crate::error::FsError;
use crate::fs::fat::{Fat, FatKind, MkfsOptions, MountOptions, fsck, mkfs};
use crate::fs::{Cookie, DirEntry, FileSystem, NewNode, Rename, RenameEnd, SyncMode};
use crate::name::Name;
use crate::testing::RamDisk;

/// A volume with a few files and directories.
pub(crate) fn sample(kind: FatKind) -> RamDisk {
    let (bytes, cluster) = match kind {
        FatKind::Fat12 => (256 << 10, 512),
        FatKind::Fat16 => (3 << 20, 512),
        FatKind::Fat32 => (34 << 20, 512),
    };
    let disk = RamDisk::with_size(bytes, 512);
    mkfs(&disk, &MkfsOptions { cluster_bytes: Some(cluster), ..MkfsOptions::new(kind) }).expect("a volume");
    let fat = Fat::<_, TestLock>::mount(&disk, MountOptions::default()).expect("it mounts");
    let mut model = FatModel::new(&fat);
    for number in 0..60_u8 {
        let code = [0, 3, 4, 5, 12, 1][usize::from(number) % 6];
        let (offset, length) = (u16::from(number) * 31, 700 * u16::from(number));
        let op = FatOp { code, a: number, b: number / 3, name: number.wrapping_mul(7), offset, length };
        let _ = model.step(&fat, op);
    }
    model.forget(&fat);
    fat.sync(SyncMode::All).expect("a RAM disk");
    disk
}

/// Reads much, changes something, checks and mends.
///
/// # Panics
/// If a second check does not find exactly what the first one left.
pub(crate) fn use_damaged(disk: &RamDisk) {
    if let Ok(fat) = Fat::<_, TestLock>::mount(disk, MountOptions::default()) {
        read_some(&fat);
        let _ = change_some(&fat);
        let _ = fat.statfs();
        let _ = fat.sync(SyncMode::All);
    }
    let Ok(mended) = fsck(disk, true, &mut |_, _| {}) else { return };
    let mut left = vec![];
    let again = fsck(disk, false, &mut |problem, _| left.push(*problem)).expect("it was just mended");
    assert_eq!(again.problems, mended.left(), "{left:?}");
}

/// Reads up to 200 files; a damaged tree may have no end.
fn read_some(fs: &dyn FileSystem) {
    let (mut pending, mut left) = (vec![fs.root()], 200);
    while left > 0
        && let Some(dir) = pending.pop()
    {
        let mut names = vec![];
        let mut sink = |entry: DirEntry<'_>| {
            left -= 1;
            names.push(entry.name.as_bytes().to_vec());
            left > 0
        };
        let _ = fs.dirs().readdir(dir, Cookie(0), &mut sink);
        for name in names {
            let Ok(name) = Name::new(&name) else { continue };
            let Ok(found) = fs.dirs().lookup(dir, name) else { continue };
            if found.kind == FileType::Directory {
                pending.push(found.ino);
            }
            let mut buffer = [0; 3000];
            for offset in [0, found.size / 2, found.size.saturating_sub(1)] {
                let _ = fs.files().read_at(found.ino, offset, &mut buffer);
            }
        }
    }
}

/// Makes, grows, cuts, renames and removes files.
fn change_some(fs: &dyn FileSystem) -> Result<(), FsError> {
    let (root, now) = (fs.root(), Timestamp::EPOCH);
    let mode = Mode::of(0o755);
    let [one, other] = [b"made in a damaged volume", b"and then renamed in it.x"].map(|name| Name::new(name));
    let (Ok(one), Ok(other)) = (one, other) else { return Ok(()) };
    let kind = FileType::Regular;
    let new = NewNode { kind, mode, uid: 0, gid: 0, device: DeviceNumber::default(), target: b"", now };
    let made = fs.dirs().create(root, one, &new)?;
    fs.files().write_at(made.ino, 100, &[7; 5000], now)?;
    fs.files().truncate(made.ino, 600, now)?;
    let from = RenameEnd { dir: root, name: one, file: Some(made.ino) };
    let to = RenameEnd { dir: root, name: other, file: None };
    let _ = fs.dirs().rename(&Rename { from, to, exchange: false, now });
    let dir = fs.dirs().create(root, one, &NewNode { kind: FileType::Directory, ..new })?;
    fs.dirs().rmdir(root, one, dir.ino, now)?;
    fs.forget(dir.ino, 1);
    let a_file =
        Name::new(b"A").map_or(Err(FsError::BadName), |name| Ok((name, fs.dirs().lookup(root, name)?)));
    let (name, old) = a_file?;
    fs.files().truncate(old.ino, 50_000, now)?;
    fs.dirs().unlink(root, name, old.ino, now)?;
    fs.forget(old.ino, 1);
    Ok(())
}

/// The body of the fuzz target: the first byte chooses the kind, then every four bytes change one.
pub fn mount_fat(data: &[u8]) {
    let Some((&kind, changes)) = data.split_first() else { return };
    let kind = [FatKind::Fat12, FatKind::Fat16, FatKind::Fat32][usize::from(kind % 3)];
    let disk = sample(kind);
    for change in changes.as_chunks::<4>().0.iter().take(256) {
        let at = u64::from(u32::from_le_bytes([change[0], change[1], change[2], 0]));
        damage(&disk, at, change[3]);
    }
    use_damaged(&disk);
}

/// Changes one byte of what the volume uses: the first 128 KiB.
pub(crate) fn damage(disk: &RamDisk, at: u64, value: u8) {
    let at = at % (128 << 10);
    let mut sector = [0; 512];
    disk.read(at / 512, &mut sector).expect("a RAM disk");
    sector[at as usize % 512] = value;
    disk.write(at / 512, &sector, WriteMode::Cached).expect("a RAM disk");
}
