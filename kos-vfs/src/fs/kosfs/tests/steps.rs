//! Steps that change files, and what is there after them.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::attr::{DeviceNumber, FileType, Ino, Mode, SetAttr, Timestamp};
use crate::block::BlockDevice;
use crate::error::FsError;
use crate::fs::kosfs::{FsckOptions, KosFs, MkfsOptions, MountOptions, fsck, mkfs};
use crate::fs::{Allocate, Cookie, DirEntry, FileSystem, NewNode, Rename, RenameEnd, SyncMode, XattrFlags};
use crate::name::{Name, PATH_MAX};
use crate::testing::RamDisk;

type Lock = spin::RwLock<()>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Create,
    CreateBelow,
    Append,
    Overwrite,
    OverwriteShort,
    Lengthen,
    Shrink,
    Grow,
    Punch,
    Unlink,
    UnlinkLong,
    UnlinkInUse,
    Rename,
    RenameOver,
    RenameDirectory,
    Exchange,
    Link,
    Mkdir,
    Rmdir,
    Symlink,
    LongSymlink,
    SetMode,
    SetXattr,
    RemoveXattr,
    Room,
}

pub(super) const STEPS: [Step; 25] = [
    Step::Create,
    Step::CreateBelow,
    Step::Append,
    Step::Overwrite,
    Step::OverwriteShort,
    Step::Lengthen,
    Step::Shrink,
    Step::Grow,
    Step::Punch,
    Step::Unlink,
    Step::UnlinkLong,
    Step::UnlinkInUse,
    Step::Rename,
    Step::RenameOver,
    Step::RenameDirectory,
    Step::Exchange,
    Step::Link,
    Step::Mkdir,
    Step::Rmdir,
    Step::Symlink,
    Step::LongSymlink,
    Step::SetMode,
    Step::SetXattr,
    Step::RemoveXattr,
    Step::Room,
];

/// Path, kind, links, size and bytes of all files.
pub(super) type Files = BTreeMap<Vec<u8>, (FileType, Mode, u32, u64, Vec<u8>)>;

pub(super) fn files(fs: &dyn FileSystem) -> Result<Files, FsError> {
    let (mut found, mut rest) = (Files::new(), vec![(Vec::new(), fs.root())]);
    while let Some((path, dir)) = rest.pop() {
        let mut names = Vec::new();
        let mut sink = |entry: DirEntry<'_>| {
            names.push((entry.name.as_bytes().to_vec(), entry.ino));
            true
        };
        fs.dirs().readdir(dir, Cookie(0), &mut sink)?;
        for (name, ino) in names {
            let attr = fs.attr(ino)?;
            let path = [&path[..], b"/", &name].concat();
            let mut bytes =
                vec![0; if attr.kind == FileType::Regular { attr.size as usize } else { PATH_MAX }];
            let length = match attr.kind {
                FileType::Regular => fs.files().read_at(ino, 0, &mut bytes)?,
                FileType::Symlink => fs.dirs().readlink(ino, (&mut bytes[..]).try_into().unwrap())?,
                _ => 0,
            };
            bytes.truncate(length);
            if attr.kind == FileType::Directory {
                rest.push((path.clone(), ino));
            }
            attributes(fs, ino, &mut bytes)?;
            found.insert(path, (attr.kind, attr.mode, attr.links, attr.size, bytes));
        }
    }
    Ok(found)
}

/// Adds all attributes of a file to `bytes`.
fn attributes(fs: &dyn FileSystem, file: Ino, bytes: &mut Vec<u8>) -> Result<(), FsError> {
    let (xattrs, mut names) = (fs.xattrs().unwrap(), Vec::new());
    xattrs.list(file, &mut |name| {
        names.push(name.to_vec());
        true
    })?;
    names.sort();
    for name in names {
        let mut value = vec![0; 1 << 16];
        let length = xattrs.get(file, &name, &mut value)?;
        bytes.extend(name.iter().chain(&value[..length]));
    }
    Ok(())
}

pub(super) fn name(bytes: &[u8]) -> Name<'_> {
    Name::new(bytes).unwrap()
}

pub(super) fn find(fs: &dyn FileSystem, dir: Ino, bytes: &[u8]) -> Result<Ino, FsError> {
    let attr = fs.dirs().lookup(dir, name(bytes))?;
    fs.forget(attr.ino, 1);
    Ok(attr.ino)
}

pub(super) fn make(
    fs: &dyn FileSystem,
    dir: Ino,
    bytes: &[u8],
    kind: FileType,
    target: &[u8],
) -> Result<Ino, FsError> {
    let (mode, now, device) = (Mode::of(0o644), Timestamp::EPOCH, DeviceNumber::default());
    let new = NewNode { kind, mode, uid: 0, gid: 0, device, target, now };
    let attr = fs.dirs().create(dir, name(bytes), &new)?;
    fs.forget(attr.ino, 1);
    Ok(attr.ino)
}

fn write(fs: &dyn FileSystem, file: Ino, at: u64, length: usize, byte: u8) -> Result<(), FsError> {
    let bytes = vec![byte; length];
    fs.files().write_at(file, at, &bytes, Timestamp::EPOCH).map(|_| ())
}

fn unlink(fs: &dyn FileSystem, bytes: &[u8]) -> Result<(), FsError> {
    let file = find(fs, fs.root(), bytes)?;
    fs.dirs().unlink(fs.root(), name(bytes), file, Timestamp::EPOCH)
}

