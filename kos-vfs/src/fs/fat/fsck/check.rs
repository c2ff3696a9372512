//! The passes of a check: tables, tree, lost clusters, hints.

use alloc::vec::Vec;
use core::ops::Range;

use super::super::bytes::{u8_at, u32_at};
use super::super::dir::{DirStart, Found, SLOTS_MAX, Scan, Walk};
use super::super::entry::{Entry, SlotKind};
use super::super::layout::Root;
use super::super::table::Link;
use super::super::volume::Volume;
use super::report::{FsckError, FsckReport, Problem, ShortName};

/// Clusters that a file has.
struct Claims(Vec<u64>);

impl Claims {
    fn new(clusters: u32) -> Result<Self, FsckError> {
        let words = clusters as usize / 64 + 1;
        let mut bits = Vec::new();
        bits.try_reserve_exact(words)?;
        bits.resize(words, 0);
        Ok(Self(bits))
    }

    fn has(&self, cluster: u32) -> bool {
        let word = self.0.get(cluster as usize / 64).copied().unwrap_or(!0);
        word >> (cluster % 64) & 1 == 1
    }

    fn add(&mut self, cluster: u32) {
        if let Some(word) = self.0.get_mut(cluster as usize / 64) {
            *word |= 1 << (cluster % 64);
        }
    }
}

/// A directory that is still to be looked at.
#[derive(Clone, Copy)]
struct Pending {
    start: DirStart,
    /// What `..` names there; `None` in the root, which has none.
    parent: Option<u32>,
    /// Slots that its good clusters hold.
    slots: u32,
}

/// How far a chain is good.
struct Good {
    /// Clusters.
    count: u32,
    /// The last of them.
    last: u32,
}

/// One check at work.
pub(super) struct Checker<'c, 'v> {
    volume: Volume<'v>,
    repair: bool,
    each: &'c mut dyn FnMut(&Problem, bool),
    claims: Claims,
    pending: Vec<Pending>,
    report: FsckReport,
}

impl<'c, 'v> Checker<'c, 'v> {
    pub(super) fn new(
        volume: Volume<'v>,
        repair: bool,
        each: &'c mut dyn FnMut(&Problem, bool),
    ) -> Result<Self, FsckError> {
        let claims = Claims::new(volume.layout.clusters + 2)?;
        Ok(Self { volume, repair, each, claims, pending: Vec::new(), report: FsckReport::default() })
    }

    /// All passes. `buffer` holds two sectors.
    pub(super) fn run(mut self, buffer: &mut [u8]) -> Result<FsckReport, FsckError> {
        self.check_tables(buffer)?;
        self.check_tree()?;
        self.free_lost()?;
        self.check_hints()?;
        Ok(self.report)
    }

    /// Counts a problem; whether it is to be mended.
    fn found(&mut self, problem: Problem) -> bool {
        self.report.problems += 1;
        self.report.repaired += u32::from(self.repair);
        (self.each)(&problem, self.repair);
        self.repair
    }

    fn check_tables(&mut self, buffer: &mut [u8]) -> Result<(), FsckError> {
        let layout = self.volume.layout;
        let (one, other) = buffer.split_at_mut(buffer.len() / 2);
        let size = layout.sector_size();
        let (Some(one), Some(other)) = (one.get_mut(..size), other.get_mut(..size)) else {
            return Err(FsckError::NoMemory);
        };
        for sector in 0..layout.table_sectors {
            let copies = layout.table_sector(sector);
            self.volume.disk.read(copies.sector, one)?;
            let mut differ = false;
            for copy in 0..u64::from(copies.count) {
                self.volume.disk.read(copies.first + copy * copies.step, other)?;
                differ |= one != other;
            }
            if differ && self.found(Problem::TablesDiffer { sector }) {
                self.volume.state.cache.update(self.volume.disk, copies, |_| {})?;
            }
        }
        Ok(())
    }

    fn check_tree(&mut self) -> Result<(), FsckError> {
        let root = match self.volume.layout.root {
            Root::Fixed { slots, .. } => Pending { start: None, parent: None, slots },
            Root::Chain(first) => {
                let good = self.claim_chain(ShortName(*b"(root)     "), first, u32::MAX)?;
                let slots = self.slots_of(&good.ok_or(FsckError::NoRoot)?);
                Pending { start: Some(first), parent: None, slots }
            }
        };
        self.pending.try_reserve(1)?;
        self.pending.push(root);
        while let Some(dir) = self.pending.pop() {
            self.report.directories += 1;
            self.check_dir(dir)?;
        }
        Ok(())
    }

