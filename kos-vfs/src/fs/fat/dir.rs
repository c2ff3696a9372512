//! Directories as rows of 32-byte slots: [`Walk`] finds a slot's place, [`Scan`] puts names together, and sets of slots are
//! written and erased.
//!
//! A set is written front to back, so that its last slot, the short name, makes it whole; it is erased back to front. What a
//! power cut leaves of a set is parts of a long name that belong to nobody: every reader passes them by.

use core::ops::Range;

use super::cache::Copies;
use super::chain::Run;
use super::entry::{DELETED, Entry, SlotKind};
use super::file::Source;
use super::layout::Root;
use super::lfn::{self, LongName};
use super::name::Units;
use super::table::Link;
use super::volume::Volume;
use crate::error::FsError;

/// Slots of a directory, at most: 2 MiB.
pub(super) const SLOTS_MAX: u32 = 65_536;

/// A directory: its first cluster, or `None` for a root in sectors of its own.
pub(super) type DirStart = Option<u32>;

/// Where in a directory's chain one is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    start: DirStart,
    /// The cluster at hand.
    cluster: u32,
    /// Its first slot.
    base: u32,
    /// The slot behind the last.
    end: u32,
}

impl Walk {
    pub(super) const fn new(start: DirStart) -> Self {
        let cluster = match start {
            Some(first) => first,
            None => 0,
        };
        Self { start, cluster, base: 0, end: SLOTS_MAX }
    }

    /// The first `end` slots of a directory.
    pub(super) const fn with_end(start: DirStart, end: u32) -> Self {
        Self { end, ..Self::new(start) }
    }
}

/// A file that a [`Scan`] came to.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) entry: Entry,
    pub(super) place: u64,
    /// All its slots; the last is the short name.
    pub(super) slots: Range<u32>,
}

/// Reads a directory name by name, and on its way looks for free slots.
pub(super) struct Scan {
    walk: Walk,
    slot: u32,
    /// The parts of a long name that came; of the last file found, if [`is_long`](Self::is_long).
    long: LongName,
    /// Whether the last file found is shown by a long name.
    is_long: bool,
    room: Room,
}

/// The first row of free slots that is long enough.
#[derive(Clone, Copy, Debug)]
struct Room {
    need: u32,
    start: u32,
    length: u32,
    found: Option<u32>,
}

impl Room {
    fn free(&mut self, slot: u32) {
        if self.length == 0 {
            self.start = slot;
        }
        self.length += 1;
        if self.length >= self.need {
            self.found = self.found.or(Some(self.start));
        }
    }
}

impl Scan {
    /// Begins at `slot`; looks for `need` free slots.
    pub(super) const fn new(start: DirStart, slot: u32, need: u32) -> Self {
        Self {
            walk: Walk::new(start),
            slot,
            long: LongName::EMPTY,
            is_long: false,
            room: Room { need, start: 0, length: 0, found: None },
        }
    }

    /// Reads where `walk` goes, from its first slot on.
    pub(super) const fn with_walk(walk: Walk) -> Self {
        Self { walk, ..Self::new(walk.start, 0, 0) }
    }

    /// The slot that comes next.
    pub(super) const fn slot(&self) -> u32 {
        self.slot
    }

    /// The next file. `.` and `..` are passed by, as are labels and parts of no name.
    pub(super) fn next(&mut self, volume: &mut Volume<'_>) -> Result<Option<Found>, FsError> {
        if core::mem::take(&mut self.is_long) {
            self.long.clear();
        }
        let end = match volume.layout.root {
            Root::Fixed { slots, .. } if self.walk.start.is_none() => slots,
            _ => self.walk.end,
        };
        while let Some(place) = volume.slot_place(&mut self.walk, self.slot)? {
            let (sector, offset) = volume.sector_of_place(place);
            let rows = volume.state.cache.get(volume.disk, sector)?.get(offset..).unwrap_or(&[]);
            let rows = rows.as_chunks().0.iter().take((end - self.slot) as usize);
            for (place, bytes) in (place..).zip(rows) {
                match self.step(bytes) {
                    SlotKind::End => return Ok(None),
                    SlotKind::Short if !bytes.starts_with(b".") => {
                        let entry = Entry::parse(bytes, volume.layout.kind);
                        return Ok(Some(self.found(entry, bytes, place)));
                    }
                    _ => {}
                }
            }
        }
        Ok(None)
    }

