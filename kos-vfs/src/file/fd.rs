//! [`FdTable`]: the descriptors of one process.
//!
//! The table has no lock of its own: whoever shares one between threads puts it behind his own, takes a handle out with
//! [`get`](FdTable::get), clones it and lets go of the lock before he reads or writes.

use alloc::vec::Vec;
use core::fmt;

use super::error::FileError;
use super::table::OpenFile;
use crate::ports::Env;

/// A descriptor: an index, so never below 0.
pub type Fd = u32;

struct Slot<'v, E: Env> {
    file: OpenFile<'v, E>,
    close_on_exec: bool,
}

/// Open files by number. A new one gets the lowest number that is free.
pub struct FdTable<'v, E: Env> {
    slots: Vec<Option<Slot<'v, E>>>,
    /// Whose its process locks are; 0: it never had any.
    pub(super) owner: u64,
}

impl<'v, E: Env> FdTable<'v, E> {
    /// No descriptors.
    pub const fn new() -> Self {
        Self { slots: Vec::new(), owner: 0 }
    }

    /// Gives `file` the lowest free number from `from` on, below `limit`.
    ///
    /// # Errors
    /// [`FileError::NoDescriptor`] (the file is closed again), [`FileError::Invalid`] if `from` is not below `limit`, no memory.
    pub fn insert(
        &mut self,
        file: OpenFile<'v, E>,
        close_on_exec: bool,
        from: Fd,
        limit: u32,
    ) -> Result<Fd, FileError> {
        if from >= limit && from > 0 {
            return Err(FileError::Invalid);
        }
        let rest = self.slots.iter().enumerate().skip(from as usize);
        let free = rest.filter(|(_, slot)| slot.is_none()).map(|(index, _)| index).next();
        let index = free.unwrap_or_else(|| self.slots.len().max(from as usize));
        let fd = Fd::try_from(index).ok().filter(|&fd| fd < limit).ok_or(FileError::NoDescriptor)?;
        self.put(fd, Slot { file, close_on_exec })?;
        Ok(fd)
    }

    fn put(&mut self, fd: Fd, slot: Slot<'v, E>) -> Result<Option<OpenFile<'v, E>>, FileError> {
        let index = fd as usize;
        if index >= self.slots.len() {
            let more = index + 1 - self.slots.len();
            self.slots.try_reserve(more).map_err(|_| FileError::NoMemory)?;
            self.slots.resize_with(index + 1, || None);
        }
        let Some(place) = self.slots.get_mut(index) else { return Err(FileError::NoMemory) };
        let old = place.replace(slot).map(|slot| slot.file);
        if let Some(file) = &old {
            Self::release_locks(self.owner, file);
        }
        Ok(old)
    }

    /// Closes the descriptors among `range` that `which` says.
    fn close_those(&mut self, range: core::ops::Range<usize>, which: impl Fn(&Slot<'v, E>) -> bool) {
        for place in self.slots.get_mut(range).unwrap_or_default() {
            if let Some(slot) = place.take_if(|slot| which(slot)) {
                Self::release_locks(self.owner, &slot.file);
            }
        }
    }

    fn slot(&self, fd: Fd) -> Result<&Slot<'v, E>, FileError> {
        self.slots.get(fd as usize).and_then(Option::as_ref).ok_or(FileError::BadDescriptor)
    }

    /// The file behind a descriptor.
    ///
    /// # Errors
    /// [`FileError::BadDescriptor`].
    pub fn get(&self, fd: Fd) -> Result<&OpenFile<'v, E>, FileError> {
        self.slot(fd).map(|slot| &slot.file)
    }

    /// Another descriptor for the same open file: the lowest free from `from` on (`dup`, `F_DUPFD`).
    ///
    /// # Errors
    /// A bad descriptor, or as [`insert`](Self::insert).
    pub fn dup(&mut self, fd: Fd, from: Fd, close_on_exec: bool, limit: u32) -> Result<Fd, FileError> {
        let file = self.get(fd)?.clone();
        self.insert(file, close_on_exec, from, limit)
    }