    fn slots_of(&self, good: &Good) -> u32 {
        good.count.saturating_mul(self.volume.layout.slots_per_cluster()).min(SLOTS_MAX)
    }

    fn check_dir(&mut self, dir: Pending) -> Result<(), FsckError> {
        self.check_dots(dir)?;
        let walk = Walk::with_end(dir.start, dir.slots);
        let mut scan = Scan::with_walk(walk);
        let mut clean = 0;
        while let Some(found) = scan.next(&mut self.volume)? {
            self.drop_orphans(dir, clean..found.slots.start)?;
            clean = found.slots.end;
            self.check_entry(dir, found)?;
        }
        self.drop_orphans(dir, clean..scan.slot())
    }

    /// Erases parts of long names among slots that belong to no file.
    fn drop_orphans(&mut self, dir: Pending, slots: Range<u32>) -> Result<(), FsckError> {
        let mut walk = Walk::with_end(dir.start, dir.slots);
        let (mut first, mut count) = (None, 0);
        for slot in slots.clone() {
            let Some(place) = self.volume.slot_place(&mut walk, slot)? else { break };
            if SlotKind::of(&self.volume.slot_bytes(place)?) == SlotKind::Long {
                first = first.or(Some(slot));
                count += 1;
            }
        }
        let Some(first) = first else { return Ok(()) };
        let directory = dir.start.unwrap_or(0);
        if self.found(Problem::OrphanName { directory, slots: count }) {
            for slot in first..slots.end {
                let Some(place) = self.volume.slot_place(&mut walk, slot)? else { break };
                if SlotKind::of(&self.volume.slot_bytes(place)?) == SlotKind::Long {
                    self.volume.erase_set(dir.start, slot..slot + 1)?;
                }
            }
        }
        Ok(())
    }

    /// `.` and `..` are the first two slots and name the directory and its parent.
    fn check_dots(&mut self, dir: Pending) -> Result<(), FsckError> {
        let (Some(own), Some(parent)) = (dir.start, dir.parent) else { return Ok(()) };
        let mut walk = Walk::with_end(dir.start, dir.slots);
        for (slot, name, first) in [(0, b".          ", own), (1, b"..         ", parent)] {
            let Some(place) = self.volume.slot_place(&mut walk, slot)? else { return Ok(()) };
            let bytes = self.volume.slot_bytes(place)?;
            let entry = Entry::parse(&bytes, self.volume.layout.kind);
            if entry.name == *name && entry.is_dir() && entry.first == first {
                continue;
            }
            // Only a slot that is such an entry, or free, may be written over.
            let theirs = !bytes.starts_with(b".") && SlotKind::of(&bytes) == SlotKind::Short;
            let problem = Problem::WrongDots { directory: own };
            if theirs {
                self.report.problems += 1;
                (self.each)(&problem, false);
            } else if self.found(problem) {
                let flags = super::super::entry::Flags::DIRECTORY;
                let fresh = Entry::new(*name, flags, entry.modified());
                self.volume.store_entry(place, &Entry { first, ..fresh })?;
            }
        }
        Ok(())
    }

    fn check_entry(&mut self, dir: Pending, found: Found) -> Result<(), FsckError> {
        let entry = found.entry;
        let name = ShortName(entry.name);
        if !entry.is_dir() && entry.size == 0 && entry.first == 0 {
            self.report.files += 1;
            return Ok(());
        }
        let limit = if entry.is_dir() { u32::MAX } else { self.volume.layout.clusters_of(entry.size) };
        let good = if limit == 0 { None } else { self.claim_chain(name, entry.first, limit)? };
        let Some(good) = good else { return self.no_chain(dir, found, limit) };
        if entry.is_dir() {
            let parent = self.volume.in_dots(dir.start);
            self.pending.try_reserve(1)?;
            let slots = self.slots_of(&good);
            self.pending.push(Pending { start: Some(entry.first), parent: Some(parent), slots });
            return Ok(());
        }
        self.report.files += 1;
        if good.count < limit {
            let most = good.count.saturating_mul(self.volume.layout.cluster_bytes());
            if self.found(Problem::ShortChain { name, size: entry.size, most }) {
                self.volume.store_entry(found.place, &Entry { size: most, ..entry })?;
            }
        }
        Ok(())
    }

