//! Which blocks are free: [`Space`], a bitmap for each group, loaded when it is needed.
//!
//! A block that the tree of generation *g* gave up is still part of the tree of *g* - 1, to which the other superblock points.
//! So each bitmap is there twice: `next` is what the next commit writes, `taken` is what must not be handed out, and a block
//! goes from `next` at once and from `taken` two commits later.
//!
//! It does no input or output: a group whose bitmap is not in memory is named in a [`Lack`], and the caller loads it.

use alloc::vec::Vec;

use super::block::{Block, Expected};
use super::layout::{BlockKind, GROUP_BLOCKS, HEADER, RawGroup};
use super::plan::{GROUPS_PER_TABLE, HOMES, Plan};
use crate::error::FsError;

/// Why blocks were not had, or not given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// The bitmap of this group is not in memory.
    Bitmap(u64),
    Fs(FsError),
}

/// The bitmaps of one group.
#[derive(Debug)]
struct Bitmap {
    next: Block,
    taken: Block,
}

#[derive(Debug)]
struct Group {
    bitmap: Option<Bitmap>,
    /// Blocks free in `taken`.
    free_now: u32,
    /// Blocks free in `next`.
    free_next: u32,
    /// Where the bitmap stands; [`HOMES`] if nowhere.
    home: u8,
    checksum: u64,
    changed: bool,
}

/// One block of the table of groups.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub(super) home: u8,
    pub(super) checksum: u64,
    /// A commit that never came to its end left a newer one behind.
    stale: bool,
}

/// The free blocks of a volume.
#[derive(Debug)]
pub(super) struct Space {
    plan: Plan,
    groups: Vec<Group>,
    tables: Vec<Table>,
    /// Blocks that the open generation gave up, and those of the one before.
    freed: [Vec<u64>; 2],
    free_now: u64,
    /// The group where the last search ended.
    hand: usize,
}

impl Space {
    /// A volume of which no usable block is taken.
    pub(super) fn try_new(plan: Plan) -> Result<Self, FsError> {
        let (count, table_count) = (count(plan.groups())?, count(plan.tables())?);
        let (mut groups, mut tables) = (Vec::new(), Vec::new());
        groups.try_reserve_exact(count)?;
        tables.try_reserve_exact(table_count)?;
        for group in 0..plan.groups() {
            let usable = plan.usable_in(group);
            let free = u32::try_from(usable.end - usable.start).unwrap_or(0);
            groups.push(Group {
                bitmap: None,
                free_now: free,
                free_next: free,
                home: HOMES,
                checksum: 0,
                changed: false,
            });
        }
        tables.resize(table_count, Table { home: HOMES - 1, checksum: 0, stale: false });
        Ok(Self { plan, groups, tables, freed: [Vec::new(), Vec::new()], free_now: plan.usable(), hand: 0 })
    }

    /// Blocks that can be handed out now.
    pub(super) const fn free_now(&self) -> u64 {
        self.free_now
    }

    /// Blocks that the tree of the next commit does not need.
    pub(super) fn free_next(&self) -> u64 {
        self.groups.iter().map(|group| u64::from(group.free_next)).sum()
    }

    /// Where the bitmap of `group` stands, with its checksum; `None` if it was never written.
    pub(super) fn bitmap_home(&self, group: u64) -> Option<(u64, u64)> {
        let entry = self.groups.get(usize::try_from(group).ok()?)?;
        (entry.home < HOMES).then(|| (self.plan.bitmap(group, entry.home), entry.checksum))
    }

    /// Takes in the bitmap of `group`, read from its home; for one that was never written, none.
    pub(super) fn supply(&mut self, group: u64, read: Option<Block>) -> Result<(), FsError> {
        let next = match read {
            Some(block) => block,
            None => fresh(self.plan, group)?,
        };
        let mut taken = Block::try_new()?;
        taken.bytes_mut().copy_from_slice(next.bytes());
        let free = free_bits(&next, self.plan, group);
        let Some(entry) = usize::try_from(group).ok().and_then(|at| self.groups.get_mut(at)) else {
            return Ok(());
        };
        if free != Some(entry.free_next) {
            return Err(FsError::Corrupt {
                block: self.plan.bitmap(group, 0),
                what: "a bitmap that was counted otherwise",
            });
        }
        entry.bitmap = Some(Bitmap { next, taken });
        Ok(())
    }

