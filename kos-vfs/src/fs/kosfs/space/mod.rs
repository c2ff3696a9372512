//! Which blocks are free: [`Space`], a bitmap for each group, loaded when it is needed.
//!
//! A block that the tree of generation *g* gave up is still part of the tree of *g* - 1, to which the other superblock points.
//! So each bitmap is there twice: `next` is what the next commit writes, `taken` is what must not be handed out, and a block
//! goes from `next` at once and from `taken` two commits later. A block comes the other way round: who takes it has it in
//! `taken` alone, until an item points to it and it is claimed; so a commit never writes down blocks that nobody has.
//!
//! It does no input or output: a group whose bitmap is not in memory is named in a [`Lack`], and the caller loads it. Bitmaps in
//! which both sides are the same, and which are written, go again ([`Space::shrink`]).

mod bitmap;
mod table;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use self::bitmap::Bitmap;
use super::block::Block;
use super::layout::GROUP_BLOCKS;
use super::plan::{HOMES, Plan};
use crate::error::FsError;

use self::bitmap::change_bit;
pub(super) use bitmap::{free_bits, fresh};
pub(super) use table::Table;

/// Groups that one call of [`Space::shrink`] looks at, at most.
const SWEEP: usize = 256;

/// Why blocks were not had, or not given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// The bitmap of this group is not in memory.
    Bitmap(u64),
    Fs(FsError),
}

