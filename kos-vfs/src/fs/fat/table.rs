//! The file allocation table: one [`Link`] for each cluster.
//!
//! A change is written to each table before the next one; a run of clusters costs one write a sector and table.

use super::bytes::{u16_at, u32_at};
use super::cache::Copies;
use super::layout::{FatKind, Layout};
use super::volume::Volume;
use crate::error::FsError;

/// What the table says about a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// Nobody has it.
    Free,
    /// The chain goes on there.
    Next(u32),
    /// The chain ends here.
    End,
    /// It cannot be used, or the number is none that can be there.
    Bad,
}

impl Layout {
    /// What `value` means.
    pub(super) const fn link_of(&self, value: u32) -> Link {
        let end = match self.kind {
            FatKind::Fat12 => 0xff8,
            FatKind::Fat16 => 0xfff8,
            FatKind::Fat32 => 0x0fff_fff8,
        };
        match value {
            0 => Link::Free,
            _ if value >= end => Link::End,
            _ if self.is_cluster(value) => Link::Next(value),
            _ => Link::Bad,
        }
    }

    /// How `link` is stored.
    pub(super) const fn value_of(&self, link: Link) -> u32 {
        let all = match self.kind {
            FatKind::Fat12 => 0xfff,
            FatKind::Fat16 => 0xffff,
            FatKind::Fat32 => 0x0fff_ffff,
        };
        match link {
            Link::Free => 0,
            Link::Next(cluster) => cluster,
            Link::End => all,
            Link::Bad => all - 8,
        }
    }

    /// The byte of the table at which the entry of `cluster` begins.
    pub(super) const fn entry_at(&self, cluster: u32) -> u64 {
        let cluster = cluster as u64;
        match self.kind {
            FatKind::Fat12 => cluster + cluster / 2,
            FatKind::Fat16 => cluster * 2,
            FatKind::Fat32 => cluster * 4,
        }
    }

    /// The last cluster whose entry begins at byte `at` of the table, or before.
    const fn cluster_at(&self, at: u64) -> u64 {
        match self.kind {
            FatKind::Fat12 => (2 * at + 1) / 3,
            FatKind::Fat16 => at / 2,
            FatKind::Fat32 => at / 4,
        }
    }

    /// Bytes that an entry touches.
    const fn entry_bytes(&self) -> u64 {
        match self.kind {
            FatKind::Fat12 | FatKind::Fat16 => 2,
            FatKind::Fat32 => 4,
        }
    }

    /// Sector `index` of the table, with its copies.
    pub(super) const fn table_sector(&self, index: u64) -> Copies {
        let active = self.table + self.active as u64 * self.table_sectors;
        let (first, count) = if self.mirrored { (self.table, self.tables) } else { (active, 1) };
        Copies { sector: active + index, first: first + index, step: self.table_sectors, count }
    }

    /// Of the entry of `cluster`, stores the bytes that lie in `sector`, which begins at byte `start` of the table.
    fn store(&self, sector: &mut [u8], start: u64, cluster: u32, value: u32) {
        let odd = self.kind == FatKind::Fat12 && cluster % 2 == 1;
        let (value, mask) = match self.kind {
            FatKind::Fat12 if odd => (value << 4, 0xfff0_u32),
            FatKind::Fat12 => (value, 0x0fff),
            FatKind::Fat16 => (value, 0xffff),
            FatKind::Fat32 => (value, 0x0fff_ffff),
        };
        let at = self.entry_at(cluster);
        let place = at.checked_sub(start).and_then(|index| usize::try_from(index).ok());
        if self.kind == FatKind::Fat32
            && let Some(entry) = place.and_then(|index| sector.get_mut(index..)?.first_chunk_mut())
        {
            *entry = (u32::from_le_bytes(*entry) & !mask | value & mask).to_le_bytes();
            return;
        }
        let bytes = value.to_le_bytes().into_iter().zip(mask.to_le_bytes());
        for ((value, mask), at) in bytes.zip(at..at + self.entry_bytes()) {
            let place = at.checked_sub(start).and_then(|index| usize::try_from(index).ok());
            if let Some(byte) = place.and_then(|index| sector.get_mut(index)) {
                *byte = *byte & !mask | value & mask;
            }
        }
    }
}

/// The first of `clusters` whose value is not one to `keep`, with that value; or the first that has none here.
fn kept(
    values: impl Iterator<Item = u32>,
    clusters: core::ops::Range<u32>,
    keep: &impl Fn(u32, u32) -> bool,
) -> (u32, Option<u32>) {
    let mut next = clusters.start;
    for (cluster, value) in clusters.zip(values) {
        if !keep(cluster, value) {
            return (cluster, Some(value));
        }
        next = cluster + 1;
    }
    (next, None)
}

