//! What every file system must do: [`check_file_system`].

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test helper: what is wrong shall fail loudly"
)]

use alloc::vec;
use alloc::vec::Vec;

use crate::attr::{Attr, DeviceNumber, FileType, Ino, Mode, SetAttr, Timestamp};
use crate::error::FsError;
use crate::fs::{Cookie, DirEntry, FileSystem, NewNode, Rename, RenameEnd, SyncMode};
use crate::name::Name;

/// A time that every driver stores as it is.
const NOW: Timestamp = match Timestamp::new(1_000_000_000, 0) {
    Some(now) => now,
    None => Timestamp::EPOCH,
};

/// Checks an empty, writable file system with 256 KiB of room against the contract of [`FileSystem`], and leaves it empty: names, bytes, sizes,
/// files in use without a name, lists that are read in pieces, space that comes back. What only some drivers do (links,
/// symlinks, attributes, promises) is left out.
///
/// # Panics
/// If the driver breaks the contract.
pub fn check_file_system(fs: &dyn FileSystem) {
    let free = settled(fs);
    check_names(fs);
    check_renames(fs);
    check_bytes(fs);
    check_sizes(fs);
    check_in_use(fs);
    check_list(fs);
    check_space(fs);
    assert_eq!(listed(fs, fs.root(), 7), Vec::<Vec<u8>>::new(), "it is empty again");
    assert!(settled(fs) + 8 >= free, "room is lost");
}

/// Blocks that are free when nothing is on its way.
fn settled(fs: &dyn FileSystem) -> u64 {
    (0..3).for_each(|_| fs.sync(SyncMode::All).expect("a sync"));
    fs.statfs().expect("a count").free
}

fn name(bytes: &[u8]) -> Name<'_> {
    Name::new(bytes).expect("a good name")
}

fn create(fs: &dyn FileSystem, dir: Ino, bytes: &[u8], kind: FileType) -> Result<Attr, FsError> {
    let (mode, device) = (Mode::of(0o755), DeviceNumber::default());
    let new = NewNode { kind, mode, uid: 0, gid: 0, device, target: b"", now: NOW };
    fs.dirs().create(dir, name(bytes), &new)
}

fn make(fs: &dyn FileSystem, bytes: &[u8]) -> Ino {
    create(fs, fs.root(), bytes, FileType::Regular).expect("a new file").ino
}

/// Takes the name, then the last use.
fn remove(fs: &dyn FileSystem, bytes: &[u8], file: Ino) {
    fs.dirs().unlink(fs.root(), name(bytes), file, NOW).expect("a name to take");
    fs.forget(file, 1);
}

fn write(fs: &dyn FileSystem, file: Ino, offset: u64, bytes: &[u8]) {
    let mut done = 0;
    while done < bytes.len() {
        let stored = fs.files().write_at(file, offset + done as u64, &bytes[done..], NOW).expect("a write");
        assert!(stored > 0 && stored <= bytes.len() - done, "{stored} bytes stored");
        done += stored;
    }
}

fn read(fs: &dyn FileSystem, file: Ino, offset: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0xee; length];
    let count = fs.files().read_at(file, offset, &mut bytes).expect("a read");
    bytes.truncate(count);
    bytes
}

/// The names in a directory, asked for in pieces of `piece`.
fn listed(fs: &dyn FileSystem, dir: Ino, piece: usize) -> Vec<Vec<u8>> {
    let (mut names, mut next) = (Vec::new(), Cookie(0));
    loop {
        let (before, from) = (names.len(), next);
        let mut sink = |entry: DirEntry<'_>| {
            if names.len() == before + piece {
                return false;
            }
            names.push(entry.name.as_bytes().to_vec());
            next = entry.next;
            true
        };
        fs.dirs().readdir(dir, from, &mut sink).expect("a list");
        if names.len() == before {
            return names;
        }
    }
}

