//! Each file by itself: its inode, and every item that it has.

use lock_api::RawRwLock;

use super::super::extent::Extent;
use super::super::inode::{INLINE_MAX, Inode, ROOT, ino};
use super::super::key::{ItemKind, Key};
use super::super::layout::BLOCK;
use super::super::name_item;
use super::super::node::ITEM_MAX;
use super::super::orphan::mark;
use super::super::xattr;
use super::{Check, Problem};
use crate::attr::{DeviceNumber, FileType, Mode, Timestamp};
use crate::block::BlockDevice;
use crate::error::FsError;
use crate::fs::NewNode;

/// An item, copied.
pub(super) struct Item {
    pub(super) key: Key,
    bytes: [u8; ITEM_MAX],
    length: usize,
}

impl Item {
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// A file, and what was seen of its items.
struct Current {
    inode: Inode,
    blocks: u64,
    /// The end of its last extent that was written, in blocks.
    end: u64,
    inline: Option<u64>,
    names: u64,
    directories: u32,
}

impl Current {
    fn number(&self) -> u64 {
        self.inode.attr.ino.number
    }

    fn is_directory(&self) -> bool {
        self.inode.attr.kind == FileType::Directory
    }

    fn has_bytes(&self) -> bool {
        matches!(self.inode.attr.kind, FileType::Regular | FileType::Symlink)
    }
}

impl<D: BlockDevice, R: RawRwLock> Check<'_, D, R> {
    /// Looks at all items.
    pub(super) fn check_files(&mut self) -> Result<(), FsError> {
        (self.report.files, self.report.directories, self.highest) = (0, 0, 0);
        self.check_root()?;
        let (mut from, mut current) = (Some(Key::LEAST), None);
        while let Some(item) = from.map_or(Ok(None), |from| self.next_item(from))? {
            from = item.key.next();
            if let Some(done) = current.take_if(|file: &mut Current| file.number() != item.key.file) {
                self.check_file(&done)?;
            }
            if item.key.kind == ItemKind::Inode as u8 {
                current = Inode::decode(item.key.file, item.bytes())
                    .ok()
                    .filter(|_| item.key.offset == 0)
                    .map(begin);
            }
            let belongs = match &mut current {
                Some(file) => self.check_item(file, &item)?,
                None => item.key.file == 0 && self.is_mark(&item)?,
            };
            if !belongs {
                self.take_out(&item)?;
            }
        }
        current.map_or(Ok(()), |file| self.check_file(&file))
    }

    pub(super) fn next_item(&self, from: Key) -> Result<Option<Item>, FsError> {
        self.volume.look(|tree| {
            let Some((key, bytes)) = tree.at_or_after(from)? else { return Ok(None) };
            let mut item = Item { key, bytes: [0; ITEM_MAX], length: bytes.len().min(ITEM_MAX) };
            item.bytes.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
            Ok(Some(item))
        })
    }