    /// Takes `count` blocks, in ascending runs where that is possible. On failure none is taken.
    pub(super) fn take(&mut self, count: usize, out: &mut Vec<u64>) -> Result<(), Lack> {
        if (count as u64) > self.free_now {
            return Err(Lack::Fs(FsError::NoSpace));
        }
        out.try_reserve(count).map_err(|_| Lack::Fs(FsError::NoMemory))?;
        let mut missing = count;
        for step in 0..self.groups.len() {
            let at = (self.hand + step) % self.groups.len();
            let Some(group) = self.groups.get(at).filter(|group| group.free_now > 0) else { continue };
            if group.bitmap.is_none() {
                return Err(Lack::Bitmap(at as u64));
            }
            missing = missing.saturating_sub(group.free_now as usize);
            if missing == 0 {
                break;
            }
        }
        for _ in 0..count {
            let Some(block) = self.take_one() else { break };
            out.push(block);
        }
        Ok(())
    }

    /// The next free block behind the hand, whose group is in memory.
    fn take_one(&mut self) -> Option<u64> {
        for _ in 0..self.groups.len() {
            let group = self.groups.get_mut(self.hand)?;
            if let Some(bit) =
                group.bitmap.as_ref().filter(|_| group.free_now > 0).and_then(|map| first_zero(&map.taken))
            {
                group.set(bit);
                self.free_now -= 1;
                return Some(self.hand as u64 * GROUP_BLOCKS + bit);
            }
            self.hand = (self.hand + 1) % self.groups.len();
        }
        None
    }

    /// Gives back a block that a committed tree still needs.
    pub(super) fn free(&mut self, block: u64) -> Result<(), Lack> {
        let (at, bit) = (block / GROUP_BLOCKS, block % GROUP_BLOCKS);
        let [open, _] = &mut self.freed;
        open.try_reserve(1).map_err(|_| Lack::Fs(FsError::NoMemory))?;
        let group = usize::try_from(at).ok().and_then(|at| self.groups.get_mut(at));
        let group = group.filter(|_| self.plan.is_usable(block));
        let corrupt = Lack::Fs(FsError::Corrupt { block, what: "a block given up that nobody had" });
        let Some(group) = group else { return Err(corrupt) };
        let Some(map) = &mut group.bitmap else { return Err(Lack::Bitmap(at)) };
        if !change_bit(&mut map.next, bit, false) {
            return Err(corrupt);
        }
        group.free_next += 1;
        group.changed = true;
        open.push(block);
        Ok(())
    }

    /// Gives back a block that no committed tree ever had.
    pub(super) fn untake(&mut self, block: u64) {
        let bit = block % GROUP_BLOCKS;
        let Some(group) = usize::try_from(block / GROUP_BLOCKS).ok().and_then(|at| self.groups.get_mut(at))
        else {
            return;
        };
        let Some(map) = &mut group.bitmap else { return };
        if change_bit(&mut map.next, bit, false) && change_bit(&mut map.taken, bit, false) {
            group.free_next += 1;
            group.free_now += 1;
            self.free_now += 1;
        }
    }

    /// A generation is durable: what the one before it gave up can be handed out.
    pub(super) fn turn(&mut self) {
        self.freed.swap(0, 1);
        let [due, _] = &mut self.freed;
        for block in due.drain(..) {
            let group = usize::try_from(block / GROUP_BLOCKS).ok().and_then(|at| self.groups.get_mut(at));
            let Some(group) = group else { continue };
            if let Some(map) = &mut group.bitmap
                && change_bit(&mut map.taken, block % GROUP_BLOCKS, false)
            {
                group.free_now += 1;
                self.free_now += 1;
            }
        }
    }

    /// Seals the bitmap of the first group that was changed, in its next home. Returns where it goes.
    pub(super) fn seal_bitmap(&mut self, volume: &[u8; 16], generation: u64) -> Option<(u64, &[u8])> {
        let at = self.groups.iter().position(|group| group.changed)?;
        let group = self.groups.get_mut(at)?;
        let map = group.bitmap.as_mut()?;
        group.home = (group.home + 1) % HOMES;
        let address = self.plan.bitmap(at as u64, group.home);
        let sealed = map.next.seal(Expected { kind: BlockKind::Bitmap, address, volume }, generation);
        (group.checksum, group.changed) = (sealed.checksum.get(), false);
        if let Some(table) = self.tables.get_mut(at / GROUPS_PER_TABLE) {
            table.checksum = 0; // to be written
        }
        Some((address, map.next.bytes()))
    }

    /// Seals the first block of the table that was changed, in its next home. Returns where it goes.
    pub(super) fn seal_table(
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
    pub(super) fn supply_table(
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
            if u64::from(entry.free.get()) > usable.end - usable.start || entry.home > HOMES {
                return corrupt("a group with more free blocks than it has");
            }
            self.free_now = self.free_now - u64::from(group.free_now) + u64::from(entry.free.get());
            (group.free_now, group.free_next) = (entry.free.get(), entry.free.get());
            (group.home, group.checksum) = (entry.home, entry.checksum.get());
        }
        if let Some(table) = self.tables.get_mut(at) {
            *table = Table { home, checksum: block.header().checksum.get().max(1), stale };
        }
        Ok(())
    }

