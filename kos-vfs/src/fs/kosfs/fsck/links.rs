//! Names and files together: how many names each file has, counted for some files at a time.

use alloc::vec::Vec;

use lock_api::RawRwLock;

use super::super::inode::{Inode, ROOT};
use super::super::key::{ItemKind, Key};
use super::super::name_item::{self, Found};
use super::super::orphan::mark;
use super::{Check, Problem};
use crate::attr::FileType;
use crate::block::BlockDevice;
use crate::error::FsError;

/// A file, and the names that were seen of it.
struct Known {
    file: u64,
    links: u32,
    counted: u32,
    directory: bool,
}

impl<D: BlockDevice, R: RawRwLock> Check<'_, D, R> {
    /// Compares the links of all files with their names.
    pub(super) fn check_links(&mut self) -> Result<(), FsError> {
        let mut from = Some(ROOT);
        while let Some(first) = from {
            let mut known = self.some_files(first)?;
            from = known.last().and_then(|known| known.file.checked_add(1));
            self.count_names(&mut known)?;
            for known in &known {
                self.check_known(known)?;
            }
        }
        Ok(())
    }

    /// The first inode from number `from` on.
    pub(super) fn next_file(&self, from: u64) -> Result<Option<Inode>, FsError> {
        let mut from = from;
        loop {
            let Some(item) = self.next_item(Inode::key(from))? else { return Ok(None) };
            let decoded = Inode::decode(item.key.file, item.bytes()).ok();
            let is_inode = item.key.kind == ItemKind::Inode as u8 && item.key.offset == 0;
            if let Some(inode) = decoded.filter(|_| is_inode) {
                return Ok(Some(inode));
            }
            let Some(next) = item.key.file.checked_add(1) else { return Ok(None) };
            from = next;
        }
    }

    fn some_files(&self, first: u64) -> Result<Vec<Known>, FsError> {
        let (mut files, mut from) = (Vec::new(), Some(first));
        while files.len() < self.options.files.max(1)
            && let Some(inode) = from.map_or(Ok(None), |from| self.next_file(from))?
        {
            let (file, links) = (inode.attr.ino.number, inode.attr.links);
            let directory = inode.attr.kind == FileType::Directory;
            files.try_reserve(1)?;
            files.push(Known { file, links, counted: 0, directory });
            from = file.checked_add(1);
        }
        Ok(files)
    }

    fn count_names(&self, files: &mut [Known]) -> Result<(), FsError> {
        let mut from = Some(ROOT);
        while let Some(inode) = from.map_or(Ok(None), |from| self.next_file(from))? {
            from = inode.attr.ino.number.checked_add(1);
            if inode.attr.kind == FileType::Directory {
                self.names(inode.attr.ino.number, &mut |found| {
                    count(files, found.file);
                    true
                })?;
            }
        }
        Ok(())
    }

    /// Shows `each` the names in `directory`, as long as it wants.
    pub(super) fn names(&self, directory: u64, each: &mut dyn FnMut(Found) -> bool) -> Result<(), FsError> {
        let mut from = Some(Key::new(directory, ItemKind::Name, 0));
        while let Some(item) = from.map_or(Ok(None), |from| self.next_item(from))? {
            if (item.key.file, item.key.kind) != (directory, ItemKind::Name as u8) {
                break;
            }
            let decoded = name_item::decode(item.key, item.bytes());
            if decoded.is_ok_and(|(found, _)| !each(found)) {
                break;
            }
            from = item.key.next();
        }
        Ok(())
    }

    /// The first name of `file` in `directory`.
    pub(super) fn name_of(&self, directory: u64, file: u64) -> Result<Option<Key>, FsError> {
        let mut place = None;
        self.names(directory, &mut |found| {
            place = (found.file == file).then_some(found.key);
            place.is_none()
        })?;
        Ok(place)
    }

    pub(super) fn has_name(&self, directory: u64, file: u64) -> Result<bool, FsError> {
        Ok(self.name_of(directory, file)?.is_some())
    }

    fn check_known(&mut self, known: &Known) -> Result<(), FsError> {
        let Known { file, links, counted, directory } = *known;
        if file == ROOT {
            return Ok(()); // its names were dropped, its links are those of a directory
        }
        if links > 0 && counted == 0 {
            if self.found(Problem::Lost { file }) {
                self.reconnect(file)?;
            }
            return Ok(());
        }
        if directory && links > 0 && counted > 1 {
            return self.drop_seconds(file);
        }
        let right = if !directory || counted == 0 { counted } else { links.max(2) };
        if links != right && self.found(Problem::Links { file, stored: links, counted: right }) {
            self.mend(file, |inode| inode.attr.links = right)?;
            if links == 0 {
                self.drop_item(mark(file))?;
            }
        }
        Ok(())
    }

    /// Takes all names but the first from a directory.
    fn drop_seconds(&mut self, file: u64) -> Result<(), FsError> {
        let Some(parent) = self.inode(file)?.map(|inode| inode.parent) else { return Ok(()) };
        let Some(first) = self.name_of(parent, file)? else { return Ok(()) };
        let mut second = None;
        self.names(parent, &mut |found| {
            second = (found.file == file && found.key != first).then_some(found.key);
            second.is_none()
        })?;
        let Some(second) = second else { return Ok(()) };
        if self.found(Problem::Name { directory: parent, offset: second.offset, file }) {
            self.drop_item(second)?;
        }
        Ok(())
    }
}

/// Counts a name of `file`, if that is among `files`.
fn count(files: &mut [Known], file: u64) {
    let known = files.binary_search_by_key(&file, |known| known.file).ok();
    if let Some(known) = known.and_then(|at| files.get_mut(at)) {
        known.counted = known.counted.saturating_add(1);
    }
}
