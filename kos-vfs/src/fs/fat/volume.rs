//! The volume for the length of one call: [`Volume`], which lends the parts of a mounted volume to all that works on it.

use super::MountOptions;
use super::alloc::Space;
use super::bytes::{put, u8_at, u32_at};
use super::cache::{Cache, Copies, Disk};
use super::chain::Runs;
use super::entry::Entry;
use super::layout::{FatKind, Layout};
use super::nodes::{Node, Nodes};
use crate::attr::Ino;
use crate::error::FsError;

/// The byte of the sector of free counts at which the count stands; the hint is behind it.
pub(super) const FREE_AT: usize = 488;

/// What changes while a volume is mounted.
#[derive(Debug)]
pub(super) struct State {
    pub(super) cache: Cache,
    pub(super) space: Space,
    pub(super) nodes: Nodes,
    /// Whether the volume says that it is in use.
    pub(super) marked: bool,
    /// Whether it said so when it was mounted: then it goes on saying so.
    pub(super) was_marked: bool,
}

impl core::fmt::Debug for Cache {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}

/// A mounted volume for the length of one call.
pub(super) struct Volume<'a> {
    pub(super) disk: Disk<'a>,
    pub(super) layout: &'a Layout,
    pub(super) options: &'a MountOptions,
    pub(super) state: &'a mut State,
}

impl Volume<'_> {
    /// Everything written so far is durable.
    pub(super) fn flush(&mut self) -> Result<(), FsError> {
        self.disk.flush()?;
        self.state.space.flushed();
        Ok(())
    }

    /// Before a change: the volume says that it is in use.
    pub(super) fn begin(&mut self) -> Result<(), FsError> {
        if self.options.read_only {
            return Err(FsError::ReadOnly);
        }
        if !self.state.marked {
            self.mark(true)?;
            self.flush()?;
            self.state.marked = true;
        }
        Ok(())
    }

    /// Writes both marks: the bit in the first sector, and the one in the entry of cluster 1.
    pub(super) fn mark(&mut self, in_use: bool) -> Result<(), FsError> {
        let clean = match self.layout.kind {
            FatKind::Fat12 => 0,
            FatKind::Fat16 => 1 << 15,
            FatKind::Fat32 => 1 << 27,
        };
        let value = self.table_value(1)?;
        let value = if in_use { value & !clean } else { value | clean };
        let at = self.layout.dirty_at;
        self.state.cache.update(self.disk, Copies::one(0), |boot| {
            let flags = u8_at(boot, at) & !1 | u8::from(in_use);
            put(boot, at, &[flags]);
        })?;
        self.set_values(1, 1, |_| value)
    }

    /// Reads what the volume says about itself beside its layout.
    pub(super) fn read_hints(&mut self) -> Result<(), FsError> {
        let at = self.layout.dirty_at;
        let flags = u8_at(self.state.cache.get(self.disk, 0)?, at);
        self.state.was_marked = flags & 1 != 0;
        self.state.marked = self.state.was_marked;
        self.state.space.next = 2;
        let Some(sector) = self.layout.info else { return Ok(()) };
        let info = self.state.cache.get(self.disk, sector)?;
        let known = u32_at(info, 0) == 0x4161_5252 && u32_at(info, 484) == 0x6141_7272;
        if known && !self.state.was_marked {
            let (free, next) = (u32_at(info, FREE_AT), u32_at(info, FREE_AT + 4));
            self.state.space.free = Some(free).filter(|&free| free <= self.layout.clusters);
            self.state.space.next = next;
        }
        Ok(())
    }

    /// Makes everything durable. If nothing waits to be freed, the volume says then that it is not in use.
    pub(super) fn sync(&mut self) -> Result<(), FsError> {
        self.flush()?;
        if !self.state.marked || self.options.read_only {
            return Ok(());
        }
        self.write_hints()?;
        if !self.state.was_marked && !self.state.nodes.any_nameless() {
            self.mark(false)?;
            self.state.marked = false;
        }
        self.flush()
    }

    pub(super) fn write_hints(&mut self) -> Result<(), FsError> {
        let Some(sector) = self.layout.info else { return Ok(()) };
        let free = self.state.space.free.unwrap_or(u32::MAX);
        let next = self.state.space.next;
        let next = if self.layout.is_cluster(next) { next } else { u32::MAX };
        self.state.cache.update(self.disk, Copies::one(sector), |info| {
            put(info, FREE_AT, &free.to_le_bytes());
            put(info, FREE_AT + 4, &next.to_le_bytes());
        })
    }

    /// The bytes of 32 that stand at `place`.
    pub(super) fn slot_bytes(&mut self, place: u64) -> Result<[u8; 32], FsError> {
        let (sector, offset) = self.sector_of_place(place);
        let bytes = self.state.cache.get(self.disk, sector)?;
        Ok(bytes.get(offset..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; 32]))
    }

    /// The sector of a place, and the byte in it.
    #[expect(clippy::cast_possible_truncation, reason = "below the size of a sector")]
    pub(super) const fn sector_of_place(&self, place: u64) -> (u64, usize) {
        let at = place * 32;
        (at >> self.layout.sector_shift, at as usize & (self.layout.sector_size() - 1))
    }

    /// Writes an entry to where it stands.
    pub(super) fn store_entry(&mut self, place: u64, entry: &Entry) -> Result<(), FsError> {
        let (sector, offset) = self.sector_of_place(place);
        let kind = self.layout.kind;
        self.state.cache.update(self.disk, Copies::one(sector), |bytes| {
            if let Some(slot) = bytes.get_mut(offset..) {
                entry.store(slot, kind);
            }
        })
    }

    /// A file in use.
    pub(super) fn node(&mut self, file: Ino) -> Result<&mut Node, FsError> {
        self.state.nodes.get(file)
    }

    /// What `change` makes of a file's entry, on the device first. Nothing is written if it stays as it is.
    pub(super) fn change_entry(&mut self, file: Ino, change: impl FnOnce(&mut Entry)) -> Result<(), FsError> {
        let node = self.node(file)?;
        let (mut entry, place) = (node.entry, node.place);
        change(&mut entry);
        if entry == node.entry {
            return Ok(());
        }
        if let Some(place) = place {
            self.store_entry(place, &entry)?;
        }
        self.node(file)?.entry = entry;
        Ok(())
    }

    /// Lends what is known of a file's chain to `body`.
    pub(super) fn with_runs<T>(
        &mut self,
        file: Ino,
        body: impl FnOnce(&mut Self, u32, &mut Runs) -> Result<T, FsError>,
    ) -> Result<T, FsError> {
        let node = self.node(file)?;
        let first = node.entry.first;
        let mut runs = core::mem::take(&mut node.runs);
        let done = body(self, first, &mut runs);
        self.node(file)?.runs = runs;
        done
    }
}
