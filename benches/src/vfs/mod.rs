//! Files: what do names and bytes cost?
//!
//! [`tree`] compares what is in memory: names, tmpfs, the page cache. [`fat`] and [`kosfs`] compare drivers over one kind of disk in
//! memory ([`ram`]), without a cache of file data on any side.

mod fat;
pub(crate) mod kosfs;
mod ram;
mod tree;

use kos_vfs::attr::{DeviceNumber, FileType, Mode, Timestamp};
use kos_vfs::fs::{FileSystem, NewNode};
use kos_vfs::{Ino, Name};

use crate::harness::must;
use crate::harness::question::Question;

/// Every question, in the order in which it is asked.
pub(crate) fn questions() -> Vec<Question> {
    [tree::questions(), fat::questions(), kosfs::questions()].into_iter().flatten().collect()
}

/// What stands at byte `at` of a file: each word is its own place.
fn pattern(at: usize, length: usize) -> Vec<u8> {
    (at..at + length).step_by(8).flat_map(|at| (at as u64).to_le_bytes()).collect()
}

fn name_of(name: &str) -> Name<'_> {
    must(Name::new(name.as_bytes()).ok())
}

/// Makes an empty file in the root of a file system of ours, in use.
fn create_file(fs: &dyn FileSystem, name: &str) -> Ino {
    let new = NewNode {
        kind: FileType::Regular,
        mode: Mode::of(0o755),
        uid: 0,
        gid: 0,
        device: DeviceNumber::default(),
        target: b"",
        now: Timestamp::EPOCH,
    };
    must(fs.dirs().create(fs.root(), name_of(name), &new).ok()).ino
}

/// Takes the name of a file that is not in use away, and with it the file.
fn remove_file(fs: &dyn FileSystem, name: &str) {
    let (dirs, root, name) = (fs.dirs(), fs.root(), name_of(name));
    let file = must(dirs.lookup(root, name).ok()).ino;
    must(dirs.unlink(root, name, file, Timestamp::EPOCH).ok());
    fs.forget(file, 1);
}

/// Reads bytes that are all there.
fn read_file(fs: &dyn FileSystem, file: Ino, at: u64, out: &mut [u8]) {
    let done = must(fs.files().read_at(file, at, out).ok());
    assert_eq!(done, out.len(), "a short read");
}

/// Writes bytes for which there is room, in as many pieces as the driver takes them.
fn write_file(fs: &dyn FileSystem, file: Ino, at: u64, bytes: &[u8]) {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        done += must(fs.files().write_at(file, at + done as u64, rest, Timestamp::EPOCH).ok());
    }
}
