//! Listing directories.
//!
//! The position of an open directory is a cookie: 0 is the start, 1 is behind `.`, 2 behind `..`, all others are the driver's.

use super::error::FileError;
use super::flags::OpenFlags;
use super::table::OpenFile;
use crate::attr::FileType;
use crate::error::FsError;
use crate::fs::{Cookie, DirEntry};
use crate::ports::Env;

/// One name of a directory, `.` and `..` among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The name.
    pub name: &'a [u8],
    /// What `stat` shows as its number; of a mount point, that of the directory under the mount.
    pub number: u64,
    /// What kind of file.
    pub kind: FileType,
    /// The position behind it.
    pub next: Cookie,
}

impl<E: Env> OpenFile<'_, E> {
    /// Gives the names from the position on to `each` until there are no more or it answers false: then that name comes first
    /// the next time. `each` is called with the directory locked and must not come back to it.
    ///
    /// # Errors
    /// Opened as a mere name, no directory, a directory that was removed, or what the file system says. The position is behind
    /// the last name that was taken.
    pub fn list(&self, mut each: impl FnMut(&Entry<'_>) -> bool) -> Result<(), FileError> {
        let mut position = self.position();
        let open = self.open();
        if open.flags.contains(OpenFlags::PATH) {
            return Err(FileError::BadDescriptor);
        }
        if open.kind != FileType::Directory {
            return Err(FileError::NotDirectory);
        }
        let vfs = self.place().vfs();
        let node = self.place().node();
        {
            let _names = vfs.share(node.inode);
            let (parent, dead) = vfs.tree(|tree| {
                let parent = tree.dentry(self.place().loc().dentry).parent;
                (tree.attr_of(parent).ino.number, tree.inodes.get(node.inode).dead)
            });
            if dead {
                return Err(FileError::Fs(FsError::NotFound));
            }
            let dots: [(&[u8], u64); 2] = [(b".", node.ino.number), (b"..", parent)];
            for (next, (name, number)) in (1..).zip(dots) {
                if *position >= next {
                    continue;
                }
                let entry = Entry { name, number, kind: FileType::Directory, next: Cookie(next) };
                if !each(&entry) {
                    return Ok(());
                }
                *position = next;
            }
            let from = Cookie(*position);
            node.fs.dirs().readdir(node.ino, from, &mut |entry: DirEntry<'_>| {
                let DirEntry { name, ino, kind, next } = entry;
                let entry = Entry { name: name.as_bytes(), number: ino.number, kind, next };
                let taken = each(&entry);
                if taken {
                    *position = next.0;
                }
                taken
            })?;
        }
        drop(position);
        vfs.touch(self.place());
        Ok(())
    }
}
