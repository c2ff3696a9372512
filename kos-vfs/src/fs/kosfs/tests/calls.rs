//! Random calls of a file system, and all that there is after them.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use crate::attr::{Attr, DeviceNumber, FileType, Ino, Mode, SetAttr, Timestamp};
use crate::error::FsError;
use crate::fs::{Allocate, Cookie, DirEntry, FileSystem, NewNode, Rename, RenameEnd, SyncMode};
use crate::name::{Name, PATH_MAX};

/// Names, some of them of the longest kind.
pub(super) fn name(number: u8) -> Vec<u8> {
    match number % 12 {
        0 => vec![0xff; 255],
        number => vec![b'a' + number],
    }
}

/// Calls of one file system, by directory and name.
pub(super) trait Calls: FileSystem {
    fn at(&self, dir: Ino, name: u8) -> Result<Attr, FsError> {
        let bytes = self::name(name);
        let attr = self.dirs().lookup(dir, Name::new(&bytes).unwrap())?;
        self.forget(attr.ino, 1);
        Ok(attr)
    }

    /// The directory that is `number` names down from the root; the root if there is none.
    fn dir(&self, number: u8) -> Ino {
        let root = self.root();
        let sub = if number.is_multiple_of(3) { Err(FsError::NotFound) } else { self.at(root, number) };
        sub.ok().filter(|attr| attr.kind == FileType::Directory).map_or(root, |attr| attr.ino)
    }
}

impl<F: FileSystem + ?Sized> Calls for F {}

/// Everything that there is: by path, attributes and bytes.
pub(super) type Snapshot = BTreeMap<Vec<u8>, (FileType, Mode, u32, u32, u64, Timestamp, Vec<u8>)>;

pub(super) fn snapshot(fs: &dyn FileSystem) -> Snapshot {
    let (mut found, mut rest) = (Snapshot::new(), vec![(Vec::new(), fs.root())]);
    while let Some((path, dir)) = rest.pop() {
        for (name, ino, kind) in names_of(fs, dir) {
            let mut path = path.clone();
            path.extend([b'/']);
            path.extend(&name);
            let attr = fs.load(ino).unwrap();
            assert_eq!((attr.kind, attr.ino), (kind, ino));
            let size = if kind == FileType::Directory { 0 } else { attr.size };
            let bytes = content(fs, &attr);
            fs.forget(ino, 1);
            let seen = (kind, attr.mode, attr.uid, attr.links, size, attr.modified, bytes);
            assert!(found.insert(path.clone(), seen).is_none(), "a name comes twice");
            if kind == FileType::Directory {
                rest.push((path, ino));
            }
        }
    }
    found
}

/// The names of a directory, three with each call.
pub(super) fn names_of(fs: &dyn FileSystem, dir: Ino) -> Vec<(Vec<u8>, Ino, FileType)> {
    let (mut names, mut from) = (Vec::new(), Cookie(0));
    loop {
        let mut taken = Vec::new();
        let mut sink = |entry: DirEntry<'_>| {
            let room = taken.len() < 3;
            if room {
                taken.push((entry.name.as_bytes().to_vec(), entry.ino, entry.kind, entry.next));
            }
            room
        };
        fs.dirs().readdir(dir, from, &mut sink).unwrap();
        let Some((.., next)) = taken.last() else { return names };
        from = *next;
        names.extend(taken.into_iter().map(|(name, ino, kind, _)| (name, ino, kind)));
    }
}

pub(super) fn content(fs: &dyn FileSystem, attr: &Attr) -> Vec<u8> {
    let mut bytes = match attr.kind {
        FileType::Regular => vec![0xee; usize::try_from(attr.size).unwrap() + 10],
        FileType::Symlink => vec![0; PATH_MAX],
        _ => return Vec::new(),
    };
    let length = match attr.kind {
        FileType::Regular => fs.files().read_at(attr.ino, 0, &mut bytes).unwrap(),
        _ => fs.dirs().readlink(attr.ino, (&mut bytes[..]).try_into().unwrap()).unwrap(),
    };
    bytes.truncate(length);
    bytes
}