    /// An entry without a cluster of its own. An empty file keeps its name, and so does one whose bytes are nowhere; one whose
    /// bytes another name has does not.
    fn no_chain(&mut self, dir: Pending, found: Found, limit: u32) -> Result<(), FsckError> {
        let entry = found.entry;
        let (name, cluster) = (ShortName(entry.name), entry.first);
        let elsewhere = limit > 0 && self.volume.layout.is_cluster(cluster) && self.claims.has(cluster);
        self.report.files += u32::from(!entry.is_dir() && !elsewhere);
        if !self.found(Problem::NoChain { name, cluster }) {
            return Ok(());
        }
        if entry.is_dir() || elsewhere {
            self.volume.erase_set(dir.start, found.slots)?;
        } else {
            self.volume.store_entry(found.place, &Entry { size: 0, first: 0, ..entry })?;
        }
        Ok(())
    }

    /// Claims up to `limit` clusters of the chain that begins with `first`, and ends it there. `None` if not even the first
    /// one is to be had.
    fn claim_chain(&mut self, name: ShortName, first: u32, limit: u32) -> Result<Option<Good>, FsckError> {
        if !self.volume.layout.is_cluster(first) || self.claims.has(first) || self.is_free(first)? {
            return Ok(None);
        }
        self.claims.add(first);
        let mut good = Good { count: 1, last: first };
        let most =
            if limit == u32::MAX { SLOTS_MAX / self.volume.layout.slots_per_cluster().max(1) } else { limit };
        let most = most.max(1);
        loop {
            let link = self.volume.link(good.last)?;
            match link {
                Link::End => return Ok(Some(good)),
                Link::Next(_) if good.count >= most => {
                    self.end_chain(good.last, Problem::LongChain { name, cluster: good.last })?;
                    return Ok(Some(good));
                }
                Link::Next(next) if !self.claims.has(next) && !self.is_free(next)? => {
                    self.claims.add(next);
                    good = Good { count: good.count + 1, last: next };
                }
                Link::Next(_) | Link::Free | Link::Bad => {
                    self.end_chain(good.last, Problem::BrokenChain { name, cluster: good.last })?;
                    return Ok(Some(good));
                }
            }
        }
    }

    /// A cluster that leads nowhere, though a chain leads to it.
    fn is_free(&mut self, cluster: u32) -> Result<bool, FsckError> {
        Ok(matches!(self.volume.link(cluster)?, Link::Free))
    }

    fn end_chain(&mut self, last: u32, problem: Problem) -> Result<(), FsckError> {
        if self.found(problem) {
            self.volume.set_link(last, Link::End)?;
        }
        Ok(())
    }

    /// Frees what nobody claimed, run by run, and counts what is free.
    fn free_lost(&mut self) -> Result<(), FsckError> {
        let layout = self.volume.layout;
        let bad = layout.value_of(Link::Bad);
        let (mut lost, mut run) = (0, 0..0);
        for cluster in 2..layout.clusters + 2 {
            let value = self.volume.table_value(cluster)?;
            if value == 0 {
                self.report.free += 1;
                continue;
            }
            if value == bad || self.claims.has(cluster) {
                continue;
            }
            lost += 1;
            if run.end != cluster {
                self.free_run(&run)?;
                run.start = cluster;
            }
            run.end = cluster + 1;
        }
        self.free_run(&run)?;
        if lost > 0 && self.found(Problem::LostClusters { clusters: lost }) {
            self.report.free += lost;
        }
        Ok(())
    }

    fn free_run(&mut self, run: &Range<u32>) -> Result<(), FsckError> {
        if self.repair && !run.is_empty() {
            self.volume.set_values(run.start, run.end - run.start, |_| 0)?;
        }
        Ok(())
    }

    fn check_hints(&mut self) -> Result<(), FsckError> {
        let counted = self.report.free;
        if let Some(sector) = self.volume.layout.info {
            let info = self.volume.state.cache.get(self.volume.disk, sector)?;
            let stored = u32_at(info, super::super::volume::FREE_AT);
            if stored != u32::MAX && stored != counted && self.found(Problem::FreeCount { stored, counted }) {
                self.volume.state.space.free = Some(counted);
                self.volume.write_hints()?;
            }
        }
        let at = self.volume.layout.dirty_at;
        let flags = u8_at(self.volume.state.cache.get(self.volume.disk, 0)?, at);
        if flags & 1 != 0 && self.found(Problem::InUse) {
            self.volume.flush()?;
            self.volume.mark(false)?;
        }
        Ok(())
    }
}