fn rename(fs: &dyn FileSystem, from: &[u8], to: &[u8], exchange: bool) -> Result<(), FsError> {
    let (root, now) = (fs.root(), Timestamp::EPOCH);
    let from = RenameEnd { dir: root, name: name(from), file: Some(find(fs, root, from)?) };
    let to = RenameEnd { dir: root, name: name(to), file: find(fs, root, to).ok() };
    if from.file == to.file {
        return Err(FsError::Exists);
    }
    fs.dirs().rename(&Rename { from, to, exchange, now })
}

/// Long `a` and short `b`, `d` with `c`, and `e` without anything.
fn set_up(fs: &dyn FileSystem) -> Result<(), FsError> {
    let root = fs.root();
    write(fs, make(fs, root, b"a", FileType::Regular, &[])?, 0, 20_000, 1)?;
    let long = find(fs, root, b"a")?;
    fs.xattrs().unwrap().set(long, b"user.one", &[9; 2500], XattrFlags::empty(), Timestamp::EPOCH)?;
    write(fs, make(fs, root, b"b", FileType::Regular, &[])?, 0, 300, 2)?;
    let dir = make(fs, root, b"d", FileType::Directory, &[])?;
    write(fs, make(fs, dir, b"c", FileType::Regular, &[])?, 0, 5000, 3)?;
    make(fs, root, b"e", FileType::Directory, &[])?;
    fs.sync(SyncMode::All)
}

/// Does a step, number `count` of its workload. What earlier steps made impossible fails.
pub(super) fn step(fs: &dyn FileSystem, step: Step, count: u8) -> Result<(), FsError> {
    let (root, now) = (fs.root(), Timestamp::EPOCH);
    let at = |bytes: &[u8]| find(fs, root, bytes);
    let fill = count + 10;
    match step {
        Step::Create => make(fs, root, b"new", FileType::Regular, &[]).map(|_| ()),
        Step::CreateBelow => {
            let file = make(fs, at(b"d")?, &[b'x', count + 1], FileType::Regular, &[])?;
            write(fs, file, 0, 6000, fill)
        }
        Step::Append => write(fs, at(b"a")?, fs.attr(at(b"a")?)?.size, 3000, fill),
        Step::Overwrite => write(fs, at(b"a")?, 3000, 6000, fill),
        Step::OverwriteShort => write(fs, at(b"b")?, 100, 150, fill),
        Step::Lengthen => write(fs, at(b"b")?, 5000, 100, fill),
        Step::Shrink => fs.files().truncate(at(b"a")?, 4500, now).map(|_| ()),
        Step::Grow => fs.files().truncate(at(b"b")?, 9000, now).map(|_| ()),
        Step::Punch => fs.files().allocate(at(b"a")?, Allocate::PunchHole, 4000, 9000, now).map(|_| ()),
        Step::Unlink => unlink(fs, b"b"),
        Step::UnlinkLong => unlink(fs, b"a"),
        Step::UnlinkInUse => {
            fs.load(at(b"a")?)?; // and never given back
            unlink(fs, b"a")
        }
        Step::Rename => rename(fs, b"a", b"moved", false),
        Step::RenameOver => rename(fs, b"b", b"a", false),
        Step::RenameDirectory => rename(fs, b"d", b"e", false),
        Step::Exchange => rename(fs, b"a", b"d", true),
        Step::Link => fs.dirs().link(at(b"d")?, name(b"linked"), at(b"a")?, now).map(|_| ()),
        Step::Mkdir => make(fs, root, b"made", FileType::Directory, &[]).map(|_| ()),
        Step::Rmdir => fs.dirs().rmdir(root, name(b"e"), at(b"e")?, now),
        Step::Symlink => make(fs, root, b"soft", FileType::Symlink, b"somewhere").map(|_| ()),
        Step::LongSymlink => make(fs, root, b"far", FileType::Symlink, &[b'y'; 3000]).map(|_| ()),
        Step::SetMode => {
            let set = SetAttr { mode: Some(Mode::of(0o600 + u16::from(count))), ..SetAttr::default() };
            fs.set_attr(at(b"b")?, &set).map(|_| ())
        }
        Step::SetXattr => {
            let value = vec![fill; 1500 * usize::from(count + 1)];
            fs.xattrs().unwrap().set(at(b"a")?, b"user.set", &value, XattrFlags::empty(), now)
        }
        Step::RemoveXattr => fs.xattrs().unwrap().remove(at(b"a")?, b"user.one", now),
        Step::Room => {
            fs.files().allocate(at(b"a")?, Allocate::Grow, 15_000, 30_000, now)?;
            write(fs, at(b"a")?, 24_000, 5000, fill)
        }
    }
}

pub(super) fn mount<D: BlockDevice>(device: D, read_only: bool) -> Result<KosFs<D, Lock>, String> {
    let options = MountOptions { read_only, nodes: 8, bitmaps: 1 };
    KosFs::mount(device, options).map_err(|error| format!("it does not mount: {error}"))
}

pub(super) fn base() -> RamDisk {
    let disk = RamDisk::with_size(4 << 20, 512);
    let (uuid, label, now) = (*b"a volume to kill", [0; 64], Timestamp::EPOCH);
    mkfs::<_, Lock>(&disk, &MkfsOptions { uuid, label, now, uid: 0, gid: 0, hash_key: [5; 16] }).unwrap();
    set_up(&mount(&disk, false).unwrap()).unwrap();
    disk
}

/// The next of a row of numbers (xorshift64).
pub(super) fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

pub(super) fn clean(disk: &RamDisk) -> Result<(), String> {
    let mut found = Vec::new();
    let options = FsckOptions { data: true, ..FsckOptions::default() };
    let report = fsck::<_, Lock>(disk, &options, &mut |problem, _| found.push(*problem));
    match report {
        Ok(report) if report.problems == 0 => Ok(()),
        other => Err(format!("not clean: {other:?} {found:?}")),
    }
}