fn check_names(fs: &dyn FileSystem) {
    let (dirs, root) = (fs.dirs(), fs.root());
    assert_eq!(fs.attr(root).expect("a root").kind, FileType::Directory);
    assert_eq!(dirs.lookup(root, name(b"file")), Err(FsError::NotFound), "of nothing");
    let made = create(fs, root, b"file", FileType::Regular).expect("a new file");
    assert_eq!((made.kind, made.size, made.links), (FileType::Regular, 0, 1));
    assert_eq!(create(fs, root, b"file", FileType::Regular), Err(FsError::Exists));
    assert_eq!(dirs.lookup(root, name(b"file")).map(|attr| attr.ino), Ok(made.ino), "the same file");
    fs.forget(made.ino, 1);
    let dir = create(fs, root, b"dir", FileType::Directory).expect("a new directory");
    assert_eq!(dir.kind, FileType::Directory);
    let below = create(fs, dir.ino, b"file", FileType::Regular).expect("a file in it");
    assert_ne!(below.ino, made.ino, "two files");
    assert_eq!(dirs.rmdir(root, name(b"dir"), dir.ino, NOW), Err(FsError::NotEmpty));
    dirs.unlink(dir.ino, name(b"file"), below.ino, NOW).expect("a name to take");
    fs.forget(below.ino, 1);
    dirs.rmdir(root, name(b"dir"), dir.ino, NOW).expect("an empty directory");
    fs.forget(dir.ino, 1);
    assert_eq!(dirs.lookup(root, name(b"dir")), Err(FsError::NotFound), "of what was removed");
    remove(fs, b"file", made.ino);
    assert_eq!(dirs.lookup(root, name(b"file")), Err(FsError::NotFound), "of what was removed");
}

fn check_renames(fs: &dyn FileSystem) {
    let root = fs.root();
    let (one, two) = (make(fs, b"one"), make(fs, b"two"));
    write(fs, one, 0, b"first");
    write(fs, two, 0, b"second");
    let from = RenameEnd { dir: root, name: name(b"one"), file: Some(one) };
    let to = RenameEnd { dir: root, name: name(b"two"), file: Some(two) };
    fs.dirs().rename(&Rename { from, to, exchange: false, now: NOW }).expect("a rename");
    assert_eq!(fs.dirs().lookup(root, name(b"one")), Err(FsError::NotFound), "of what was renamed");
    assert_eq!(fs.dirs().lookup(root, name(b"two")).map(|attr| attr.ino), Ok(one), "under its new name");
    fs.forget(one, 1);
    assert_eq!((read(fs, one, 0, 9), read(fs, two, 0, 9)), (b"first".to_vec(), b"second".to_vec()));
    fs.forget(two, 1);
    remove(fs, b"two", one);
}

fn check_bytes(fs: &dyn FileSystem) {
    let file = make(fs, b"bytes");
    let mut model = vec![0_u8; 70_000];
    for (turn, (offset, length)) in
        (1_u8..).zip([(0, 10), (4090, 20), (60_000, 10_000), (100, 30_000), (512, 512), (69_999, 1)])
    {
        let bytes: Vec<u8> = (0..length).map(|at: usize| (at / 3).to_le_bytes()[0] ^ turn).collect();
        write(fs, file, offset as u64, &bytes);
        model[offset..offset + length].copy_from_slice(&bytes);
    }
    assert!(read(fs, file, 0, 80_000) == model, "other bytes than were written, or no zeroes between");
    assert!(read(fs, file, 4095, 5000) == model[4095..9095], "other bytes from the middle");
    assert_eq!(read(fs, file, 70_000, 10), Vec::<u8>::new(), "behind the end");
    assert_eq!(fs.attr(file).map(|attr| attr.size), Ok(70_000));
    fs.files().fsync(file, SyncMode::All).expect("a sync");
    let set = SetAttr { modified: Some(NOW), ..SetAttr::default() };
    let step = fs.info().time_step;
    assert_eq!(
        fs.set_attr(file, &set).map(|attr| attr.modified),
        Ok(NOW.truncated(step)),
        "the time that was set"
    );
    remove(fs, b"bytes", file);
}

