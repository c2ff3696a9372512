//! The `vfs` crate with its `MemoryFS`.

use std::io::{Read, Seek, SeekFrom, Write};

use vfs::{MemoryFS, SeekAndRead, VfsPath};

use super::{BOTTOM, DIRS, FILE, OTHERS, Tree};
use crate::harness::must;
use crate::vfs::pattern;

/// A tree in one map of whole paths.
pub(super) struct Memory {
    root: VfsPath,
    file: Option<Box<dyn SeekAndRead + Send>>,
}

impl Memory {
    fn at(&self, path: &str) -> VfsPath {
        must(self.root.join(path).ok())
    }
}

impl Tree for Memory {
    const NOTE: &str = "one map of whole paths: no permissions, links or mounts";

    fn make(size: usize) -> Self {
        let tree = Self { root: VfsPath::new(MemoryFS::new()), file: None };
        DIRS.iter().for_each(|dir| must(tree.at(dir).create_dir().ok()));
        for other in 0..OTHERS {
            drop(must(tree.at(&format!("{}/other{other}", BOTTOM)).create_file().ok()));
        }
        let mut file = must(tree.at(FILE).create_file().ok());
        must(file.write_all(&pattern(0, size)).ok());
        drop(file);
        tree
    }

    fn stat(&mut self, path: &str) -> Option<u64> {
        self.at(path).metadata().ok().map(|found| found.len)
    }

    fn create(&mut self, path: &str) {
        drop(must(self.at(path).create_file().ok()));
    }

    fn remove(&mut self, path: &str) {
        must(self.at(path).remove_file().ok());
    }

    fn open(&mut self) {
        self.file = self.at(FILE).open_file().ok();
    }

    fn read(&mut self, at: u64, out: &mut [u8]) {
        let file = must(self.file.as_mut());
        must(file.seek(SeekFrom::Start(at)).ok());
        must(file.read_exact(out).ok());
    }

    /// It has no writing in place: what is written is kept apart and replaces the file when it is flushed.
    fn write(&mut self, _: u64, _: &[u8]) {
        must::<()>(None);
    }
}
