//! Names and bytes of [`Tmpfs`].

use alloc::vec::Vec;

use super::dir::Names;
use super::node::{Body, Node};
use super::pages::{PAGE, Pages};
use super::{SIZE_MAX, Tmpfs, blank};
use crate::attr::{Attr, FileType, Ino, Timestamp};
use crate::error::FsError;
use crate::fs::{Allocate, Cookie, DirOps, DirSink, FileOps, NewNode, Rename, RenameEnd, Seek, SyncMode};
use crate::name::{Name, PATH_MAX};
use crate::ports::Env;

/// Bytes that `stat` shows for each name of a directory.
const NAME_SIZE: u64 = 32;

/// A directory changed: its time, and the size that shows.
fn stamp_dir(node: &mut Node, now: Timestamp) {
    (node.attr.modified, node.attr.changed) = (now, now);
    if let Body::Dir(names) = &node.body {
        node.attr.size = names.len() as u64 * NAME_SIZE;
    }
}

impl<E: Env> Tmpfs<E> {
    fn make(&self, new: &NewNode<'_>, links: u32) -> Result<Ino, FsError> {
        let mut attr = blank(new.kind, new.now);
        (attr.mode, attr.uid, attr.gid, attr.links) = (new.mode, new.uid, new.gid, links);
        attr.device = new.device;
        let body = match new.kind {
            FileType::Regular => Body::File(Pages::default()),
            FileType::Directory => Body::Dir(Names::new()),
            FileType::Symlink => {
                let mut target = Vec::new();
                target.try_reserve_exact(new.target.len())?;
                target.extend_from_slice(new.target);
                attr.size = target.len() as u64;
                Body::Link(target)
            }
            FileType::Fifo | FileType::Socket | FileType::CharDevice | FileType::BlockDevice => Body::Special,
        };
        self.add(attr, body)
    }

    /// Adds a name to a directory.
    fn enter(
        &self,
        dir: Ino,
        name: Name<'_>,
        ino: Ino,
        kind: FileType,
        now: Timestamp,
    ) -> Result<(), FsError> {
        self.with_mut(dir, |node| {
            let names = node.names_mut()?;
            if names.find(self.hash_key, name).is_some() {
                return Err(FsError::Exists);
            }
            names.insert(self.hash_key, name, ino, kind)?;
            if kind == FileType::Directory {
                node.attr.links += 1;
            }
            stamp_dir(node, now);
            Ok(())
        })
    }

    /// Takes a name out of a directory.
    fn take_out(&self, dir: Ino, name: Name<'_>, now: Timestamp) -> Result<(), FsError> {
        self.with_mut(dir, |node| {
            let names = node.names_mut()?;
            let (_, kind) = names.find(self.hash_key, name).ok_or(FsError::NotFound)?;
            names.remove(self.hash_key, name);
            if kind == FileType::Directory {
                node.attr.links -= 1;
            }
            stamp_dir(node, now);
            Ok(())
        })
    }

    /// Makes a name another file's; its directory counts directories.
    fn exchange(&self, end: &RenameEnd<'_>, ino: Ino, kind: FileType, now: Timestamp) -> Result<(), FsError> {
        self.with_mut(end.dir, |node| {
            let names = node.names_mut()?;
            let (_, old) = names.find(self.hash_key, end.name).ok_or(FsError::NotFound)?;
            names.replace(self.hash_key, end.name, ino, kind);
            let is_dir = |kind: FileType| u32::from(kind == FileType::Directory);
            node.attr.links = node.attr.links + is_dir(kind) - is_dir(old);
            stamp_dir(node, now);
            Ok(())
        })
    }

    fn kind(&self, ino: Ino) -> Result<FileType, FsError> {
        self.with(ino, |node| Ok(node.attr.kind))
    }

    fn check_empty(&self, dir: Ino) -> Result<(), FsError> {
        self.with(dir, |node| if node.names()?.len() == 0 { Ok(()) } else { Err(FsError::NotEmpty) })
    }

    /// A file lost a name; a directory, all that it had.
    fn lose_name(&self, file: Ino, now: Timestamp) -> Result<(), FsError> {
        let rest = self.leave(file, |node| {
            let directory = node.attr.kind == FileType::Directory;
            node.attr.links = if directory { 0 } else { node.attr.links.saturating_sub(1) };
            node.attr.changed = now;
            node.attr.links
        })?;
        if rest > 0 {
            self.inodes.give_back(1);
        }
        Ok(())
    }

    fn stamp(&self, file: Ino, now: Timestamp) -> Result<(), FsError> {
        self.with_mut(file, |node| {
            node.attr.changed = now;
            Ok(())
        })
    }
}

impl<E: Env> DirOps for Tmpfs<E> {
    fn lookup(&self, dir: Ino, name: Name<'_>) -> Result<Attr, FsError> {
        let found = self.with(dir, |node| Ok(node.names()?.find(self.hash_key, name)))?;
        let (ino, _) = found.ok_or(FsError::NotFound)?;
        crate::fs::FileSystem::load(self, ino)
    }

    fn create(&self, dir: Ino, name: Name<'_>, new: &NewNode<'_>) -> Result<Attr, FsError> {
        let links = if new.kind == FileType::Directory { 2 } else { 1 };
        let ino = self.make(new, links)?;
        if let Err(error) = self.enter(dir, name, ino, new.kind, new.now) {
            self.leave(ino, |node| (node.uses, node.attr.links) = (0, 0))?;
            return Err(error);
        }
        crate::fs::FileSystem::attr(self, ino)
    }

    fn create_nameless(&self, _: Ino, new: &NewNode<'_>) -> Result<Attr, FsError> {
        let ino = self.make(new, 0)?;
        crate::fs::FileSystem::attr(self, ino)
    }

