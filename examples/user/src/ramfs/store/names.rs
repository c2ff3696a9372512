//! Directories: names and what they lead to.

use super::{Attr, Entry, Failed, Listed, MAX_NAME, New, Node, Store};
use crate::ramfs::Time;

impl Store<'_> {
    fn find(&self, dir: u64, name: &[u8]) -> Option<usize> {
        self.entries.iter().position(|entry| entry.serial != 0 && entry.dir == dir && entry.name() == name)
    }

    /// The file of that name, taken in use.
    ///
    /// # Errors
    /// [`Failed`]
    pub fn lookup(&mut self, dir: u64, name: &[u8]) -> Result<Attr, Failed> {
        self.directory(dir)?;
        let entry = self.find(dir, name).and_then(|at| self.entries.get(at)).ok_or(Failed::NOT_FOUND)?;
        let file = entry.file;
        self.load(file)
    }

    /// Adds a name, if there is room.
    fn enter(&mut self, dir: u64, name: &[u8], file: u64, now: Time) -> Result<(), Failed> {
        self.directory(dir)?;
        if self.find(dir, name).is_some() {
            return Err(Failed::EXISTS);
        }
        let serial = self.next_serial();
        let directory = self.node(file)?.directory;
        let free = self.entries.iter_mut().find(|entry| entry.serial == 0).ok_or(Failed::NO_SPACE)?;
        let mut entry = Entry { serial, dir, file, length: name.len(), ..Entry::new() };
        entry.name.get_mut(..name.len()).ok_or(Failed::BAD_NAME)?.copy_from_slice(name);
        *free = entry;
        self.stamp(dir, now, i64::from(directory))
    }

    /// A directory changed, and has so many more directories in it.
    fn stamp(&mut self, dir: u64, now: Time, more: i64) -> Result<(), Failed> {
        let node = self.node_mut(dir)?;
        node.links = node.links.saturating_add_signed(more);
        let [_, modified, changed] = &mut node.times;
        (*modified, *changed) = (now, now);
        Ok(())
    }

    /// Makes a file with one name, taken in use.
    ///
    /// # Errors
    /// [`Failed`]; nothing is left of it.
    pub fn create(&mut self, dir: u64, name: &[u8], new: &New) -> Result<Attr, Failed> {
        let file = self.make(new, if new.directory { 2 } else { 1 })?;
        let entered = self.enter(dir, name, file, new.now).and_then(|()| self.load(file));
        entered.inspect_err(|_| {
            if let Ok(node) = self.node_mut(file) {
                *node = Node::new();
            }
        })
    }

    /// Gives a file one more name.
    ///
    /// # Errors
    /// [`Failed`]
    pub fn link(&mut self, dir: u64, name: &[u8], file: u64, now: Time) -> Result<Attr, Failed> {
        self.regular(file)?;
        self.enter(dir, name, file, now)?;
        let node = self.node_mut(file)?;
        node.links += 1;
        node.times[2] = now;
        self.attr(file)
    }

    fn is_empty(&self, dir: u64) -> bool {
        !self.entries.iter().any(|entry| entry.serial != 0 && entry.dir == dir)
    }

    /// Takes a name away, and the file with its last one. A directory must be empty.
    ///
    /// # Errors
    /// [`Failed`]
    pub fn unlink(&mut self, dir: u64, name: &[u8], file: u64, now: Time) -> Result<(), Failed> {
        let at = self.find(dir, name).ok_or(Failed::NOT_FOUND)?;
        let directory = self.node(file)?.directory;
        if directory && !self.is_empty(file) {
            return Err(Failed::NOT_EMPTY);
        }
        if let Some(entry) = self.entries.get_mut(at) {
            *entry = Entry::new();
        }
        self.stamp(dir, now, -i64::from(directory))?;
        let node = self.node_mut(file)?;
        node.links = if directory { 0 } else { node.links.saturating_sub(1) };
        node.times[2] = now;
        self.tidy(file);
        Ok(())
    }

    /// Renames; what has the new name goes.
    ///
    /// # Errors
    /// [`Failed`]; nothing has changed.
    pub fn rename(&mut self, from: (u64, &[u8]), to: (u64, &[u8]), now: Time) -> Result<(), Failed> {
        let at = self.find(from.0, from.1).ok_or(Failed::NOT_FOUND)?;
        let moved = self.entries.get(at).map_or(0, |entry| entry.file);
        let directory = self.node(moved)?.directory;
        self.directory(to.0)?;
        let replaced = self.find(to.0, to.1).and_then(|at| self.entries.get(at)).map(|entry| entry.file);
        if replaced == Some(moved) {
            return Ok(());
        }
        if let Some(file) = replaced {
            self.unlink(to.0, to.1, file, now)?;
        }
        let serial = self.next_serial();
        if let Some(entry) = self.entries.get_mut(at) {
            let mut name = [0; MAX_NAME];
            name.iter_mut().zip(to.1).for_each(|(to, from)| *to = *from);
            *entry = Entry { serial, dir: to.0, file: moved, length: to.1.len(), name };
        }
        self.stamp(from.0, now, -i64::from(directory))?;
        self.stamp(to.0, now, i64::from(directory))
    }

    /// The first name of a directory from a cookie on.
    ///
    /// # Errors
    /// [`Failed`]
    pub fn next_entry(&self, dir: u64, from: u64) -> Result<Option<Listed<'_>>, Failed> {
        self.directory(dir)?;
        let behind = self.entries.iter().filter(|entry| entry.dir == dir && entry.serial >= from.max(1));
        let Some(entry) = behind.min_by_key(|entry| entry.serial) else { return Ok(None) };
        let (file, next) = (entry.file, entry.serial + 1);
        Ok(Some(Listed { file, next, directory: self.node(file)?.directory, name: entry.name() }))
    }
}
