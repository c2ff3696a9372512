//! The cells that spaces share: [`Cells`].

use core::fmt;

use super::CapError;
use super::cell::{Cell, DEAD, Links, MAX_DEPTH, NONE, Stamp};
use crate::error::Corruption;
use crate::ports::Env;
use crate::quota::{Quota, Quotas, Resource};
use crate::sync::Lock;
use crate::sync::atomic::{AtomicU32, Ordering};

/// What capabilities can be revoked by, in lent memory. Spaces that pass capabilities to each other share one.
pub struct Cells<'c, E: Env> {
    cells: &'c [Cell],
    pub(super) quotas: &'c Quotas<'c, E>,
    /// The first that is free.
    free: Lock<E, u32>,
}

fn get(link: &AtomicU32) -> u32 {
    link.load(Ordering::Relaxed)
}

fn set(link: &AtomicU32, to: u32) {
    link.store(to, Ordering::Relaxed);
}

impl<'c, E: Env> Cells<'c, E> {
    /// All of `cells` free, but those that are still in use because a capability was forgotten. `quotas` pay for them.
    pub fn new(cells: &'c mut [Cell], quotas: &'c Quotas<'c, E>) -> Self {
        let cells: &'c [Cell] = cells;
        let mut free = NONE;
        for (number, cell) in (0..NONE).zip(cells) {
            if cell.refs() == 0 {
                set(&cell.links.parent, free);
                free = number;
            }
        }
        Self { cells, quotas, free: Lock::new(free) }
    }