/// Where a bitmap stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) address: u64,
    pub(super) checksum: u64,
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
    /// `next` is not what stands on the device.
    changed: bool,
    /// Since the hand of [`Space::shrink`] last came by.
    used: bool,
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
    free_next: u64,
    /// Bitmaps in memory.
    loaded: usize,
    /// No group before this one is changed.
    first_changed: usize,
    /// The group where the last search for free blocks ended.
    hand: usize,
    /// The group where the last search for bitmaps that can go ended.
    sweep: usize,
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
                used: false,
            });
        }
        tables.resize(table_count, Table { home: HOMES - 1, checksum: 0, stale: false });
        Ok(Self {
            plan,
            groups,
            tables,
            freed: [Vec::new(), Vec::new()],
            free_now: plan.usable(),
            free_next: plan.usable(),
            loaded: 0,
            first_changed: count,
            hand: 0,
            sweep: 0,
        })
    }

    /// Blocks that can be handed out now.
    pub(super) const fn free_now(&self) -> u64 {
        self.free_now
    }

    /// Blocks that the tree of the open generation does not need.
    pub(super) const fn free_next(&self) -> u64 {
        self.free_next
    }

    /// Blocks that were given up and wait for a commit.
    pub(super) fn waiting(&self) -> usize {
        self.freed.iter().map(Vec::len).sum()
    }

    /// Bitmaps in memory.
    pub(super) const fn loaded(&self) -> usize {
        self.loaded
    }

    fn at_mut(&mut self, block: u64) -> Option<&mut Group> {
        self.groups.get_mut(usize::try_from(block / GROUP_BLOCKS).ok()?)
    }

    /// Where the bitmap of `group` stands; `None` if it was never written.
    pub(super) fn home(&self, group: u64) -> Option<Home> {
        let entry = self.groups.get(usize::try_from(group).ok()?)?;
        let address = self.plan.bitmap(group, entry.home);
        (entry.home < HOMES).then_some(Home { address, checksum: entry.checksum })
    }

    /// Takes in the bitmap of `group`, read from `home`; one that was never written is made. One that is there already, or has
    /// moved since, stays as it is: it may have changed meanwhile.
    pub(super) fn supply(&mut self, group: u64, home: Option<Home>, read: Block) -> Result<(), FsError> {
        let free = free_bits(&read, self.plan, group);
        let current = self.home(group);
        let entry = usize::try_from(group).ok().and_then(|at| self.groups.get_mut(at));
        let Some(entry) = entry.filter(|entry| entry.bitmap.is_none() && current == home) else {
            return Ok(());
        };
        if free != Some(entry.free_next) {
            return Err(FsError::Corrupt {
                block: self.plan.bitmap(group, 0),
                what: "a bitmap that was counted otherwise",
            });
        }
        (entry.bitmap, entry.used) = (Some(Bitmap::try_from_next(read)?), true);
        self.loaded += 1;
        Ok(())
    }

    /// Lets bitmaps go until there are `budget`, or none can go: those stay in which a block was taken, given up or claimed and
    /// is not yet written or not yet free.
    pub(super) fn shrink(&mut self, budget: usize) {
        for _ in 0..SWEEP.min(2 * self.groups.len()) {
            if self.loaded <= budget {
                return;
            }
            self.sweep = (self.sweep + 1) % self.groups.len();
            let Some(group) = self.groups.get_mut(self.sweep) else { return };
            let settled = !group.changed && group.free_now == group.free_next;
            let used = core::mem::take(&mut group.used);
            if settled && !used && group.bitmap.take().is_some() {
                self.loaded -= 1;
            }
        }
    }

    /// Takes blocks until `out` has `count`, in ascending runs where that is possible. What it has taken by a failure stays in
    /// `out`. They are nobody's until they are [claimed](Self::claim).
    pub(super) fn take(&mut self, count: usize, out: &mut Vec<u64>) -> Result<(), Lack> {
        let missing = count.saturating_sub(out.len());
        if (missing as u64) > self.free_now {
            return Err(Lack::Fs(FsError::NoSpace));
        }
        out.try_reserve(missing).map_err(|_| Lack::Fs(FsError::NoMemory))?;
        for _ in 0..=self.groups.len() {
            let missing = count.saturating_sub(out.len());
            if missing == 0 {
                return Ok(());
            }
            let at = self.hand;
            let Some(group) = self.groups.get_mut(at).filter(|group| group.free_now > 0) else {
                self.hand = (at + 1) % self.groups.len();
                continue;
            };
            let Some(map) = &mut group.bitmap else { return Err(Lack::Bitmap(at as u64)) };
            let taken = map.take(missing, |bit| out.push(at as u64 * GROUP_BLOCKS + bit));
            group.free_now = group.free_now.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX));
            self.free_now = self.free_now.saturating_sub(taken as u64);
        }
        Err(Lack::Fs(FsError::NoSpace))
    }

    /// The tree of the open generation has `block`, which was taken.
    pub(super) fn claim(&mut self, block: u64) {
        let Some(group) = self.at_mut(block) else { return };
        let Some(map) = &mut group.bitmap else { return };
        if change_bit(&mut map.next, block % GROUP_BLOCKS, true) {
            group.free_next -= 1;
            self.free_next -= 1;
            self.mark_changed(block);
        }
    }

    fn mark_changed(&mut self, block: u64) {
        let at = usize::try_from(block / GROUP_BLOCKS).unwrap_or(usize::MAX);
        if let Some(group) = self.groups.get_mut(at) {
            (group.changed, group.used) = (true, true);
            self.first_changed = self.first_changed.min(at);
        }
    }

    /// Gives back a block that was taken and not claimed. Its bitmap is in memory: one with such a block does not go.
    pub(super) fn untake(&mut self, block: u64) {
        let Some(group) = self.at_mut(block) else { return };
        let Some(map) = &mut group.bitmap else { return };
        if change_bit(&mut map.taken, block % GROUP_BLOCKS, false) {
            group.free_now += 1;
            self.free_now += 1;
        }
    }

    /// Gives back a block that a committed tree still needs.
    pub(super) fn free(&mut self, block: u64) -> Result<(), Lack> {
        let corrupt = Lack::Fs(FsError::Corrupt { block, what: "a block given up that nobody had" });
        let [open, _] = &mut self.freed;
        open.try_reserve(1).map_err(|_| Lack::Fs(FsError::NoMemory))?;
        if !self.plan.is_usable(block) {
            return Err(corrupt);
        }
        let Some(group) = self.at_mut(block) else { return Err(corrupt) };
        let Some(map) = &mut group.bitmap else { return Err(Lack::Bitmap(block / GROUP_BLOCKS)) };
        if !change_bit(&mut map.next, block % GROUP_BLOCKS, false) {
            return Err(corrupt);
        }
        group.free_next += 1;
        self.free_next += 1;
        self.mark_changed(block);
        let [open, _] = &mut self.freed;
        open.push(block);
        Ok(())
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
        if let Some(block) = open.pop() {
            self.claim(block);
        }
    }

    /// A generation is durable: what the one before it gave up can be handed out.
    pub(super) fn turn(&mut self) {
        self.freed.swap(0, 1);
        let [due, _] = &mut self.freed;
        let mut due = core::mem::take(due);
        due.drain(..).for_each(|block| self.untake(block));
        let [open, _] = &mut self.freed;
        *open = due; // empty, with its memory
    }

    /// Whether the next commit has a bitmap to write.
    pub(super) fn is_changed(&self) -> bool {
        self.groups.get(self.first_changed..).is_some_and(|rest| rest.iter().any(|group| group.changed))
    }

    /// Puts `bits`, counted from the tree, in the place of the bitmap of `group`; the next commit writes it.
    pub(super) fn replace(&mut self, group: u64, bits: Block) -> Result<(), FsError> {
        let free = free_bits(&bits, self.plan, group).unwrap_or(0);
        let bitmap = Bitmap::try_from_next(bits)?;
        let first = group * GROUP_BLOCKS;
        let Some(entry) = self.at_mut(first) else { return Ok(()) };
        let (old_now, old_next) = (entry.free_now, entry.free_next);
        let was_loaded = entry.bitmap.replace(bitmap).is_some();
        (entry.free_now, entry.free_next) = (free, free);
        self.free_now = self.free_now - u64::from(old_now) + u64::from(free);
        self.free_next = self.free_next - u64::from(old_next) + u64::from(free);
        self.loaded += usize::from(!was_loaded);
        self.mark_changed(first);
        Ok(())
    }

    /// Blocks that the tree of the open generation does not need, of the group of `block`.
    pub(super) fn free_in(&self, block: u64) -> u32 {
        let group = usize::try_from(block / GROUP_BLOCKS).ok().and_then(|at| self.groups.get(at));
        group.map_or(0, |group| group.free_next)
    }

    /// Walks every count of what is in memory.
    ///
    /// # Errors
    /// [`FsError::Corrupt`] with what is wrong.
    pub(super) fn check(&self) -> Result<(), FsError> {
        let (mut now, mut next, mut loaded) = (0, 0, 0);
        for (number, group) in (0..).zip(&self.groups) {
            now += u64::from(group.free_now);
            next += u64::from(group.free_next);
            let Some(map) = &group.bitmap else { continue };
            loaded += 1;
            let counted = (free_bits(&map.taken, self.plan, number), free_bits(&map.next, self.plan, number));
            let inside = map.next.bytes().iter().zip(map.taken.bytes()).skip(super::layout::HEADER);
            let inside = inside.into_iter().all(|(next, taken)| next & !taken == 0);
            if counted != (Some(group.free_now), Some(group.free_next)) || !inside {
                return Err(FsError::Corrupt {
                    block: self.plan.bitmap(number, 0),
                    what: "free blocks are counted wrong",
                });
            }
        }
        let corrupt = FsError::Corrupt { block: 0, what: "free blocks of groups do not add up" };
        let sums = (self.free_now, self.free_next, self.loaded);
        if (now, next, loaded) == sums { Ok(()) } else { Err(corrupt) }
    }
}

fn count(number: u64) -> Result<usize, FsError> {
    usize::try_from(number).map_err(|_| FsError::NoMemory)
}
