//! Linux: its tmpfs by system call, and a system call that does nothing.

use core::hint::black_box;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process;

use rustix::fs::{AtFlags, Mode, OFlags, open, openat, statat, statvfs, unlinkat};
use rustix::process::getppid;

use super::{BOTTOM, FILE, OTHERS, Tree};
use crate::harness::must;
use crate::vfs::pattern;

/// Where Linux has a tmpfs.
const SHARED: &str = "/dev/shm";

/// A directory on a tmpfs of Linux, which goes with this.
pub(super) struct Linux {
    path: PathBuf,
    root: OwnedFd,
    file: Option<File>,
}

impl Linux {
    /// Whether there is a tmpfs with room for so many bytes.
    pub(super) fn has_room(bytes: usize) -> bool {
        let room = statvfs(SHARED).map(|found| found.f_bavail * found.f_frsize);
        room.is_ok_and(|room| room >= bytes as u64)
    }
}

/// A path from the root of the tree on, as it is asked for: the way to that root is not measured.
fn inside(path: &str) -> &str {
    path.trim_start_matches('/')
}

impl Drop for Linux {
    fn drop(&mut self) {
        // What stays is found by its name.
        let _ = fs::remove_dir_all(&self.path);
    }
}

impl Tree for Linux {
    const NOTE: &str = "system calls, timed with the call itself; not counted";
    const COUNTED: bool = false;

    fn make(size: usize) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(format!("{SHARED}/kos-bench-{}-{number}", process::id()));
        let bottom = path.join(inside(BOTTOM));
        must(fs::create_dir_all(&bottom).ok());
        for other in 0..OTHERS {
            must(File::create(bottom.join(format!("other{other}"))).ok());
        }
        must(fs::write(path.join(inside(FILE)), pattern(0, size)).ok());
        let root = must(open(&path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).ok());
        Self { path, root, file: None }
    }

    fn stat(&mut self, path: &str) -> Option<u64> {
        let found = statat(&self.root, inside(path), AtFlags::empty()).ok()?;
        found.st_size.try_into().ok()
    }

    fn create(&mut self, path: &str) {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        drop(must(openat(&self.root, inside(path), flags, Mode::RWXU).ok()));
    }

    fn remove(&mut self, path: &str) {
        must(unlinkat(&self.root, inside(path), AtFlags::empty()).ok());
    }

    fn open(&mut self) {
        self.file = File::options().read(true).write(true).open(self.path.join(inside(FILE))).ok();
    }

    fn read(&mut self, at: u64, out: &mut [u8]) {
        must(must(self.file.as_ref()).read_exact_at(out, at).ok());
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        must(must(self.file.as_ref()).write_all_at(bytes, at).ok());
    }
}

/// As many system calls as [`Linux`] makes, each of which does nothing.
pub(super) struct Null;

fn call() {
    let _ = black_box(getppid());
}

impl Tree for Null {
    const NOTE: &str = "to be taken off the row above: one call for each of its calls";
    const COUNTED: bool = false;
    const STORED: bool = false;

    fn make(_: usize) -> Self {
        Self
    }

    fn stat(&mut self, path: &str) -> Option<u64> {
        call();
        (path == FILE).then_some(super::LITTLE as u64)
    }

    /// Open and close.
    fn create(&mut self, _: &str) {
        call();
        call();
    }

    fn remove(&mut self, _: &str) {
        call();
    }

    fn open(&mut self) {}

    fn read(&mut self, at: u64, out: &mut [u8]) {
        call();
        let _ = (at, out);
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        call();
        let _ = (at, bytes);
    }
}