    /// Lets the next commit write every block of the table of which a newer one lies about.
    pub(super) fn rewrite_stale(&mut self) {
        for table in &mut self.tables {
            if core::mem::take(&mut table.stale) {
                table.checksum = 0;
            }
        }
    }

    /// Whether the next commit has a bitmap to write.
    pub(super) fn is_changed(&self) -> bool {
        self.groups.iter().any(|group| group.changed)
    }

    /// Gives back blocks that a committed tree still needs: all of them or none.
    pub(super) fn free_all(&mut self, blocks: &[u64]) -> Result<(), Lack> {
        for (done, &block) in blocks.iter().enumerate() {
            if let Err(lack) = self.free(block) {
                blocks.iter().take(done).for_each(|_| self.unfree());
                return Err(lack);
            }
        }
        Ok(())
    }

    /// Takes back the newest [`free`](Self::free).
    fn unfree(&mut self) {
        let [open, _] = &mut self.freed;
        let Some(block) = open.pop() else { return };
        let group = usize::try_from(block / GROUP_BLOCKS).ok().and_then(|at| self.groups.get_mut(at));
        if let Some(group) = group
            && let Some(map) = &mut group.bitmap
        {
            change_bit(&mut map.next, block % GROUP_BLOCKS, true);
            group.free_next -= 1;
        }
    }

    /// The checksums of the table's blocks, in order: what the superblock vouches for.
    pub(super) fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// Walks every count of what is in memory.
    ///
    /// # Errors
    /// [`FsError::Corrupt`] with what is wrong.
    pub(super) fn check(&self) -> Result<(), FsError> {
        let mut sum = 0;
        for (number, group) in (0..).zip(&self.groups) {
            sum += u64::from(group.free_now);
            let Some(map) = &group.bitmap else { continue };
            let counted = (free_bits(&map.taken, self.plan, number), free_bits(&map.next, self.plan, number));
            if counted != (Some(group.free_now), Some(group.free_next)) {
                return Err(FsError::Corrupt {
                    block: self.plan.bitmap(number, 0),
                    what: "free blocks are counted wrong",
                });
            }
        }
        let corrupt = FsError::Corrupt { block: 0, what: "free blocks of groups do not add up" };
        if sum == self.free_now { Ok(()) } else { Err(corrupt) }
    }
}

impl Group {
    /// Marks a free block as taken, now and next.
    fn set(&mut self, bit: u64) {
        let Some(map) = &mut self.bitmap else { return };
        change_bit(&mut map.taken, bit, true);
        change_bit(&mut map.next, bit, true);
        self.free_now -= 1;
        self.free_next -= 1;
        self.changed = true;
    }
}

fn count(number: u64) -> Result<usize, FsError> {
    usize::try_from(number).map_err(|_| FsError::NoMemory)
}

/// The bitmap of a group from which nothing was ever taken.
fn fresh(plan: Plan, group: u64) -> Result<Block, FsError> {
    let mut block = Block::try_new()?;
    if let Some(bits) = block.bytes_mut().get_mut(HEADER..) {
        bits.fill(0xff);
    }
    for usable in plan.usable_in(group) {
        change_bit(&mut block, usable % GROUP_BLOCKS, false);
    }
    Ok(block)
}

/// Clear bits of usable blocks; `None` if a block is free that is not usable.
fn free_bits(block: &Block, plan: Plan, group: u64) -> Option<u32> {
    let bits = block.bytes().get(HEADER..)?;
    let free: u32 = bits.iter().map(|byte| byte.count_zeros()).sum();
    let usable = plan.usable_in(group);
    let inside = (usable.start % GROUP_BLOCKS)..(usable.start % GROUP_BLOCKS + (usable.end - usable.start));
    let outside = (0..inside.start).chain(inside.end..GROUP_BLOCKS);
    let free_outside = outside
        .filter(|&bit| bits.get((bit / 8) as usize).is_some_and(|byte| byte & 1 << (bit % 8) == 0))
        .count();
    (free_outside == 0).then_some(free)
}

fn first_zero(block: &Block) -> Option<u64> {
    let bits = block.bytes().get(HEADER..)?;
    let at = bits.iter().position(|&byte| byte != 0xff)?;
    Some(at as u64 * 8 + u64::from(bits.get(at)?.trailing_ones()))
}

/// Sets or clears a bit. Whether that changed it.
fn change_bit(block: &mut Block, bit: u64, to: bool) -> bool {
    let place = usize::try_from(bit / 8).ok().and_then(|at| block.bytes_mut().get_mut(HEADER + at));
    let Some(byte) = place else { return false };
    let mask = 1 << (bit % 8);
    let was = *byte & mask != 0;
    *byte = if to { *byte | mask } else { *byte & !mask };
    was != to
}