    /// Takes the slot that comes next, unless it is the end.
    fn step(&mut self, bytes: &[u8; 32]) -> SlotKind {
        let kind = SlotKind::of(bytes);
        match kind {
            SlotKind::End => return kind,
            SlotKind::Free => self.room.free(self.slot),
            _ => self.room.length = 0,
        }
        match kind {
            SlotKind::Long => self.long.take(bytes),
            SlotKind::Short if !bytes.starts_with(b".") => {}
            _ => self.long.clear(),
        }
        self.slot += 1;
        kind
    }

    /// What the slot taken last is.
    fn found(&mut self, entry: Entry, bytes: &[u8; 32], place: u64) -> Found {
        let raw = bytes.first_chunk().unwrap_or(&[0; 11]);
        let slots = self.long.slots(raw);
        self.is_long = slots.is_some();
        if !self.is_long {
            self.long.clear();
        }
        let start = self.slot.saturating_sub(slots.unwrap_or(0) + 1);
        Found { entry, place, slots: start..self.slot }
    }

    /// The name of the last file found as it is shown.
    pub(super) fn shown(&self, found: &Found) -> Units {
        let long = if self.is_long { self.long.units() } else { None };
        long.unwrap_or_else(|| Units::of_short(&found.entry))
    }

    /// Whether the last file found has this name, be it only as its short name.
    pub(super) fn has_name(&self, found: &Found, name: &Units) -> bool {
        self.is_long && self.long.is(name) || name.is_short(&found.entry.name)
    }

    /// After the last name: where there is room, be it behind the end.
    fn room(&self) -> u32 {
        let behind = if self.room.length > 0 { self.room.start } else { self.slot };
        self.room.found.unwrap_or(behind)
    }
}

/// What a pass over a directory says about a new name.
pub(super) struct Survey {
    /// The first of enough slots, that may have to be made.
    pub(super) room: u32,
}

