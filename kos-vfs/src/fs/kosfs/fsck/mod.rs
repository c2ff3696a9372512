//! Checking a volume that is not mounted, and mending it: [`fsck`].
//!
//! | found | mended by |
//! |---|---|
//! | the newest tree cannot be read whole | the one before, if that can; else what can be read |
//! | the table of groups, bitmaps, counts | they are counted from the tree |
//! | an item that belongs to nothing; blocks that another file has | the item goes |
//! | a name for no file, twice, at a wrong place, a directory's second one | the name goes |
//! | a wrong kind, parent, number of links, names, bytes or blocks | it is set right |
//! | a file that no name leads to, a directory below itself | it gets the name `lost-` and its number in the root |
//! | a file without a name that is not marked | it is marked: the next mount removes it |
//! | bytes with another checksum ([`FsckOptions::data`]) | nothing: reading them stays an error |
//!
//! A power cut leaves none of that. What is mended is committed as any change; until then the volume is as it was. Nothing is
//! recursive; memory is bounded by [`FsckOptions`], by what is damaged, and by one mark for each directory up to
//! [`FsckOptions::files`] of them.

mod blocks;
mod data;
mod files;
mod links;
mod lost;
mod report;
mod roots;
#[cfg(test)]
mod tests;
mod walk;

use alloc::vec::Vec;

use lock_api::RawRwLock;

use self::walk::Bad;
use super::key::Key;
use super::superblock::{MountError, Superblock};
use super::volume::{Budget, Volume};
use crate::block::{BlockDevice, DeviceFeatures};
use crate::error::FsError;

pub use report::{Counted, FsckReport, Problem};

/// Rounds in which the tree is mended, at most: what one mends, the next looks at.
const ROUNDS: u32 = 16;

/// What is kept in memory of the tree and of bitmaps.
const BUDGET: Budget = Budget { nodes: 1024, bitmaps: 64 };

/// How a volume is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FsckOptions {
    /// Mends what is wrong; else the device stays as it is.
    pub repair: bool,
    /// Reads all data, too.
    pub data: bool,
    /// Groups of 126.5 MiB whose blocks are counted at a time, 4 KiB of memory each: the tree is read once for all of them.
    pub groups: usize,
    /// Files whose names are counted at a time, 24 bytes of memory each: the names are read once for all of them.
    pub files: usize,
}

impl Default for FsckOptions {
    fn default() -> Self {
        Self { repair: false, data: false, groups: 1024, files: 1 << 16 }
    }
}

/// Checks the volume on `device`. Tells `each` of every problem, and whether it is mended.
///
/// # Errors
/// No volume that can be mounted, no memory, no space to mend it, or the device failed. What was committed by then stays.
pub fn fsck<D: BlockDevice, R: RawRwLock>(
    device: D,
    options: &FsckOptions,
    each: &mut dyn FnMut(&Problem, bool),
) -> Result<FsckReport, MountError> {
    let only_reads = device.geometry().features().contains(DeviceFeatures::READ_ONLY);
    if options.repair && only_reads {
        return Err(FsError::ReadOnly.into());
    }
    Check::<D, R>::open(device, *options, each)?.run()
}

/// A check at work.
struct Check<'a, D, R: RawRwLock> {
    volume: Volume<D, R>,
    /// The generation that is checked.
    superblock: Superblock,
    options: FsckOptions,
    each: &'a mut dyn FnMut(&Problem, bool),
    report: FsckReport,
    /// Nodes that cannot be used.
    bad: Vec<Bad>,
    /// Items whose blocks were never theirs.
    wrong: Vec<Key>,
    /// The highest number of a file.
    highest: u64,
}

impl<D: BlockDevice, R: RawRwLock> Check<'_, D, R> {
    fn run(mut self) -> Result<FsckReport, MountError> {
        self.check_parameters()?;
        self.check_blocks()?;
        for bad in core::mem::take(&mut self.bad) {
            self.volume.drop_node(bad.key, bad.level)?;
        }
        self.drop_wrong()?;
        let rounds = if self.options.repair { ROUNDS } else { 1 };
        for round in 1..=rounds {
            let before = self.report.problems;
            self.check_files()?;
            self.check_links()?;
            self.check_loops()?;
            if self.report.problems == before {
                break;
            }
            if round == ROUNDS {
                self.report.repaired -= self.report.problems - before;
            }
        }
        self.check_counts()?;
        if self.options.data {
            self.check_data()?;
        }
        self.finish()
    }

    /// Counts a problem. Whether it is to be mended.
    fn found(&mut self, problem: Problem) -> bool {
        let repair = self.options.repair && !matches!(problem, Problem::Data { .. });
        self.report.problems += 1;
        self.report.repaired += u64::from(repair);
        (self.each)(&problem, repair);
        repair
    }

    fn found_bad(&mut self, bad: Bad) -> Result<(), FsError> {
        self.found(Problem::Node { block: bad.block, what: bad.what });
        self.bad.try_reserve(1)?;
        self.bad.push(bad);
        Ok(())
    }

    fn drop_later(&mut self, key: Key) -> Result<(), FsError> {
        self.wrong.try_reserve(1)?;
        self.wrong.push(key);
        Ok(())
    }

    /// Takes out extents without giving up their blocks.
    fn drop_wrong(&mut self) -> Result<(), FsError> {
        for key in core::mem::take(&mut self.wrong) {
            if self.options.repair {
                self.volume.change(|_, edits| {
                    edits.makes_room = true;
                    Ok(edits.take_out(key)?)
                })?;
            }
        }
        Ok(())
    }

    /// Lets no more bitmaps gather than a mounted volume would.
    fn commit_bitmaps(&mut self) -> Result<(), FsError> {
        if self.options.repair && self.volume.bitmaps() > 4 * BUDGET.bitmaps {
            self.volume.commit_all(true)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<FsckReport, MountError> {
        if self.options.repair && (self.report.repaired > 0 || self.report.superblocks < 2) {
            // Twice: both superblocks are good.
            self.volume.commit_all(true)?;
            self.volume.commit_all(true)?;
            self.report.superblocks = 2;
        }
        let superblock = self.volume.superblock();
        (self.report.generation, self.report.free) = (superblock.generation, superblock.free);
        Ok(self.report)
    }
}
