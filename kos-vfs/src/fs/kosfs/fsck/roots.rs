//! Where a check begins: superblocks, which tree counts, the table of groups, the parameters.

use alloc::vec::Vec;

use lock_api::RawRwLock;

use super::super::block::Block;
use super::super::disk::Disk;
use super::super::inode::ROOT;
use super::super::layout::{BlockKind, Pointer};
use super::super::superblock::{MountError, Superblock};
use super::super::volume::{Volume, superblocks};
use super::walk::{Bad, Route, Seen, walk};
use super::{BUDGET, Check, Counted, FsckOptions, FsckReport, Problem};
use crate::block::{BlockDevice, WriteMode};
use crate::error::FsError;

impl<'a, D: BlockDevice, R: RawRwLock> Check<'a, D, R> {
    pub(super) fn open(
        device: D,
        options: FsckOptions,
        each: &'a mut dyn FnMut(&Problem, bool),
    ) -> Result<Self, MountError> {
        let disk = Disk::new(device);
        let found = superblocks(&disk, &mut Block::try_new()?)?;
        let (superblock, bad, given_up) = choose(&disk, &found)?;
        if superblock.read_only && options.repair {
            return Err(FsError::ReadOnly.into());
        }
        let (volume, table) = Volume::open_damaged(disk, superblock, BUDGET)?;
        let whole = u8::from(found[0].is_some()) + u8::from(found[1].is_some());
        let report = FsckReport { superblocks: whole, ..FsckReport::default() };
        let mut check = Self {
            volume,
            superblock,
            options,
            each,
            report,
            bad: Vec::new(),
            wrong: Vec::new(),
            highest: 0,
        };
        if let Some(damaged) = given_up {
            check.found(Problem::OlderGeneration { damaged, whole: superblock.generation });
        }
        for bad in bad {
            check.found_bad(bad)?;
        }
        if !table {
            check.found(Problem::Table);
        } else if check.volume.superblock().free != superblock.free {
            let (stored, counted) = (superblock.free, check.volume.superblock().free);
            check.found(Problem::Count { of: Counted::Free, stored, counted });
        }
        Ok(check)
    }

    /// Compares the last block with what mkfs wrote there.
    pub(super) fn check_parameters(&mut self) -> Result<(), FsError> {
        let written = Superblock {
            generation: 0,
            root: Pointer::default(),
            level: 0,
            next_file: ROOT,
            files: 0,
            free: 0,
            tables: 0,
            ..self.superblock
        };
        let (mut expected, mut there) = (Block::try_new()?, Block::try_new()?);
        let place = written.seal(&mut expected, BlockKind::Parameters);
        self.volume.disk().read(place, &mut there)?;
        if there.bytes() != expected.bytes() && self.found(Problem::Parameters) {
            self.volume.disk().write(place, expected.bytes(), WriteMode::Cached)?;
            self.volume.disk().flush()?;
        }
        Ok(())
    }

    /// Compares the superblock with the files that there are.
    pub(super) fn check_counts(&mut self) -> Result<(), FsError> {
        let superblock = self.volume.superblock();
        let (files, next) = (self.report.files, self.highest.saturating_add(1));
        let mut wrong = false;
        if superblock.files != files {
            let count = Problem::Count { of: Counted::Files, stored: superblock.files, counted: files };
            wrong |= self.found(count);
        }
        if superblock.next_file < next {
            let stored = superblock.next_file;
            wrong |= self.found(Problem::Count { of: Counted::NextFile, stored, counted: next });
        }
        if wrong {
            self.volume.set_counts(files, next.max(superblock.next_file));
        }
        Ok(())
    }
}

/// The generation to check, with what is bad of it; and the newest, if that was given up.
type Choice = (Superblock, Vec<Bad>, Option<u64>);

/// The newest generation, or the one before if that alone can be read whole.
fn choose<D: BlockDevice>(disk: &Disk<D>, found: &[Option<Superblock>; 2]) -> Result<Choice, MountError> {
    let [even, odd] = *found;
    let newest = even.into_iter().chain(odd).max_by_key(|superblock| superblock.generation);
    let newest = newest.ok_or(MountError::NotKosfs { magic: [0; 4] })?;
    let bad = bad_nodes(disk, &newest)?;
    let older = even.into_iter().chain(odd).find(|older| older.generation < newest.generation);
    let older =
        older.filter(|older| !bad.is_empty() && older.plan == newest.plan && older.volume == newest.volume);
    if let Some(older) = older
        && bad_nodes(disk, &older)?.is_empty()
    {
        return Ok((older, Vec::new(), Some(newest.generation)));
    }
    Ok((newest, bad, None))
}

fn bad_nodes<D: BlockDevice>(disk: &Disk<D>, superblock: &Superblock) -> Result<Vec<Bad>, FsError> {
    let mut found = Vec::new();
    walk(disk, Route { superblock, without: &[], leaves: true }, &mut |seen| {
        if let Seen::Bad(bad) = seen {
            found.try_reserve(1)?;
            found.push(bad);
        }
        Ok(())
    })?;
    Ok(found)
}
