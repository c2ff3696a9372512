//! Making and opening a [`Volume`]: which superblock counts, and which blocks of the table of groups.

use lock_api::{RawRwLock, RwLock};

use super::super::block::{Block, Expected};
use super::super::disk::Disk;
use super::super::layout::BlockKind;
use super::super::plan::{HOMES, Plan};
use super::super::space::Space;
use super::super::superblock::{MountError, Superblock, digest};
use super::super::tree::Tree;
use super::{Budget, State, Volume, Writer};
use crate::block::{BlockDevice, DeviceFeatures, WriteMode};
use crate::error::FsError;

impl<D: BlockDevice, R: RawRwLock> Volume<D, R> {
    /// Makes a volume on `device`: what was there is lost.
    ///
    /// # Errors
    /// A device that is too small, or fails.
    pub(in crate::fs::kosfs) fn make(
        device: D,
        superblock: Superblock,
        budget: Budget,
    ) -> Result<Self, FsError> {
        let disk = Disk::new(device);
        let mut writer = Writer::try_new()?;
        for place in [Plan::superblock(0), Plan::superblock(1), superblock.plan.last()] {
            disk.write(place, writer.scratch.bytes(), WriteMode::Cached)?;
        }
        disk.flush()?;
        let place = superblock.seal(&mut writer.scratch, BlockKind::Parameters);
        disk.write(place, writer.scratch.bytes(), WriteMode::Cached)?;
        let state = State::new(Tree::try_new()?, Space::try_new(superblock.plan)?, superblock);
        Ok(Self {
            disk,
            writer: RwLock::new(writer),
            state: RwLock::new(state),
            id: superblock.volume,
            read_only: false,
            budget,
        })
    }

    /// Mounts the newest generation that is whole.
    ///
    /// # Errors
    /// Why the volume cannot be used.
    pub(in crate::fs::kosfs) fn open(device: D, read_only: bool, budget: Budget) -> Result<Self, MountError> {
        let disk = Disk::new(device);
        let mut writer = Writer::try_new()?;
        let superblock = newest(&disk, &mut writer.scratch)?;
        let mut space = Space::try_new(superblock.plan)?;
        load_tables(&disk, &superblock, &mut space, &mut writer.scratch)?;
        if digest(space.tables()) != superblock.tables {
            let block = superblock.plan.table(0, 0);
            return Err(FsError::Corrupt {
                block,
                what: "the table of groups is not the one that was committed",
            }
            .into());
        }
        space.rewrite_stale();
        let device_only_reads = disk.device().geometry().features().contains(DeviceFeatures::READ_ONLY);
        let read_only = read_only || superblock.read_only || device_only_reads;
        let tree = Tree::open(superblock.root, superblock.level)?;
        let state = State::new(tree, space, superblock);
        let volume = Self {
            disk,
            writer: RwLock::new(writer),
            state: RwLock::new(state),
            id: superblock.volume,
            read_only,
            budget,
        };
        if !read_only {
            // What the last generation gave up is still part of the one before: after this it is of none.
            volume.commit_all(true)?;
        }
        Ok(volume)
    }
}

/// The newer superblock that is whole.
pub(super) fn newest<D: BlockDevice>(disk: &Disk<D>, scratch: &mut Block) -> Result<Superblock, MountError> {
    let [even, odd] = superblocks(disk, scratch)?;
    let newest = even.into_iter().chain(odd).max_by_key(|superblock| superblock.generation);
    newest.ok_or(MountError::NotKosfs { magic: scratch.header().magic })
}

/// Both superblocks, as far as they are whole; one is.
pub(in crate::fs::kosfs) fn superblocks<D: BlockDevice>(
    disk: &Disk<D>,
    scratch: &mut Block,
) -> Result<[Option<Superblock>; 2], MountError> {
    let mut read = |place| {
        if place >= disk.blocks() {
            return Ok(None);
        }
        disk.read(place, scratch)?;
        Superblock::parse(scratch, place, disk.blocks())
    };
    let found = [read(Plan::superblock(0))?, read(Plan::superblock(1))?];
    if found == [None, None] {
        return Err(MountError::NotKosfs { magic: scratch.header().magic });
    }
    Ok(found)
}

/// Reads, of the homes of each block of the table, the newest that is not newer than the superblock.
pub(super) fn load_tables<D: BlockDevice>(
    disk: &Disk<D>,
    superblock: &Superblock,
    space: &mut Space,
    scratch: &mut Block,
) -> Result<(), FsError> {
    for at in 0..superblock.plan.tables() {
        let mut best: Option<(u64, u8)> = None;
        let mut stale = false;
        for home in 0..HOMES {
            let address = superblock.plan.table(at, home);
            disk.read(address, scratch)?;
            let expected = Expected { kind: BlockKind::Groups, address, volume: &superblock.volume };
            let Ok(header) = scratch.verify(expected) else { continue };
            let generation = header.generation.get();
            stale |= generation > superblock.generation;
            let newer = best.is_none_or(|(best, _)| generation > best);
            if generation <= superblock.generation && newer {
                best = Some((generation, home));
            }
        }
        let address = superblock.plan.table(at, 0);
        let (_, home) =
            best.ok_or(FsError::Corrupt { block: address, what: "no home of a table block is whole" })?;
        disk.read(superblock.plan.table(at, home), scratch)?;
        space.supply_table(usize::try_from(at).unwrap_or(usize::MAX), home, scratch, stale)?;
    }
    Ok(())
}