impl Volume<'_> {
    /// The entry of `cluster` as it stands there; 0 and 1 have one too.
    pub(super) fn table_value(&mut self, cluster: u32) -> Result<u32, FsError> {
        let at = self.layout.entry_at(cluster);
        let size = self.layout.sector_size();
        #[expect(clippy::cast_possible_truncation, reason = "below the size of a sector")]
        let offset = at as usize & (size - 1);
        let index = at >> self.layout.sector_shift;
        let sector = self.state.cache.get(self.disk, self.layout.table_sector(index).sector)?;
        if self.layout.kind == FatKind::Fat32 {
            return Ok(u32_at(sector, offset) & 0x0fff_ffff);
        }
        let mut value = u16_at(sector, offset);
        if offset + 1 == size {
            let low = sector.last().copied().unwrap_or(0);
            let next = self.state.cache.get(self.disk, self.layout.table_sector(index + 1).sector)?;
            value = u16::from_le_bytes([low, next.first().copied().unwrap_or(0)]);
        }
        Ok(match self.layout.kind {
            FatKind::Fat12 if cluster % 2 == 1 => u32::from(value >> 4),
            FatKind::Fat12 => u32::from(value & 0xfff),
            _ => u32::from(value),
        })
    }

    /// What the table says about `cluster`.
    pub(super) fn link(&mut self, cluster: u32) -> Result<Link, FsError> {
        Ok(self.layout.link_of(self.table_value(cluster)?))
    }

    /// The first cluster from `first` on whose value is not one to `keep`, with its value; `end` if there is none below it.
    pub(super) fn skip_while(
        &mut self,
        first: u32,
        end: u32,
        keep: impl Fn(u32, u32) -> bool,
    ) -> Result<(u32, Option<u32>), FsError> {
        let mut next = first;
        while next < end {
            let (reached, value) = match self.layout.kind {
                FatKind::Fat12 => kept([self.table_value(next)?].into_iter(), next..end, &keep),
                FatKind::Fat16 => {
                    let values = self.row(next)?.as_chunks().0.iter();
                    kept(values.map(|&value| u16::from_le_bytes(value).into()), next..end, &keep)
                }
                FatKind::Fat32 => {
                    let values = self.row(next)?.as_chunks().0.iter();
                    kept(values.map(|&value| u32::from_le_bytes(value) & 0x0fff_ffff), next..end, &keep)
                }
            };
            if value.is_some() || reached == next {
                return Ok((reached, value));
            }
            next = reached;
        }
        Ok((next, None))
    }

    /// The sector with the entry of `cluster`, from that entry on.
    fn row(&mut self, cluster: u32) -> Result<&[u8], FsError> {
        let at = self.layout.entry_at(cluster);
        #[expect(clippy::cast_possible_truncation, reason = "below the size of a sector")]
        let offset = at as usize & (self.layout.sector_size() - 1);
        let sector = self.layout.table_sector(at >> self.layout.sector_shift).sector;
        Ok(self.state.cache.get(self.disk, sector)?.get(offset..).unwrap_or(&[]))
    }

    /// Stores `value(cluster)` for `count` clusters from `first` on.
    pub(super) fn set_values(
        &mut self,
        first: u32,
        count: u32,
        value: impl Fn(u32) -> u32,
    ) -> Result<(), FsError> {
        let layout = self.layout;
        let end = first.saturating_add(count);
        let mut next = first;
        while next < end {
            let index = layout.entry_at(next) >> layout.sector_shift;
            let start = index << layout.sector_shift;
            let behind = start + layout.sector_size() as u64;
            let last = u32::try_from(layout.cluster_at(behind - 1)).unwrap_or(u32::MAX).min(end - 1);
            let split = layout.entry_at(last) + layout.entry_bytes() > behind;
            self.state.cache.update(self.disk, layout.table_sector(index), |sector| {
                for cluster in next..=last {
                    layout.store(sector, start, cluster, value(cluster));
                }
            })?;
            if split {
                self.state.cache.update(self.disk, layout.table_sector(index + 1), |sector| {
                    layout.store(sector, behind, last, value(last));
                })?;
            }
            next = last.saturating_add(1);
        }
        Ok(())
    }

    /// Sets what the table says about `cluster`.
    pub(super) fn set_link(&mut self, cluster: u32, link: Link) -> Result<(), FsError> {
        let value = self.layout.value_of(link);
        self.set_values(cluster, 1, |_| value)
    }

    /// Makes a chain of `count` clusters from `first` on, that ends with `last`.
    pub(super) fn link_run(&mut self, first: u32, count: u32, last: Link) -> Result<(), FsError> {
        let layout = self.layout;
        let end = first.saturating_add(count);
        self.set_values(first, count, |cluster| {
            let link = if cluster + 1 < end { Link::Next(cluster + 1) } else { last };
            layout.value_of(link)
        })
    }
}
