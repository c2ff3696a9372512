//! Directories: [`DirOps`] of [`KosFs`]. Each operation is one change of the tree.

use lock_api::RawRwLock;

use super::data::{self, Staged};
use super::edits::Edits;
use super::inode::{INLINE_MAX, Inode, ino};
use super::key::{ItemKind, Key};
use super::name_item::{self, Found};
use super::orphan::{lose_name, mark};
use super::tree::{Blocked, Tree};
use super::volume::View;
use super::{KosFs, buffer};
use crate::attr::{Attr, FileType, Ino, Timestamp};
use crate::block::BlockDevice;
use crate::error::FsError;
use crate::fs::{Cookie, DirEntry, DirOps, DirSink, NewNode, Rename, RenameEnd};
use crate::name::{NAME_MAX, Name, PATH_MAX};

/// Names of one file, at most.
pub(super) const LINKS_MAX: u32 = u32::MAX - 1;

impl<D: BlockDevice, R: RawRwLock> KosFs<D, R> {
    fn find(&self, tree: &Tree, dir: u64, name: Name<'_>) -> Result<Found, Blocked> {
        name_item::find(tree, &self.hash_key, dir, name)?.map_err(|_| Blocked::Fs(FsError::NotFound))
    }

    /// Where a new `name` goes.
    fn vacancy(&self, tree: &Tree, dir: u64, name: Name<'_>) -> Result<Key, Blocked> {
        match name_item::find(tree, &self.hash_key, dir, name)? {
            Ok(_) => Err(FsError::Exists.into()),
            Err(place) => Ok(place.ok_or(FsError::NoSpace)?),
        }
    }
}

/// The directory `number`.
fn directory(tree: &Tree, number: u64) -> Result<Inode, Blocked> {
    let inode = Inode::find(tree, number)?;
    if inode.attr.kind != FileType::Directory {
        return Err(FsError::NotDirectory.into());
    }
    if inode.attr.links == 0 {
        return Err(FsError::NotFound.into());
    }
    Ok(inode)
}

/// A directory has `names` more names and `subdirectories` more directories.
fn store_directory(
    mut dir: Inode,
    edits: &mut Edits,
    names: i64,
    subdirectories: i32,
    now: Timestamp,
) -> Result<(), FsError> {
    dir.names = dir.names.saturating_add_signed(names);
    dir.attr.size = dir.names;
    dir.attr.links = dir.attr.links.saturating_add_signed(subdirectories);
    dir.touch(now);
    edits.put(Inode::key(dir.attr.ino.number), dir.encode().as_ref())
}

/// Stores a new file, with where it points if it is a symlink.
fn add_file(
    mut inode: Inode,
    target: &[u8],
    long: Option<&Staged>,
    edits: &mut Edits,
) -> Result<Inode, FsError> {
    (edits.files, edits.takes_number) = (1, true);
    let number = inode.attr.ino.number;
    if let Some(long) = long {
        (inode.inline, inode.blocks) = (false, 1);
        long.put(number, 0, edits)?;
    } else if !target.is_empty() {
        edits.put(data::inline_key(number), target)?;
    }
    edits.put(Inode::key(number), inode.encode().as_ref())?;
    Ok(inode)
}

fn is_directory(inode: &Inode) -> bool {
    inode.attr.kind == FileType::Directory
}

impl<D: BlockDevice, R: RawRwLock> DirOps for KosFs<D, R> {
    fn lookup(&self, dir: Ino, name: Name<'_>) -> Result<Attr, FsError> {
        let inode = self.volume.look(|tree| {
            directory(tree, dir.number)?;
            Inode::find(tree, self.find(tree, dir.number, name)?.file)
        })?;
        self.take_use(inode.attr.ino.number)?;
        Ok(inode.shown())
    }