    /// Makes `to` a descriptor for the same open file, closing what it was (`dup3`; where both are the same, `dup2` does nothing
    /// and `dup3` refuses: that is the caller's to know).
    ///
    /// # Errors
    /// A bad descriptor, `to` not below `limit`, no memory.
    pub fn dup_to(&mut self, fd: Fd, to: Fd, close_on_exec: bool, limit: u32) -> Result<(), FileError> {
        let file = self.get(fd)?.clone();
        if to >= limit {
            return Err(FileError::BadDescriptor);
        }
        self.put(to, Slot { file, close_on_exec }).map(drop)
    }

    /// Closes a descriptor; returns its file, which is closed when nobody else has a handle.
    ///
    /// # Errors
    /// [`FileError::BadDescriptor`].
    pub fn close(&mut self, fd: Fd) -> Result<OpenFile<'v, E>, FileError> {
        let slot = self.slots.get_mut(fd as usize).and_then(Option::take);
        let file = slot.map(|slot| slot.file).ok_or(FileError::BadDescriptor)?;
        Self::release_locks(self.owner, &file);
        Ok(file)
    }

    /// Closes all from `first` to `last`, or marks them to be closed when a program is run (`close_range`).
    ///
    /// # Errors
    /// `last` before `first`.
    pub fn close_range(&mut self, first: Fd, last: Fd, on_exec: bool) -> Result<(), FileError> {
        if last < first {
            return Err(FileError::Invalid);
        }
        let end = self.slots.len().min((last as usize).saturating_add(1));
        let range = (first as usize).min(end)..end;
        if !on_exec {
            self.close_those(range, |_| true);
            return Ok(());
        }
        for slot in self.slots.get_mut(range).unwrap_or_default().iter_mut().flatten() {
            slot.close_on_exec = true;
        }
        Ok(())
    }

    /// Whether the descriptor is closed when a program is run.
    ///
    /// # Errors
    /// [`FileError::BadDescriptor`].
    pub fn close_on_exec(&self, fd: Fd) -> Result<bool, FileError> {
        self.slot(fd).map(|slot| slot.close_on_exec)
    }

    /// Says whether the descriptor is closed when a program is run.
    ///
    /// # Errors
    /// [`FileError::BadDescriptor`].
    pub fn set_close_on_exec(&mut self, fd: Fd, close: bool) -> Result<(), FileError> {
        let slot = self.slots.get_mut(fd as usize).and_then(Option::as_mut);
        slot.ok_or(FileError::BadDescriptor)?.close_on_exec = close;
        Ok(())
    }

    /// A program is run: closes what is to be closed then.
    pub fn exec(&mut self) {
        self.close_those(0..self.slots.len(), |slot| slot.close_on_exec);
    }

    /// A copy for a child: the same open files under the same numbers, none of the process's locks.
    ///
    /// # Errors
    /// No memory.
    pub fn fork(&self) -> Result<Self, FileError> {
        let mut slots = Vec::new();
        slots.try_reserve_exact(self.slots.len()).map_err(|_| FileError::NoMemory)?;
        slots.extend(self.slots.iter().map(|slot| {
            slot.as_ref().map(|slot| Slot { file: slot.file.clone(), close_on_exec: slot.close_on_exec })
        }));
        Ok(Self { slots, owner: 0 })
    }

    /// The descriptors in use, in order.
    pub fn iter(&self) -> impl Iterator<Item = Fd> {
        (0..).zip(&self.slots).filter(|(_, slot)| slot.is_some()).map(|(fd, _)| fd)
    }
}

impl<E: Env> Drop for FdTable<'_, E> {
    fn drop(&mut self) {
        if self.owner != 0 {
            self.close_those(0..self.slots.len(), |_| true);
        }
    }
}

impl<E: Env> Default for FdTable<'_, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Env> fmt::Debug for FdTable<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