    fn cell(&self, number: u32) -> Option<&'c Cell> {
        self.cells.get(number as usize)
    }

    fn links(&self, number: u32) -> Option<&'c Links> {
        self.cell(number).map(|cell| &cell.links)
    }

    pub(super) fn pays(&self, quota: &Quota<'_, E>) -> bool {
        core::ptr::eq(quota.tree(), self.quotas)
    }

    /// Whether a capability with that stamp can still be used. Loads only.
    #[inline]
    pub(super) fn allows(&self, stamp: Stamp) -> bool {
        self.cell(stamp.cell).is_none_or(|cell| cell.epoch() == stamp.epoch)
    }

    /// The stamp of what is made now of the owner of `own`, who has it pinned.
    ///
    /// # Errors
    /// [`CapError::Revoked`]: nothing can be made any more.
    pub(super) fn stamp_under(&self, own: u32) -> Result<Stamp, CapError> {
        let epoch = self.cell(own).map_or(0, Cell::epoch);
        if epoch == DEAD { Err(CapError::Revoked) } else { Ok(Stamp { cell: own, epoch }) }
    }

    pub(super) fn retain(&self, number: u32) {
        if let Some(cell) = self.cell(number) {
            cell.retain();
        }
    }

    /// Gives up a reference, and those of cells that go for it to their parents: at most [`MAX_DEPTH`].
    pub(super) fn release(&self, number: u32) {
        let mut number = number;
        while let Some(cell) = self.cell(number)
            && cell.release()
        {
            number = self.end(number, &cell.links);
        }
    }

    /// Takes back a cell without references. Returns the parent, whose reference the caller gives up.
    fn end(&self, number: u32, links: &Links) -> u32 {
        let (parent, payer) = self.free.with(|free| {
            let parent = self.unlink(number, links);
            set(&links.parent, *free);
            *free = number;
            (parent, get(&links.payer))
        });
        self.quotas.refund_for(payer, Resource::Cells, 1);
        parent
    }

    /// A new cell below what `under` names, with one reference, its owner's.
    ///
    /// # Errors
    /// [`CapError`]: `Quota`, `NoCell`, `TooDeep`, `Revoked`
    pub(super) fn create(&self, under: Stamp, quota: &Quota<'_, E>) -> Result<u32, CapError> {
        let payer = self.quotas.charge_for(quota, Resource::Cells, 1).map_err(CapError::Quota)?;
        let made = self.free.with(|free| self.take(free, under, payer));
        made.inspect_err(|_| self.quotas.refund_for(payer, Resource::Cells, 1))
    }

    fn take(&self, free: &mut u32, under: Stamp, payer: u32) -> Result<u32, CapError> {
        if !self.allows(under) {
            return Err(CapError::Revoked);
        }
        let depth = self.links(under.cell).map_or(0, |parent| get(&parent.depth) + 1);
        if depth as usize >= MAX_DEPTH {
            return Err(CapError::TooDeep);
        }
        let number = *free;
        let cell = self.cell(number).ok_or(CapError::NoCell)?;
        *free = get(&cell.links.parent);
        cell.begin();
        set(&cell.links.payer, payer);
        set(&cell.links.depth, depth);
        self.link(number, &cell.links, under);
        Ok(number)
    }

    /// Makes a cell the newest child of what `under` names.
    fn link(&self, number: u32, links: &Links, under: Stamp) {
        let parent = self.cell(under.cell);
        let older = parent.map_or(NONE, |parent| get(&parent.links.newest));
        set(&links.parent, under.cell);
        set(&links.born, under.epoch);
        set(&links.older, older);
        [&links.newer, &links.oldest, &links.newest].into_iter().for_each(|link| set(link, NONE));
        let Some(parent) = parent else { return };
        parent.retain();
        set(&parent.links.newest, number);
        set(self.links(older).map_or(&parent.links.oldest, |older| &older.newer), number);
    }

    /// Takes a cell from its parent's children. Returns the parent, whose reference the caller gives up without the lock.
    fn unlink(&self, number: u32, links: &Links) -> u32 {
        let parent = get(&links.parent);
        set(&links.parent, NONE);
        let Some(above) = self.links(parent) else { return NONE };
        let (older, newer) = (get(&links.older), get(&links.newer));
        debug_assert!(older != number && newer != number, "a cell beside itself");
        set(self.links(older).map_or(&above.oldest, |older| &older.newer), newer);
        set(self.links(newer).map_or(&above.newest, |newer| &newer.older), older);
        parent
    }

    /// Revokes what is under `number`, all of it at once but for what is under cells further down.
    pub(super) fn advance(&self, number: u32) {
        if let Some(cell) = self.cell(number) {
            cell.advance();
        }
    }

    /// Kills the cells on the way from `root` down to the oldest that has nothing below it, and takes that one off. False if
    /// there is none that was born before the last revoke. At most [`MAX_DEPTH`] steps under the lock.
    pub(super) fn prune(&self, root: u32) -> bool {
        let parent = self.free.with(|_| {
            let mut at = root;
            while let Some(child) = self.doomed_child(at) {
                self.cell(child).map(Cell::kill);
                at = child;
            }
            if at == root { None } else { self.links(at).map(|links| self.unlink(at, links)) }
        });
        if let Some(parent) = parent {
            self.release(parent);
        }
        parent.is_some()
    }

    /// The oldest child of `number`, if that has had a revoke since its birth.
    fn doomed_child(&self, number: u32) -> Option<u32> {
        let cell = self.cell(number)?;
        let child = get(&cell.links.oldest);
        (get(&self.links(child)?.born) != cell.epoch()).then_some(child)
    }

    #[cfg(test)]
    pub(super) fn set_epoch(&self, number: usize, epoch: u32) {
        self.cells[number].set_epoch(epoch);
    }

    /// Cells that are in use.
    pub fn in_use(&self) -> usize {
        self.free.with(|_| self.cells.iter().filter(|cell| cell.refs() > 0).count())
    }

    /// Walks every invariant, with the lock held; nothing is made or closed meanwhile.
    ///
    /// # Errors
    /// [`Corruption`] names the first that does not hold.
    pub fn check(&self) -> Result<(), Corruption> {
        let found = self.free.with(|free| {
            let (mut count, mut next) = (0, *free);
            while let Some(cell) = self.cell(next).filter(|_| count <= self.cells.len()) {
                if cell.refs() > 0 {
                    return Err("a cell in use that is listed as free");
                }
                (count, next) = (count + 1, get(&cell.links.parent));
            }
            let in_use = self.cells.iter().filter(|cell| cell.refs() > 0).count();
            if count + in_use != self.cells.len() {
                return Err("a cell that is nowhere");
            }
            (0..NONE).zip(self.cells).try_for_each(|(number, cell)| self.check_children(number, cell))
        });
        found.map_err(|what| Corruption { what })
    }

    fn check_children(&self, number: u32, cell: &Cell) -> Result<(), &'static str> {
        if cell.refs() == 0 {
            return Ok(());
        }
        let (mut older, mut next, mut children) = (NONE, get(&cell.links.oldest), 0);
        while let Some(links) = self.links(next) {
            let depth = get(&cell.links.depth) + 1;
            if get(&links.parent) != number || get(&links.older) != older || get(&links.depth) != depth {
                return Err("a child that does not know its place");
            }
            (older, next, children) = (next, get(&links.newer), children + 1);
        }
        match (get(&cell.links.newest) == older, children <= cell.refs()) {
            (true, true) => Ok(()),
            (false, _) => Err("children that end elsewhere"),
            (_, false) => Err("more children than references"),
        }
    }
}

impl<E: Env> fmt::Debug for Cells<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cells").field("cells", &self.cells.len()).finish_non_exhaustive()
    }
}
