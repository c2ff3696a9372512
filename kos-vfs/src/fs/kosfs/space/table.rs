//! Bitmaps and the table of groups on their way to the device and back.

use super::super::block::{Block, Expected};
use super::super::layout::{BlockKind, HEADER, RawGroup};
use super::super::plan::{GROUPS_PER_TABLE, HOMES};
use super::Space;
use crate::error::FsError;

/// One block of the table of groups.
#[derive(Clone, Copy, Debug)]
pub(in crate::fs::kosfs) struct Table {
    pub(in crate::fs::kosfs) home: u8,
    /// 0 if it is to be written.
    pub(in crate::fs::kosfs) checksum: u64,
    /// A commit that never came to its end left a newer one behind.
    pub(super) stale: bool,
}

impl Space {
    /// Seals the bitmap of the first group that was changed, in its next home. Returns where it goes.
    pub(in crate::fs::kosfs) fn seal_bitmap(
        &mut self,
        volume: &[u8; 16],
        generation: u64,
    ) -> Option<(u64, &[u8])> {
        let rest = self.groups.get(self.first_changed..)?;
        let at = self.first_changed + rest.iter().position(|group| group.changed)?;
        self.first_changed = at + 1;
        let group = self.groups.get_mut(at)?;
        let map = group.bitmap.as_mut()?;
        group.home = (group.home + 1) % HOMES;
        let address = self.plan.bitmap(at as u64, group.home);
        let sealed = map.next.seal(Expected { kind: BlockKind::Bitmap, address, volume }, generation);
        (group.checksum, group.changed) = (sealed.checksum.get(), false);
        if let Some(table) = self.tables.get_mut(at / GROUPS_PER_TABLE) {
            table.checksum = 0;
        }
        Some((address, map.next.bytes()))
    }

    /// Seals the first block of the table that was changed, in its next home. Returns where it goes.
    pub(in crate::fs::kosfs) fn seal_table(
        &mut self,
        volume: &[u8; 16],
        generation: u64,
        scratch: &mut Block,
    ) -> Option<u64> {
        let at = self.tables.iter().position(|table| table.checksum == 0)?;
        scratch.bytes_mut().fill(0);
        let groups = self.groups.chunks(GROUPS_PER_TABLE).nth(at)?;
        for (index, group) in groups.iter().enumerate() {
            let entry = RawGroup {
                free: group.free_next.into(),
                home: group.home,
                zero: [0; 3],
                checksum: group.checksum.into(),
            };
            scratch.put(HEADER + index * size_of::<RawGroup>(), &entry);
        }
        let table = self.tables.get_mut(at)?;
        table.home = (table.home + 1) % HOMES;
        let address = self.plan.table(at as u64, table.home);
        let sealed = scratch.seal(Expected { kind: BlockKind::Groups, address, volume }, generation);
        table.checksum = sealed.checksum.get().max(1);
        Some(address)
    }

    /// Takes in the block `at` of the table, read from `home`.
    pub(in crate::fs::kosfs) fn supply_table(
        &mut self,
        at: usize,
        home: u8,
        block: &Block,
        stale: bool,
    ) -> Result<(), FsError> {
        let corrupt = |what| Err(FsError::Corrupt { block: self.plan.table(at as u64, home), what });
        let Some(groups) = self.groups.chunks_mut(GROUPS_PER_TABLE).nth(at) else {
            return corrupt("a table without groups");
        };
        for (index, group) in groups.iter_mut().enumerate() {
            let Some(entry) = block.get::<RawGroup>(HEADER + index * size_of::<RawGroup>()) else { continue };
            let number = (at * GROUPS_PER_TABLE + index) as u64;
            let usable = self.plan.usable_in(number);
            let free = entry.free.get();
            if u64::from(free) > usable.end - usable.start || entry.home > HOMES {
                return corrupt("a group with more free blocks than it has");
            }
            self.free_now = self.free_now - u64::from(group.free_now) + u64::from(free);
            self.free_next = self.free_next - u64::from(group.free_next) + u64::from(free);
            (group.free_now, group.free_next) = (free, free);
            (group.home, group.checksum) = (entry.home, entry.checksum.get());
        }
        if let Some(table) = self.tables.get_mut(at) {
            *table = Table { home, checksum: block.header().checksum.get().max(1), stale };
        }
        Ok(())
    }

    /// Lets the next commit write every block of the table of which a newer one lies about.
    pub(in crate::fs::kosfs) fn rewrite_stale(&mut self) {
        for table in &mut self.tables {
            if core::mem::take(&mut table.stale) {
                table.checksum = 0;
            }
        }
    }

    /// The checksums of the table's blocks, in order: what the superblock vouches for.
    pub(in crate::fs::kosfs) fn tables(&self) -> &[Table] {
        &self.tables
    }
}