fn check_sizes(fs: &dyn FileSystem) {
    let file = make(fs, b"sizes");
    write(fs, file, 0, &[7; 30_000]);
    for (size, seven) in [(20_001, 20_001), (29_000, 20_001), (100, 100), (9000, 100), (0, 0), (5000, 0)] {
        let attr = fs.files().truncate(file, size, NOW).expect("a new size");
        assert_eq!((attr.size, fs.attr(file).map(|attr| attr.size)), (size, Ok(size)));
        let bytes = read(fs, file, 0, 40_000);
        assert_eq!(bytes.len() as u64, size);
        assert!(bytes[..seven].iter().all(|&byte| byte == 7), "{size}: bytes are lost");
        assert!(bytes[seven..].iter().all(|&byte| byte == 0), "{size}: old bytes are seen again");
    }
    let beyond = fs.info().max_size.saturating_add(1);
    let refused = fs.files().truncate(file, beyond, NOW);
    assert!(beyond == u64::MAX || matches!(refused, Err(FsError::TooLarge { .. })), "{refused:?}");
    assert_eq!(fs.attr(file).map(|attr| attr.size), Ok(5000), "a size that was refused");
    remove(fs, b"sizes", file);
}

/// A file that is in use is whole without a name, and another of that name is another.
fn check_in_use(fs: &dyn FileSystem) {
    let file = make(fs, b"used");
    write(fs, file, 0, &[3; 9000]);
    assert_eq!(fs.load(file).map(|attr| attr.size), Ok(9000), "one more use");
    fs.dirs().unlink(fs.root(), name(b"used"), file, NOW).expect("a name to take");
    fs.forget(file, 1);
    let other = make(fs, b"used");
    assert_ne!(other, file, "a file in use keeps its number");
    write(fs, other, 0, &[4; 9000]);
    write(fs, file, 9000, &[3; 9000]);
    assert!(read(fs, file, 0, 20_000) == [3; 18_000], "a file in use without a name");
    assert_eq!(fs.attr(file).map(|attr| attr.links), Ok(0));
    fs.forget(file, 1);
    assert!(read(fs, other, 0, 20_000) == [4; 9000], "another of the same name");
    remove(fs, b"used", other);
}

/// Each name comes once, in pieces of any size, while others go.
fn check_list(fs: &dyn FileSystem) {
    let names: Vec<Vec<u8>> = (0..40_u8).map(|at| vec![b'n', b'a' + at / 10, b'0' + at % 10]).collect();
    let files: Vec<Ino> = names.iter().map(|name| make(fs, name)).collect();
    for piece in [1, 7, 100] {
        let mut found = listed(fs, fs.root(), piece);
        found.sort();
        assert!(found == names, "{} of {} names in pieces of {piece}", found.len(), names.len());
    }
    let (mut found, mut from) = (0, Cookie(0));
    for (name, file) in names.iter().zip(files) {
        let mut next = None;
        let mut sink = |entry: DirEntry<'_>| {
            let take = next.is_none();
            next = next.or(Some(entry.next));
            take
        };
        fs.dirs().readdir(fs.root(), from, &mut sink).expect("a list");
        found += usize::from(next.is_some());
        from = next.unwrap_or(from);
        remove(fs, name, file);
    }
    assert!(found >= names.len() / 4, "{found} names while they went");
}

fn check_space(fs: &dyn FileSystem) {
    let before = settled(fs);
    let file = make(fs, b"large");
    write(fs, file, 0, &[1; 100_000]);
    let during = settled(fs);
    assert!(during < before, "a file takes room");
    remove(fs, b"large", file);
    assert!(settled(fs) > during, "the room of what was removed");
}