    fn link(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<Attr, FsError> {
        let Attr { links, kind, .. } = crate::fs::FileSystem::attr(self, file)?;
        if links >= super::LINKS_MAX {
            return Err(FsError::TooManyLinks { limit: super::LINKS_MAX });
        }
        // The first name of a file without any was paid with the file.
        let price = usize::from(links > 0);
        self.inodes.take(price)?;
        self.enter(dir, name, file, kind, now).inspect_err(|_| self.inodes.give_back(price))?;
        self.with_mut(file, |node| {
            node.attr.links += 1;
            node.attr.changed = now;
            Ok(node.attr)
        })
    }

    fn unlink(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<(), FsError> {
        self.take_out(dir, name, now)?;
        self.lose_name(file, now)
    }

    fn rmdir(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<(), FsError> {
        self.check_empty(file)?;
        self.take_out(dir, name, now)?;
        self.lose_name(file, now)
    }

    fn rename(&self, rename: &Rename<'_>) -> Result<(), FsError> {
        let Rename { from, to, exchange, now } = *rename;
        let source = from.file.ok_or(FsError::NotFound)?;
        let kind = self.kind(source)?;
        match to.file {
            Some(other) if exchange => {
                let other_kind = self.kind(other)?;
                self.exchange(&to, source, kind, now)?;
                self.exchange(&from, other, other_kind, now)?;
                self.stamp(other, now)?;
            }
            Some(victim) => {
                if self.kind(victim)? == FileType::Directory {
                    self.check_empty(victim)?;
                }
                self.exchange(&to, source, kind, now)?;
                self.take_out(from.dir, from.name, now)?;
                self.lose_name(victim, now)?;
            }
            None => {
                self.enter(to.dir, to.name, source, kind, now)?;
                self.take_out(from.dir, from.name, now)?;
            }
        }
        self.stamp(source, now)
    }

    fn readlink(&self, link: Ino, target: &mut [u8; PATH_MAX]) -> Result<usize, FsError> {
        self.with(link, |node| {
            let Body::Link(path) = &node.body else { return Err(FsError::Unsupported) };
            let room = target.get_mut(..path.len()).ok_or(FsError::NoMemory)?;
            room.copy_from_slice(path);
            Ok(path.len())
        })
    }

    fn readdir(&self, dir: Ino, from: Cookie, sink: &mut dyn DirSink) -> Result<(), FsError> {
        self.with(dir, |node| {
            node.names()?.list(from, sink);
            Ok(())
        })
    }
}

/// What changed of a file's bytes shows in what is known of it.
fn settle(node: &mut Node, size: u64, now: Timestamp) -> Attr {
    if let Body::File(pages) = &node.body {
        node.attr.blocks = (pages.count() * (PAGE / 512)) as u64;
    }
    node.attr.size = size;
    (node.attr.modified, node.attr.changed) = (now, now);
    node.attr
}

impl<E: Env> FileOps for Tmpfs<E> {
    fn read_at(&self, file: Ino, offset: u64, out: &mut [u8]) -> Result<usize, FsError> {
        self.with(file, |node| {
            let rest = node.attr.size.saturating_sub(offset);
            let count = usize::try_from(rest).map_or(out.len(), |rest| rest.min(out.len()));
            let pages = node.pages()?;
            if let Some(out) = out.get_mut(..count) {
                pages.read(offset, out);
            }
            Ok(count)
        })
    }

    fn write_at(&self, file: Ino, offset: u64, bytes: &[u8], now: Timestamp) -> Result<usize, FsError> {
        if offset.checked_add(bytes.len() as u64).is_none_or(|end| end > SIZE_MAX) {
            return Err(FsError::TooLarge { limit: SIZE_MAX });
        }
        self.with_mut(file, |node| {
            let count = node.pages_mut()?.write(offset, bytes, &self.pages)?;
            let size = node.attr.size.max(offset + count as u64);
            settle(node, size, now);
            Ok(count)
        })
    }

    fn truncate(&self, file: Ino, size: u64, now: Timestamp) -> Result<Attr, FsError> {
        if size > SIZE_MAX {
            return Err(FsError::TooLarge { limit: SIZE_MAX });
        }
        self.with_mut(file, |node| {
            if size < node.attr.size {
                node.pages_mut()?.cut(size, &self.pages);
            }
            node.pages()?;
            Ok(settle(node, size, now))
        })
    }

    fn allocate(
        &self,
        file: Ino,
        how: Allocate,
        offset: u64,
        length: u64,
        now: Timestamp,
    ) -> Result<Attr, FsError> {
        self.with_mut(file, |node| {
            let size = node.attr.size;
            let pages = node.pages_mut()?;
            if how != Allocate::PunchHole {
                pages.allocate(offset, length, &self.pages)?;
            }
            match how {
                Allocate::Grow | Allocate::KeepSize => {}
                Allocate::PunchHole => pages.punch(offset, length, &self.pages),
                Allocate::Zero | Allocate::ZeroKeepSize => pages.zero(offset, length),
            }
            let grows = matches!(how, Allocate::Grow | Allocate::Zero);
            Ok(settle(node, if grows { size.max(offset + length) } else { size }, now))
        })
    }

    fn seek(&self, file: Ino, offset: u64, size: u64, what: Seek) -> Result<Option<u64>, FsError> {
        self.with(file, |node| {
            let pages = node.pages()?;
            Ok(match what {
                Seek::Data => pages.next_data(offset, size),
                Seek::Hole => Some(pages.next_hole(offset, size)),
            })
        })
    }

    fn fsync(&self, _: Ino, _: SyncMode) -> Result<(), FsError> {
        Ok(())
    }
}