    /// The file `number`, if it is there and makes sense.
    pub(super) fn inode(&self, number: u64) -> Result<Option<Inode>, FsError> {
        match self.volume.look(|tree| Inode::find(tree, number)) {
            Ok(inode) => Ok(Some(inode)),
            Err(FsError::Stale | FsError::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Changes the inode of `file`.
    pub(super) fn mend(&self, file: u64, mut how: impl FnMut(&mut Inode)) -> Result<(), FsError> {
        self.volume.change(|view, edits| {
            edits.makes_room = true;
            let mut inode = Inode::find(view.tree, file)?;
            how(&mut inode);
            Ok(edits.put(Inode::key(file), inode.encode().as_ref())?)
        })
    }

    fn check_root(&mut self) -> Result<(), FsError> {
        let is_there = self.inode(ROOT)?.is_some_and(|root| root.attr.kind == FileType::Directory);
        if is_there || !self.found(Problem::NoRoot) {
            return Ok(());
        }
        let new = NewNode {
            kind: FileType::Directory,
            mode: Mode::of(0o755),
            uid: 0,
            gid: 0,
            device: DeviceNumber::default(),
            target: &[],
            now: Timestamp::EPOCH,
        };
        self.volume.change(|_, edits| {
            edits.makes_room = true;
            Ok(edits.put(Inode::key(ROOT), Inode::new(ROOT, ROOT, &new).encode().as_ref())?)
        })
    }

    /// Whether it marks a file that is there.
    fn is_mark(&self, item: &Item) -> Result<bool, FsError> {
        let shaped = item.key.kind == ItemKind::Orphan as u8 && item.bytes().is_empty();
        Ok(shaped && self.inode(item.key.offset)?.is_some())
    }

    /// Whether `item` belongs to `file`.
    fn check_item(&mut self, file: &mut Current, item: &Item) -> Result<bool, FsError> {
        const INODE: u8 = ItemKind::Inode as u8;
        const XATTR: u8 = ItemKind::Xattr as u8;
        const NAME: u8 = ItemKind::Name as u8;
        const INLINE: u8 = ItemKind::Inline as u8;
        const EXTENT: u8 = ItemKind::Extent as u8;
        match item.key.kind {
            INODE => Ok(item.key.offset == 0),
            XATTR => {
                let hash_key = self.superblock.hash_key;
                self.volume.look(|tree| xattr::belongs(tree, &hash_key, item.key))
            }
            NAME if file.is_directory() => self.check_name(file, item),
            INLINE if file.has_bytes() && file.inode.inline && item.key.offset == 0 => {
                file.inline = Some(item.bytes().len() as u64);
                Ok(item.bytes().len() <= INLINE_MAX)
            }
            EXTENT if file.has_bytes() && !file.inode.inline => {
                let Ok(extent) = Extent::decode(item.key, item.bytes()) else { return Ok(false) };
                file.blocks += extent.count() as u64;
                file.end = if extent.reserved { file.end } else { extent.end() };
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Removes an item, with the blocks that it has.
    fn take_out(&mut self, item: &Item) -> Result<(), FsError> {
        let Key { file, kind, offset } = item.key;
        if !self.found(Problem::Stray { file, kind, offset }) {
            return Ok(());
        }
        let extent = Extent::decode(item.key, item.bytes()).ok().filter(|_| kind == ItemKind::Extent as u8);
        self.volume.change(|_, edits| {
            edits.makes_room = true;
            for block in extent.map_or(0..0, |extent| extent.start..extent.start + extent.count() as u64) {
                edits.free(block)?;
            }
            Ok(edits.take_out(item.key)?)
        })
    }

    /// Looks at a name in the directory `dir`; what is wrong with it is told. Whether it makes sense.
    fn check_name(&mut self, dir: &mut Current, item: &Item) -> Result<bool, FsError> {
        let Ok((found, name)) = name_item::decode(item.key, item.bytes()) else { return Ok(false) };
        let directory = dir.number();
        let here = self.volume.look(|tree| {
            let found = name_item::find(tree, &self.superblock.hash_key, directory, name);
            match found {
                Ok(found) => Ok(found.is_ok_and(|found| found.key == item.key)),
                Err(super::super::tree::Blocked::Fs(FsError::Corrupt { .. })) => Ok(false),
                Err(blocked) => Err(blocked),
            }
        })?;
        let target = self.inode(found.file)?.filter(|_| here && found.file != ROOT);
        let second = match &target {
            Some(target) if target.attr.kind == FileType::Directory && target.parent != directory => {
                self.has_name(target.parent, found.file)?
            }
            Some(_) => false,
            None => true,
        };
        let (Some(target), false) = (target, second) else {
            let problem = Problem::Name { directory, offset: item.key.offset, file: found.file };
            if self.found(problem) {
                self.drop_item(item.key)?;
            }
            return Ok(true);
        };
        dir.names += 1;
        dir.directories += u32::from(target.attr.kind == FileType::Directory);
        if target.attr.kind != found.kind && self.found(Problem::Kind { directory, file: found.file }) {
            let right = name_item::encode(name, found.file, target.attr.kind);
            self.volume.change(|_, edits| {
                edits.makes_room = true;
                Ok(edits.put(item.key, right.as_ref())?)
            })?;
        }
        let moved = target.attr.kind == FileType::Directory && target.parent != directory;
        if moved && self.found(Problem::Parent { directory: found.file }) {
            self.mend(found.file, |inode| inode.parent = directory)?;
        }
        Ok(true)
    }

    pub(super) fn drop_item(&self, key: Key) -> Result<(), FsError> {
        self.volume.change(|_, edits| {
            edits.makes_room = true;
            Ok(edits.take_out(key)?)
        })
    }

    /// Compares what a file says with what it has.
    fn check_file(&mut self, file: &Current) -> Result<(), FsError> {
        let number = file.number();
        self.report.files += 1;
        self.highest = self.highest.max(number);
        if file.is_directory() {
            self.report.directories += 1;
            self.check_directory(file)?;
        }
        let inode = &file.inode;
        if inode.blocks != file.blocks {
            let problem = Problem::Blocks { file: number, stored: inode.blocks, counted: file.blocks };
            if self.found(problem) {
                self.mend(number, |inode| inode.blocks = file.blocks)?;
            }
        }
        let bytes = file.inline.unwrap_or(0);
        if file.has_bytes() && inode.inline && inode.attr.size != bytes {
            let problem = Problem::Size { file: number, stored: inode.attr.size, counted: bytes };
            if self.found(problem) {
                self.mend(number, |inode| inode.attr.size = bytes)?;
            }
        }
        let too_long = file.end > inode.attr.size.div_ceil(BLOCK as u64);
        if (inode.attr.links == 0 || too_long) && !self.is_marked(number)? {
            self.unmarked(number)?;
        }
        Ok(())
    }

    pub(super) fn is_marked(&self, file: u64) -> Result<bool, FsError> {
        self.volume.look(|tree| Ok(tree.get(mark(file))?.is_some()))
    }

    fn unmarked(&mut self, file: u64) -> Result<(), FsError> {
        if !self.found(Problem::Unmarked { file }) {
            return Ok(());
        }
        self.volume.change(|_, edits| {
            edits.makes_room = true;
            Ok(edits.put(mark(file), &[])?)
        })
    }

    fn check_directory(&mut self, dir: &Current) -> Result<(), FsError> {
        let (number, inode) = (dir.number(), &dir.inode);
        if inode.names != dir.names || inode.attr.size != dir.names {
            let stored = if inode.names == dir.names { inode.attr.size } else { inode.names };
            if self.found(Problem::Names { directory: number, stored, counted: dir.names }) {
                self.mend(number, |inode| (inode.names, inode.attr.size) = (dir.names, dir.names))?;
            }
        }
        let removed = inode.attr.links == 0 && dir.names == 0;
        let links = if removed { 0 } else { dir.directories.saturating_add(2) };
        if inode.attr.links != links {
            let problem = Problem::Links { file: number, stored: inode.attr.links, counted: links };
            if self.found(problem) {
                self.mend(number, |inode| inode.attr.links = links)?;
            }
        }
        Ok(())
    }
}

fn begin(inode: Inode) -> Current {
    debug_assert_eq!(inode.attr.ino, ino(inode.attr.ino.number));
    Current { inode, blocks: 0, end: 0, inline: None, names: 0, directories: 0 }
}