    fn create(&self, dir: Ino, name: Name<'_>, new: &NewNode<'_>) -> Result<Attr, FsError> {
        let long = self.stage_target(new.target)?;
        let create = |view: &View<'_>, edits: &mut Edits| -> Result<Inode, Blocked> {
            let parent = directory(view.tree, dir.number)?;
            let place = self.vacancy(view.tree, dir.number, name)?;
            let inode = Inode::new(view.next_file, dir.number, new);
            let subdirectories = i32::from(is_directory(&inode));
            edits.put(place, name_item::encode(name, view.next_file, new.kind).as_ref())?;
            store_directory(parent, edits, 1, subdirectories, new.now)?;
            Ok(add_file(inode, new.target, long.as_ref(), edits)?)
        };
        let created = self.make_used(|| self.volume.change(create));
        if created.is_err() {
            long.iter().for_each(|long| long.give_back(self));
        }
        Ok(created?.shown())
    }

    fn create_nameless(&self, dir: Ino, new: &NewNode<'_>) -> Result<Attr, FsError> {
        let create = |view: &View<'_>, edits: &mut Edits| -> Result<Inode, Blocked> {
            directory(view.tree, dir.number)?;
            let mut inode = Inode::new(view.next_file, dir.number, new);
            inode.attr.links = 0;
            edits.put(mark(view.next_file), &[])?;
            Ok(add_file(inode, &[], None, edits)?)
        };
        Ok(self.make_used(|| self.volume.change(create))?.shown())
    }

    fn link(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<Attr, FsError> {
        self.volume.change(|view, edits| {
            let parent = directory(view.tree, dir.number)?;
            let place = self.vacancy(view.tree, dir.number, name)?;
            let mut inode = Inode::find(view.tree, file.number)?;
            if is_directory(&inode) {
                return Err(FsError::IsDirectory.into());
            }
            if inode.attr.links >= LINKS_MAX {
                return Err(FsError::TooManyLinks { limit: LINKS_MAX }.into());
            }
            if inode.attr.links == 0 {
                edits.take_out(mark(file.number))?;
            }
            inode.attr.links += 1;
            inode.attr.changed = now;
            edits.put(place, name_item::encode(name, file.number, inode.attr.kind).as_ref())?;
            edits.put(Inode::key(file.number), inode.encode().as_ref())?;
            store_directory(parent, edits, 1, 0, now)?;
            Ok(inode.shown())
        })
    }

    fn unlink(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<(), FsError> {
        self.volume.change(|view, edits| {
            let parent = directory(view.tree, dir.number)?;
            let found = self.find(view.tree, dir.number, name)?;
            let mut inode = Inode::find(view.tree, found.file)?;
            if found.file != file.number {
                return Err(FsError::Stale.into());
            }
            if is_directory(&inode) {
                return Err(FsError::IsDirectory.into());
            }
            edits.take_out(found.key)?;
            store_directory(parent, edits, -1, 0, now)?;
            Ok(lose_name(&mut inode, edits, now)?)
        })?;
        self.removed(file)
    }

    fn rmdir(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<(), FsError> {
        self.volume.change(|view, edits| {
            let parent = directory(view.tree, dir.number)?;
            let found = self.find(view.tree, dir.number, name)?;
            let mut inode = directory(view.tree, found.file)?;
            if found.file != file.number {
                return Err(FsError::Stale.into());
            }
            if inode.names > 0 {
                return Err(FsError::NotEmpty.into());
            }
            edits.take_out(found.key)?;
            store_directory(parent, edits, -1, -1, now)?;
            Ok(lose_name(&mut inode, edits, now)?)
        })?;
        self.removed(file)
    }

    fn rename(&self, rename: &Rename<'_>) -> Result<(), FsError> {
        let gone = self.volume.change(|view, edits| self.plan_rename(view.tree, edits, rename))?;
        gone.map_or(Ok(()), |file| self.removed(ino(file)))
    }

    fn readlink(&self, link: Ino, target: &mut [u8; PATH_MAX]) -> Result<usize, FsError> {
        data::read_at(self, link.number, 0, target)
    }

    fn readdir(&self, dir: Ino, from: Cookie, sink: &mut dyn DirSink) -> Result<(), FsError> {
        let mut name = [0; NAME_MAX];
        let mut from = Key::new(dir.number, ItemKind::Name, from.0);
        loop {
            let found = self.volume.look(|tree| {
                directory(tree, dir.number)?;
                let found = tree.at_or_after(from)?;
                let Some((key, item)) =
                    found.filter(|(key, _)| (key.file, key.kind) == (from.file, from.kind))
                else {
                    return Ok(None);
                };
                let (found, bytes) = name_item::decode(key, item)?;
                let length = bytes.as_bytes().len();
                if let Some(place) = name.get_mut(..length) {
                    place.copy_from_slice(bytes.as_bytes());
                }
                Ok(Some((found, length)))
            })?;
            let Some((found, length)) = found else { return Ok(()) };
            let Some(offset) = found.key.offset.checked_add(1) else { return Ok(()) };
            let next = Key { offset, ..found.key };
            let Ok(name) = Name::new(name.get(..length).unwrap_or_default()) else { return Ok(()) };
            let entry = DirEntry { name, ino: ino(found.file), kind: found.kind, next: Cookie(next.offset) };
            if !sink.entry(entry) {
                return Ok(());
            }
            from = next;
        }
    }
}

impl<D: BlockDevice, R: RawRwLock> KosFs<D, R> {
    /// Where a symlink points, in a block of its own if it is long.
    fn stage_target(&self, target: &[u8]) -> Result<Option<Staged>, FsError> {
        if target.len() <= INLINE_MAX {
            return Ok(None);
        }
        let mut image = buffer(1)?;
        let place = image.get_mut(..target.len()).ok_or(FsError::Unsupported)?;
        place.copy_from_slice(target);
        Staged::write(self, 0, &image).map(Some)
    }

    /// A name of `file` was taken away: if nobody uses it and it has no other, it goes.
    fn removed(&self, file: Ino) -> Result<(), FsError> {
        if !self.is_used(file.number) {
            self.unused(file.number);
        }
        Ok(())
    }

    /// Collects what a rename changes. Returns the file that was replaced.
    fn plan_rename(
        &self,
        tree: &Tree,
        edits: &mut Edits,
        rename: &Rename<'_>,
    ) -> Result<Option<u64>, Blocked> {
        let Rename { from, to, exchange, now } = *rename;
        let (source, moved) = self.end(tree, from)?;
        let target = match name_item::find(tree, &self.hash_key, to.dir.number, to.name)? {
            Ok(found) => Ok((found, Inode::find(tree, found.file)?)),
            Err(place) => Err(place.ok_or(FsError::NoSpace)?),
        };
        if target.as_ref().ok().map(|(found, _)| found.file) != to.file.map(|file| file.number) {
            return Err(FsError::Stale.into());
        }
        let same = from.dir == to.dir;
        let (from_dir, to_dir) = (directory(tree, from.dir.number)?, directory(tree, to.dir.number)?);
        let place = target.as_ref().map_or_else(|place| *place, |(found, _)| found.key);
        let moved_item = name_item::encode(to.name, source.file, moved.attr.kind);
        edits.put(place, moved_item.as_ref())?;
        let replaced = target.ok();
        let mut change = Counts::default();
        if is_directory(&moved) {
            (change.from_dirs, change.to_dirs) = (-1, 1);
        }
        match replaced {
            Some((other, mut inode)) if exchange => {
                edits.put(source.key, name_item::encode(from.name, other.file, inode.attr.kind).as_ref())?;
                if is_directory(&inode) {
                    change.from_dirs += 1;
                    change.to_dirs -= 1;
                    inode.parent = from.dir.number;
                }
                inode.attr.changed = now;
                edits.put(Inode::key(other.file), inode.encode().as_ref())?;
            }
            Some((_, mut inode)) => {
                if inode.names > 0 {
                    return Err(FsError::NotEmpty.into());
                }
                edits.take_out(source.key)?;
                change.from_names = -1;
                change.to_dirs -= i32::from(is_directory(&inode));
                lose_name(&mut inode, edits, now)?;
            }
            None => {
                edits.take_out(source.key)?;
                (change.from_names, change.to_names) = (-1, 1);
            }
        }
        let mut moved = moved;
        moved.attr.changed = now;
        if is_directory(&moved) {
            moved.parent = to.dir.number;
        }
        edits.put(Inode::key(source.file), moved.encode().as_ref())?;
        if same {
            let names = change.from_names + change.to_names;
            store_directory(from_dir, edits, names, change.from_dirs + change.to_dirs, now)?;
        } else {
            store_directory(from_dir, edits, change.from_names, change.from_dirs, now)?;
            store_directory(to_dir, edits, change.to_names, change.to_dirs, now)?;
        }
        Ok(replaced.filter(|_| !exchange).map(|(found, _)| found.file))
    }

    /// The name at one end of a rename, with its file.
    fn end(&self, tree: &Tree, end: RenameEnd<'_>) -> Result<(Found, Inode), Blocked> {
        let found = self.find(tree, end.dir.number, end.name)?;
        if end.file.is_some_and(|file| file.number != found.file) {
            return Err(FsError::Stale.into());
        }
        Ok((found, Inode::find(tree, found.file)?))
    }
}

/// How many names and directories the two directories of a rename have more.
#[derive(Default)]
struct Counts {
    from_names: i64,
    to_names: i64,
    from_dirs: i32,
    to_dirs: i32,
}
