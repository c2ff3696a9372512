//! Open files: [`Opens`], the table of all, and [`OpenFile`], a counted handle of one.
//!
//! What descriptors that were duplicated share is here: flags and position. The position's lock is held while it is used, so
//! that two reads of one open file never give the same bytes twice.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use lock_api::{Mutex, MutexGuard};

use super::flags::OpenFlags;
use super::lock::table::Owner;
use crate::attr::FileType;
use crate::cache::Readahead;
use crate::error::{FsError, NoMemory};
use crate::ports::{Env, SpecialFile};
use crate::tree::Node;
use crate::tree::place::Place;
use crate::tree::slots::Slots;

/// What is shared by all handles of an open file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    pub(crate) refs: u32,
    pub(crate) flags: OpenFlags,
    pub(crate) kind: FileType,
    /// Whether it was counted as a writer of its mount.
    pub(crate) writer: bool,
    /// What it has read.
    pub(crate) ahead: Readahead,
    /// Up to which lost write it was told.
    pub(crate) told: u32,
    /// Whether it may have locks of its own.
    pub(crate) locked: bool,
}

/// Who has the bytes of an open file that is not stored.
#[derive(Clone, Debug)]
pub(super) enum Served {
    /// It is.
    Not,
    /// The integrator: a pipe, socket or device.
    Port(Arc<dyn SpecialFile>),
    /// Its file system, by this handle ([`OpenOps`](crate::fs::OpenOps)).
    Handle(u64),
}

/// All open files.
#[derive(Debug)]
pub(crate) struct Opens<E: Env> {
    table: Mutex<E::Lock, Slots<Open>>,
    positions: Vec<Mutex<E::Lock, u64>>,
}

impl<E: Env> Opens<E> {
    pub(crate) fn new(count: u32) -> Result<Self, NoMemory> {
        let mut positions = Vec::new();
        positions.try_reserve_exact(count as usize)?;
        positions.extend((0..count).map(|_| Mutex::new(0)));
        Ok(Self { table: Mutex::new(Slots::new(count)?), positions })
    }

    pub(crate) fn live(&self) -> u32 {
        self.table.lock().live()
    }

    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let idle = self.table.lock().iter().any(|(_, open)| open.refs == 0);
        if idle { Err("an open file that nobody holds") } else { Ok(()) }
    }
}

/// A file that was opened. A clone is another handle of the same (as `dup` makes): they share position and flags. The last
/// one closes it.
pub struct OpenFile<'v, E: Env> {
    /// Goes before the place, which keeps the node's identity.
    served: Served,
    place: Place<'v, E>,
    slot: u32,
}

impl<'v, E: Env> OpenFile<'v, E> {
    /// Takes a slot. `None` if there is none.
    pub(crate) fn new(place: Place<'v, E>, flags: OpenFlags, kind: FileType) -> Option<Self> {
        let vfs = place.vfs();
        let writer = flags.writes() && kind == FileType::Regular;
        let told = vfs.cache.sample_errors(place.node().inode);
        let open = Open { refs: 1, flags, kind, writer, ahead: Readahead::default(), told, locked: false };
        let slot = vfs.opens.table.lock().insert(open).ok()?;
        let file = Self { served: Served::Not, place, slot };
        *file.position() = 0;
        if writer {
            vfs.tree(|tree| tree.mounts.at_mut(file.place.loc().mount).writers += 1);
        }
        Some(file)
    }

    pub(super) fn serve(&mut self, served: Served) {
        self.served = served;
    }

    pub(super) const fn served(&self) -> &Served {
        &self.served
    }

    /// Where it is.
    pub const fn place(&self) -> &Place<'v, E> {
        &self.place
    }

    /// The flags it was opened with, and as they were changed since.
    pub fn flags(&self) -> OpenFlags {
        self.open().flags
    }

    /// What it is.
    pub fn kind(&self) -> FileType {
        self.open().kind
    }

    /// Changes what can be changed: [`OpenFlags::CHANGEABLE`]; the rest is ignored.
    pub fn set_flags(&self, flags: OpenFlags) {
        let mut table = self.place.vfs().opens.table.lock();
        let open = table.at_mut(self.slot);
        open.flags = (open.flags - OpenFlags::CHANGEABLE) | (flags & OpenFlags::CHANGEABLE);
    }

    pub(crate) fn open(&self) -> Open {
        *self.place.vfs().opens.table.lock().at(self.slot)
    }

    pub(super) const fn slot(&self) -> u32 {
        self.slot
    }

    /// It may have locks of its own from now on.
    pub(super) fn mark_locked(&self) {
        self.place.vfs().opens.table.lock().at_mut(self.slot).locked = true;
    }

    /// Remembers what was read.
    pub(crate) fn set_ahead(&self, ahead: Readahead) {
        if ahead != self.open().ahead {
            self.place.vfs().opens.table.lock().at_mut(self.slot).ahead = ahead;
        }
    }

    /// Tells once of a write that was lost while the file was open.
    pub(crate) fn tell_errors(&self, node: &Node) -> Result<(), FsError> {
        let vfs = self.place.vfs();
        let mut told = self.open().told;
        let result = vfs.cache.tell_errors(node.inode, &mut told);
        if result.is_err() {
            vfs.opens.table.lock().at_mut(self.slot).told = told;
        }
        result
    }

    /// The position, locked.
    #[expect(clippy::indexing_slicing, reason = "there is one for each slot of the table")]
    pub(crate) fn position(&self) -> MutexGuard<'_, E::Lock, u64> {
        self.place.vfs().opens.positions[self.slot as usize].lock()
    }
}

impl<E: Env> Clone for OpenFile<'_, E> {
    fn clone(&self) -> Self {
        self.place.vfs().opens.table.lock().at_mut(self.slot).refs += 1;
        Self { served: self.served.clone(), place: self.place.clone(), slot: self.slot }
    }
}

impl<E: Env> Drop for OpenFile<'_, E> {
    fn drop(&mut self) {
        let vfs = self.place.vfs();
        let mut table = vfs.opens.table.lock();
        table.at_mut(self.slot).refs -= 1;
        if table.at(self.slot).refs > 0 {
            return;
        }
        let locked = table.at(self.slot).locked;
        if locked {
            // Before the slot is another's.
            vfs.locks.lock().release(Owner::Open(self.slot), None);
        }
        let writer = table.remove(self.slot).is_some_and(|open| open.writer);
        drop(table);
        if locked {
            vfs.wake_lockers();
        }
        self.close_served();
        if writer {
            vfs.tree(|tree| tree.mounts.at_mut(self.place.loc().mount).writers -= 1);
        }
    }
}

impl<E: Env> PartialEq for OpenFile<'_, E> {
    /// Whether both are handles of one open file.
    fn eq(&self, other: &Self) -> bool {
        self.slot == other.slot && core::ptr::eq(self.place.vfs(), other.place.vfs())
    }
}

impl<E: Env> fmt::Debug for OpenFile<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFile").field("slot", &self.slot).field("place", &self.place).finish()
    }
}