impl Volume<'_> {
    /// The place of a slot; `None` behind the directory's end.
    pub(super) fn slot_place(&mut self, walk: &mut Walk, slot: u32) -> Result<Option<u64>, FsError> {
        let places = |sector: u64| sector << (self.layout.sector_shift - 5);
        if walk.start.is_none() {
            let Root::Fixed { first, slots } = self.layout.root else { return Ok(None) };
            return Ok((slot < slots).then(|| places(first) + u64::from(slot)));
        }
        if slot >= walk.end {
            return Ok(None);
        }
        if slot < walk.base {
            *walk = Walk::with_end(walk.start, walk.end);
        }
        if !self.layout.is_cluster(walk.cluster) {
            let block = walk.cluster.into();
            return Err(FsError::Corrupt { block, what: "a directory begins outside the volume" });
        }
        while slot - walk.base >= self.layout.slots_per_cluster() {
            match self.link(walk.cluster)? {
                Link::Next(next) => walk.cluster = next,
                Link::End => return Ok(None),
                Link::Free | Link::Bad => {
                    let block = walk.cluster.into();
                    return Err(FsError::Corrupt { block, what: "a directory goes on to no cluster" });
                }
            }
            walk.base += self.layout.slots_per_cluster();
        }
        let sector = self.layout.sector_of(walk.cluster);
        Ok(Some((sector << (self.layout.sector_shift - 5)) + u64::from(slot - walk.base)))
    }

    /// The file with this name.
    pub(super) fn find(&mut self, dir: DirStart, name: &Units) -> Result<Option<Found>, FsError> {
        let mut scan = Scan::new(dir, 0, 0);
        while let Some(found) = scan.next(self)? {
            if scan.has_name(&found, name) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Looks for `need` free slots; tells `each` of every file.
    pub(super) fn survey(
        &mut self,
        dir: DirStart,
        need: u32,
        mut each: impl FnMut(&Found, &Scan),
    ) -> Result<Survey, FsError> {
        let mut scan = Scan::new(dir, 0, need);
        while let Some(found) = scan.next(self)? {
            each(&found, &scan);
        }
        Ok(Survey { room: scan.room() })
    }

    /// How many directories are in a directory, and whether there is nothing at all.
    pub(super) fn count_dirs(&mut self, dir: DirStart) -> Result<(u32, bool), FsError> {
        let (mut dirs, mut empty) = (0, true);
        let mut scan = Scan::new(dir, 0, 0);
        while let Some(found) = scan.next(self)? {
            dirs += u32::from(found.entry.is_dir());
            empty = false;
        }
        Ok((dirs, empty))
    }

    /// Makes the directory so long that it has slot `last`.
    pub(super) fn grow_dir(&mut self, dir: DirStart, last: u32) -> Result<(), FsError> {
        let mut walk = Walk::new(dir);
        while self.slot_place(&mut walk, last)?.is_none() {
            if dir.is_none() || last >= SLOTS_MAX {
                return Err(FsError::NoSpace);
            }
            let tail = walk.cluster;
            self.new_dir_cluster(tail + 1, Some(tail), &[])?;
        }
        Ok(())
    }

    /// A cluster of free slots but for `first`, behind `tail`.
    pub(super) fn new_dir_cluster(
        &mut self,
        near: u32,
        tail: Option<u32>,
        first: &[u8],
    ) -> Result<u32, FsError> {
        let run = self.find_free(near, 1, 0)?;
        let at = self.layout.sector_of(run.cluster) << self.layout.sector_shift;
        self.transfer_out(at, u64::from(self.layout.cluster_bytes()), Source::Zeroes)?;
        if !first.is_empty() {
            self.transfer_out(at, first.len() as u64, Source::Bytes(first))?;
        }
        self.take(Run { length: 1, ..run }, tail)?;
        Ok(run.cluster)
    }

    /// Writes the slots from `start` on: the parts of `long`, if there is one, and the short name. Returns its place.
    pub(super) fn write_set(
        &mut self,
        dir: DirStart,
        start: u32,
        entry: &Entry,
        long: Option<&Units>,
    ) -> Result<u64, FsError> {
        let parts = long.map_or(0, lfn::slots_of);
        self.grow_dir(dir, start + parts)?;
        self.end_behind(dir, start, start + parts)?;
        let (kind, sum) = (self.layout.kind, lfn::checksum(&entry.name));
        let written = self.each_sector(dir, start..start + parts + 1, false, |slot, bytes| {
            let number = parts - (slot - start).min(parts);
            match long {
                Some(long) if number > 0 => bytes.copy_from_slice(&lfn::encode(long, number, parts, sum)),
                _ => {
                    bytes.fill(0);
                    entry.store(bytes, kind);
                }
            }
        });
        if written.is_err() {
            let _ = self.erase_set(dir, start..start + parts + 1);
        }
        written?;
        let place = self.slot_place(&mut Walk::new(dir), start + parts)?;
        place.ok_or(FsError::Corrupt { block: 0, what: "a directory became shorter" })
    }

    /// If a slot of `start..=last` is the end: the slot behind them is it from now on.
    fn end_behind(&mut self, dir: DirStart, start: u32, last: u32) -> Result<(), FsError> {
        let mut walk = Walk::new(dir);
        let Some(next) = self.slot_place(&mut walk, last + 1)? else { return Ok(()) };
        if self.slot_bytes(next)?.starts_with(&[0]) {
            return Ok(());
        }
        for slot in start..=last {
            let Some(place) = self.slot_place(&mut walk, slot)? else { return Ok(()) };
            if SlotKind::of(&self.slot_bytes(place)?) == SlotKind::End {
                return self.each_sector(dir, last + 1..last + 2, false, |_, bytes| bytes.fill(0));
            }
        }
        Ok(())
    }

    /// Frees the slots of a set.
    pub(super) fn erase_set(&mut self, dir: DirStart, slots: Range<u32>) -> Result<(), FsError> {
        self.each_sector(dir, slots, true, |_, bytes| {
            if let Some(first) = bytes.first_mut().filter(|first| **first != 0) {
                *first = DELETED;
            }
        })
    }

    /// Changes slots, one write for each sector, front to back or back to front.
    fn each_sector(
        &mut self,
        dir: DirStart,
        slots: Range<u32>,
        backwards: bool,
        mut change: impl FnMut(u32, &mut [u8]),
    ) -> Result<(), FsError> {
        let mut walk = Walk::new(dir);
        let per_sector = self.layout.sector_size() as u64 / 32;
        let mut left = slots;
        while !left.is_empty() {
            let edge = if backwards { left.end - 1 } else { left.start };
            let place = self.slot_place(&mut walk, edge)?;
            let place = place.ok_or(FsError::Corrupt { block: 0, what: "a directory became shorter" })?;
            let within = if backwards { place % per_sector + 1 } else { per_sector - place % per_sector };
            let count = u32::try_from(within).unwrap_or(u32::MAX).min(left.end - left.start);
            let first = if backwards { left.end - count } else { left.start };
            let (sector, offset) = self.sector_of_place(place - u64::from(edge - first));
            self.state.cache.update(self.disk, Copies::one(sector), |bytes| {
                let rows = bytes.get_mut(offset..).unwrap_or(&mut []).chunks_exact_mut(32);
                (first..first + count).zip(rows).for_each(|(slot, row)| change(slot, row));
            })?;
            left = if backwards { left.start..first } else { first + count..left.end };
        }
        Ok(())
    }
}