#[derive(Clone, Debug)]
pub(super) enum Op {
    Create(u8, u8, u8),
    Nameless(u8),
    Remove(u8, u8),
    Link(u8, u8, u8, u8),
    Rename(u8, u8, u8, u8, bool),
    Write(u8, u8, u32, u16),
    Truncate(u8, u8, u32),
    Punch(u8, u8, u32, u16),
    SetMode(u8, u8, u16),
    Sync,
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let n = || 0..12_u8;
    prop_oneof![
        6 => (n(), n(), 0..6_u8).prop_map(|(a, b, c)| Op::Create(a, b, c)),
        1 => n().prop_map(Op::Nameless),
        3 => (n(), n()).prop_map(|(a, b)| Op::Remove(a, b)),
        2 => (n(), n(), n(), n()).prop_map(|(a, b, c, d)| Op::Link(a, b, c, d)),
        4 => (n(), n(), n(), n(), any::<bool>()).prop_map(|(a, b, c, d, e)| Op::Rename(a, b, c, d, e)),
        8 => (n(), n(), prop_oneof![0..1200_u32, 0..200_000_u32], 0..20_000_u16)
            .prop_map(|(a, b, at, length)| Op::Write(a, b, at, length)),
        3 => (n(), n(), prop_oneof![0..1500_u32, 0..300_000_u32]).prop_map(|(a, b, size)| Op::Truncate(a, b, size)),
        2 => (n(), n(), 0..100_000_u32, 0..60_000_u16).prop_map(|(a, b, at, length)| Op::Punch(a, b, at, length)),
        1 => (n(), n(), 0..0o1000_u16).prop_map(|(a, b, mode)| Op::SetMode(a, b, mode)),
        2 => Just(Op::Sync),
    ]
}

pub(super) fn seen(attr: Attr) -> (u64, u32) {
    (if attr.kind == FileType::Directory { 0 } else { attr.size }, attr.links)
}

/// Does `op` at time `step`; says what came of it, but for numbers of files.
pub(super) fn apply(fs: &dyn FileSystem, op: &Op, step: u32) -> Result<(u64, u32), FsError> {
    let now = Timestamp::new(step.into(), 5).unwrap();
    match *op {
        Op::Create(dir, number, kind) => create(fs, dir, number, kind, now),
        Op::Nameless(dir) => nameless(fs, dir, now),
        Op::Remove(dir, number) => remove(fs, dir, number, now),
        Op::Link(dir, number, to, other) => {
            let attr = fs.at(fs.dir(dir), number)?;
            if attr.kind == FileType::Directory {
                return Err(FsError::IsDirectory);
            }
            let bytes = name(other);
            Ok(seen(fs.dirs().link(fs.dir(to), Name::new(&bytes).unwrap(), attr.ino, now)?))
        }
        Op::Rename(dir, number, to, other, exchange) => rename(fs, [dir, number, to, other], exchange, now),
        Op::Write(dir, number, at, length) => write(fs, regular(fs, dir, number)?, at, length, step),
        Op::Truncate(dir, number, size) => {
            Ok(seen(fs.files().truncate(regular(fs, dir, number)?, size.into(), now)?))
        }
        Op::Punch(dir, number, at, length) => {
            let how = if length % 2 == 0 { Allocate::PunchHole } else { Allocate::Zero };
            let file = regular(fs, dir, number)?;
            Ok(seen(fs.files().allocate(file, how, at.into(), u64::from(length) + 1, now)?))
        }
        Op::SetMode(dir, number, mode) => {
            let attr = fs.at(fs.dir(dir), number)?;
            let set = SetAttr { mode: Some(Mode::of(mode)), uid: Some(9), ..SetAttr::default() };
            Ok(seen(fs.set_attr(attr.ino, &set)?))
        }
        Op::Sync => fs.sync(SyncMode::All).map(|()| (0, 0)),
    }
}

/// A new file of `kind`, without anything.
pub(super) fn new_node(kind: FileType, target: &[u8], now: Timestamp) -> NewNode<'_> {
    let device = DeviceNumber::default();
    NewNode { kind, mode: Mode::of(0o644), uid: 3, gid: 4, device, target, now }
}

