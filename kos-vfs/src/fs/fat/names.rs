//! What changes names: creating, removing, renaming.
//!
//! A rename writes the new name before it erases the old one: a power cut leaves the file with one name or with both, and
//! [`fsck`](super::fsck()) takes one of the two away. Where it replaces a file, that file's entry is rewritten in place.

use core::ops::Range;

use super::alias::{self, Alias};
use super::dir::{DirStart, Found, Scan};
use super::entry::{Entry, Flags};
use super::layout::Root;
use super::lfn;
use super::name::Units;
use super::nodes::{Node, ROOT};
use super::volume::Volume;
use crate::attr::{FileType, Ino, Timestamp};
use crate::error::FsError;
use crate::fs::{NewNode, Rename, RenameEnd};
use crate::name::Name;

/// Where a new name goes.
struct Plan {
    units: Units,
    short: [u8; 11],
    is_short: bool,
    room: u32,
}

impl Plan {
    fn long(&self) -> Option<&Units> {
        (!self.is_short).then_some(&self.units)
    }
}

impl Volume<'_> {
    /// Where the slots of a directory in use are.
    pub(super) fn dir_start(&mut self, dir: Ino) -> Result<DirStart, FsError> {
        let root = self.layout.root;
        let node = self.node(dir)?;
        match root {
            _ if !node.entry.is_dir() => Err(FsError::NotDirectory),
            _ if node.is_nameless() => Err(FsError::NotFound),
            Root::Fixed { .. } if dir == ROOT => Ok(None),
            _ => Ok(Some(node.entry.first)),
        }
    }

    /// Takes a file in use, once more if it is already.
    pub(super) fn take_in(&mut self, found: &Found) -> Result<Ino, FsError> {
        let Found { place, entry, slots } = found;
        if let Some(ino) = self.state.nodes.at(*place) {
            let node = self.node(ino)?;
            node.uses = node.uses.checked_add(1).ok_or(FsError::NoMemory)?;
            return Ok(ino);
        }
        self.state.nodes.reserve()?;
        let subdirs = if entry.is_dir() { self.count_dirs(Some(entry.first))?.0 } else { 0 };
        Ok(self.state.nodes.insert(*place, slots.start, *entry, subdirs))
    }

    /// Finds a short name that nobody in the directory has, and room. [`FsError::Exists`] if the name is there.
    fn plan(&mut self, dir: DirStart, name: Name<'_>, but: Option<u64>) -> Result<Plan, FsError> {
        let units = Units::of_name(name)?;
        if !units.is_storable() {
            return Err(FsError::BadName);
        }
        let exact = alias::exact(&units);
        let need = if exact.is_some() { 1 } else { lfn::slots_of(&units) + 1 };
        let mut alias = Alias::new(&units);
        for round in 0..alias::ROUNDS {
            alias.begin(round);
            let mut exists = false;
            let survey = self.survey(dir, need, |found, scan| {
                let same = scan.has_name(found, &units);
                exists |= same && but != Some(found.place);
                if exact.is_none() {
                    alias.mark(&found.entry.name, &scan.shown(found));
                }
            })?;
            if exists {
                return Err(FsError::Exists);
            }
            if let Some(short) = exact.or_else(|| alias.pick()) {
                return Ok(Plan { units, short, is_short: exact.is_some(), room: survey.room });
            }
        }
        Err(FsError::NoSpace)
    }

    /// Makes a file, with one use.
    pub(super) fn create(&mut self, dir: Ino, name: Name<'_>, new: &NewNode<'_>) -> Result<Ino, FsError> {
        let start = self.dir_start(dir)?;
        let flags = match new.kind {
            FileType::Regular => Flags::ARCHIVE,
            FileType::Directory => Flags::DIRECTORY,
            _ => return Err(FsError::Unsupported),
        };
        self.begin()?;
        self.state.nodes.reserve()?;
        let plan = self.plan(start, name, None)?;
        let mut entry = Entry::new(plan.short, flags, new.now);
        if entry.is_dir() {
            entry.first = self.new_dir(start, &entry)?;
        }
        let written = self.write_set(start, plan.room, &entry, plan.long());
        let Ok(place) = written else {
            let _ = self.free_chain(entry.first);
            return written.map(|_| ROOT);
        };
        let ino = self.state.nodes.insert(place, plan.room, entry, 0);
        self.dir_changed(dir, new.now, i32::from(entry.is_dir()));
        Ok(ino)
    }

    /// The cluster of a new directory, with `.` and `..`.
    fn new_dir(&mut self, parent: DirStart, entry: &Entry) -> Result<u32, FsError> {
        let near = self.state.space.next;
        let run = self.find_free(near, 1, 0)?;
        let mut dots = [0; 64];
        let (dot, dotdot) = dots.split_at_mut(32);
        let kind = self.layout.kind;
        let named = |name: &[u8; 11], first| Entry { name: *name, first, ..*entry };
        named(b".          ", run.cluster).store(dot, kind);
        named(b"..         ", self.in_dots(parent)).store(dotdot, kind);
        self.new_dir_cluster(run.cluster, None, &dots)
    }

    /// The cluster that `..` names: 0 for the root.
    pub(super) fn in_dots(&self, parent: DirStart) -> u32 {
        match (self.layout.root, parent) {
            (Root::Chain(root), Some(first)) if first == root => 0,
            (_, Some(first)) => first,
            (_, None) => 0,
        }
    }

    /// A directory got or lost a name. Its time is a detail: a device that fails here has not failed the call.
    fn dir_changed(&mut self, dir: Ino, now: Timestamp, subdirs: i32) {
        if let Ok(node) = self.node(dir) {
            node.subdirs = node.subdirs.saturating_add_signed(subdirs);
        }
        let _ = self.change_entry(dir, |entry| {
            let archive = entry.flags & Flags::ARCHIVE;
            entry.touch(now);
            entry.flags = (entry.flags - Flags::ARCHIVE) | archive;
        });
    }

    /// The slots of a name, which must be that of `file`.
    fn find_file(&mut self, dir: DirStart, name: Name<'_>, file: Ino) -> Result<Found, FsError> {
        let Node { place, slot, .. } = *self.node(file)?;
        let units = Units::of_name(name)?;
        let mut scan = Scan::new(dir, slot, 0);
        if let Some(found) = scan.next(self)?
            && place == Some(found.place)
            && scan.has_name(&found, &units)
        {
            return Ok(found);
        }
        let found = self.find(dir, &units)?.ok_or(FsError::NotFound)?;
        if place == Some(found.place) { Ok(found) } else { Err(FsError::Stale) }
    }

    /// Takes its name from `file`; its bytes go when it is no longer in use.
    pub(super) fn remove(
        &mut self,
        dir: Ino,
        name: Name<'_>,
        file: Ino,
        now: Timestamp,
        directory: bool,
    ) -> Result<(), FsError> {
        let start = self.dir_start(dir)?;
        match (directory, self.node(file)?.entry.is_dir()) {
            (true, false) => return Err(FsError::NotDirectory),
            (false, true) => return Err(FsError::IsDirectory),
            _ => {}
        }
        let found = self.find_file(start, name, file)?;
        if directory {
            self.check_empty(file)?;
        }
        self.begin()?;
        self.erase_or_restore(start, &found)?;
        self.state.nodes.move_to(file, None);
        self.dir_changed(dir, now, -i32::from(directory));
        Ok(())
    }

    fn check_empty(&mut self, dir: Ino) -> Result<(), FsError> {
        let start = self.dir_start(dir)?;
        if self.count_dirs(start)?.1 { Ok(()) } else { Err(FsError::NotEmpty) }
    }

    /// Erases a set of slots. The first write takes the short name away: if that one is done, the name is gone, and what the
    /// rest did is a matter of parts of nobody's name.
    fn erase_or_restore(&mut self, dir: DirStart, found: &Found) -> Result<(), FsError> {
        let Range { start, end } = found.slots;
        self.erase_set(dir, end - 1..end)?;
        let _ = self.erase_set(dir, start..end - 1);
        Ok(())
    }

    /// Renames; see the module.
    pub(super) fn rename(&mut self, rename: &Rename<'_>) -> Result<(), FsError> {
        if rename.exchange {
            return Err(FsError::Unsupported);
        }
        let file = rename.from.file.ok_or(FsError::NotFound)?;
        let from = self.dir_start(rename.from.dir)?;
        let to = self.dir_start(rename.to.dir)?;
        let old = self.find_file(from, rename.from.name, file)?;
        self.begin()?;
        self.state.nodes.reserve()?;
        match rename.to.file {
            Some(target) if target != file => self.replace(rename, file, &old, target)?,
            _ => self.move_name(&rename.to, file, &old, from, to)?,
        }
        let moved_dirs = i32::from(old.entry.is_dir());
        self.dir_changed(rename.from.dir, rename.now, -moved_dirs);
        self.dir_changed(rename.to.dir, rename.now, moved_dirs);
        Ok(())
    }

    /// Writes a new set of slots for `file`, then erases the old one.
    fn move_name(
        &mut self,
        end: &RenameEnd<'_>,
        file: Ino,
        old: &Found,
        from: DirStart,
        to: DirStart,
    ) -> Result<(), FsError> {
        let plan = self.plan(to, end.name, Some(old.place))?;
        let entry = Entry { name: plan.short, small: 0, ..self.node(file)?.entry };
        let place = self.write_set(to, plan.room, &entry, plan.long())?;
        let new = plan.room..plan.room + if plan.is_short { 1 } else { lfn::slots_of(&plan.units) + 1 };
        let turned = self.turn_dots(&entry, from, to).and_then(|()| self.erase_or_restore(from, old));
        if let Err(error) = turned {
            let _ = self.turn_dots(&entry, to, from);
            let _ = self.erase_set(to, new);
            return Err(error);
        }
        self.state.nodes.move_to(file, Some(place));
        self.node(file)?.entry = entry;
        Ok(())
    }

    /// Rewrites the entry of `target` so that it is that of `file`, then erases the old name of `file`.
    fn replace(&mut self, rename: &Rename<'_>, file: Ino, old: &Found, target: Ino) -> Result<(), FsError> {
        let from = self.dir_start(rename.from.dir)?;
        let to = self.dir_start(rename.to.dir)?;
        let replaced = self.find_file(to, rename.to.name, target)?;
        match (old.entry.is_dir(), replaced.entry.is_dir()) {
            (true, false) => return Err(FsError::NotDirectory),
            (false, true) => return Err(FsError::IsDirectory),
            (true, true) => self.check_empty(target)?,
            (false, false) => {}
        }
        let entry =
            Entry { name: replaced.entry.name, small: replaced.entry.small, ..self.node(file)?.entry };
        let turned = self
            .store_entry(replaced.place, &entry)
            .and_then(|()| self.turn_dots(&entry, from, to))
            .and_then(|()| self.erase_or_restore(from, old));
        if let Err(error) = turned {
            let _ = self.turn_dots(&entry, to, from);
            let _ = self.store_entry(replaced.place, &replaced.entry);
            return Err(error);
        }
        self.state.nodes.move_to(target, None);
        self.state.nodes.move_to(file, Some(replaced.place));
        self.node(file)?.entry = entry;
        self.dir_changed(rename.to.dir, rename.now, -i32::from(replaced.entry.is_dir()));
        Ok(())
    }

    /// Makes `..` of a directory that moves name its new parent.
    fn turn_dots(&mut self, entry: &Entry, from: DirStart, to: DirStart) -> Result<(), FsError> {
        if !entry.is_dir() || from == to {
            return Ok(());
        }
        let mut walk = super::dir::Walk::new(Some(entry.first));
        let Some(place) = self.slot_place(&mut walk, 1)? else { return Ok(()) };
        let bytes = self.slot_bytes(place)?;
        if !bytes.starts_with(b"..         ") {
            return Err(FsError::Corrupt { block: entry.first.into(), what: "a directory without `..`" });
        }
        let dots = Entry { first: self.in_dots(to), ..Entry::parse(&bytes, self.layout.kind) };
        self.store_entry(place, &dots)
    }

    /// Gives back uses of a file; who has none and no name goes.
    pub(super) fn release(&mut self, file: Ino, uses: u32) {
        let Some(node) = self.state.nodes.release(file, uses) else { return };
        self.end_promise(node.promised);
        if node.is_nameless() {
            let _ = self.free_chain(node.entry.first);
        }
    }
}