pub(super) fn create(
    fs: &dyn FileSystem,
    dir: u8,
    number: u8,
    kind: u8,
    now: Timestamp,
) -> Result<(u64, u32), FsError> {
    let (short, long) = (vec![b'x'; 20], vec![b'y'; 3000]);
    let (kind, target) = match kind {
        0 | 1 => (FileType::Regular, &[][..]),
        2 => (FileType::Directory, &[][..]),
        3 => (FileType::Fifo, &[][..]),
        4 => (FileType::Symlink, &long[..]),
        _ => (FileType::Symlink, &short[..]),
    };
    let bytes = name(number);
    let attr = fs.dirs().create(fs.dir(dir), Name::new(&bytes).unwrap(), &new_node(kind, target, now))?;
    fs.forget(attr.ino, 1);
    Ok(seen(attr))
}

/// A file that never has a name, and goes with its use.
pub(super) fn nameless(fs: &dyn FileSystem, dir: u8, now: Timestamp) -> Result<(u64, u32), FsError> {
    let attr = fs.dirs().create_nameless(fs.dir(dir), &new_node(FileType::Regular, &[], now))?;
    let wrote = fs.files().write_at(attr.ino, 5000, &[9; 9000], now)?;
    fs.forget(attr.ino, 1);
    Ok((wrote as u64, attr.links))
}

/// Takes a name away; of a file that is open meanwhile.
pub(super) fn remove(
    fs: &dyn FileSystem,
    dir: u8,
    number: u8,
    now: Timestamp,
) -> Result<(u64, u32), FsError> {
    let (dir, bytes) = (fs.dir(dir), name(number));
    let attr = fs.at(dir, number)?;
    let name = Name::new(&bytes).unwrap();
    if attr.kind == FileType::Directory {
        fs.dirs().rmdir(dir, name, attr.ino, now)?;
        return Ok((0, 0));
    }
    fs.load(attr.ino)?;
    fs.dirs().unlink(dir, name, attr.ino, now)?;
    let left = fs.attr(attr.ino)?;
    fs.forget(attr.ino, 1);
    Ok(seen(left))
}

pub(super) fn write(
    fs: &dyn FileSystem,
    file: Ino,
    at: u32,
    length: u16,
    step: u32,
) -> Result<(u64, u32), FsError> {
    let now = Timestamp::new(step.into(), 5).unwrap();
    let byte = |at: u16| at.wrapping_mul(31).to_le_bytes()[0] ^ step.to_le_bytes()[0];
    let bytes: Vec<u8> = (0..length).map(byte).collect();
    let mut done = 0;
    while done < bytes.len() {
        done += fs.files().write_at(file, u64::from(at) + done as u64, &bytes[done..], now)?;
    }
    Ok(seen(fs.attr(file)?))
}

pub(super) fn regular(fs: &dyn FileSystem, dir: u8, number: u8) -> Result<Ino, FsError> {
    let attr = fs.at(fs.dir(dir), number)?;
    if attr.kind == FileType::Regular { Ok(attr.ino) } else { Err(FsError::IsDirectory) }
}

/// A rename by the rules that the VFS keeps; directories move to the root alone, so that there are no loops.
pub(super) fn rename(
    fs: &dyn FileSystem,
    [dir, number, to, other]: [u8; 4],
    exchange: bool,
    now: Timestamp,
) -> Result<(u64, u32), FsError> {
    let (from_dir, to_dir) = (fs.dir(dir), fs.dir(to));
    let (from_name, to_name) = (name(number), name(other));
    let moved = fs.at(from_dir, number)?;
    let target = match fs.at(to_dir, other) {
        Err(FsError::NotFound) if !exchange => None,
        other => Some(other?),
    };
    let directory = |attr: &Attr| attr.kind == FileType::Directory;
    let moves_down = directory(&moved) && to_dir != fs.root()
        || target.is_some_and(|attr| exchange && directory(&attr) && from_dir != fs.root());
    let mixed = target.is_some_and(|target| !exchange && directory(&target) != directory(&moved));
    if moves_down || mixed || target.is_some_and(|target| target.ino == moved.ino) {
        return Err(FsError::Unsupported);
    }
    if target.is_some_and(|target| target.ino == from_dir) {
        return Err(FsError::NotEmpty);
    }
    fs.dirs().rename(&Rename {
        from: RenameEnd { dir: from_dir, name: Name::new(&from_name).unwrap(), file: Some(moved.ino) },
        to: RenameEnd { dir: to_dir, name: Name::new(&to_name).unwrap(), file: target.map(|attr| attr.ino) },
        exchange,
        now,
    })?;
    Ok((0, fs.attr(moved.ino)?.links))
}
