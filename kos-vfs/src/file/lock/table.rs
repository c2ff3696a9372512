//! [`LockTable`]: all locks of all files, and who waits for one. Memory work alone; wakers are called by others.
//!
//! Invariants: sorted by file; locks of one owner on one file neither overlap nor, if of one kind, touch; two owners' locks that
//! overlap are both shared. No more than were reserved at the start.

use alloc::vec::Vec;
use core::task::Waker;

use super::{HeldLock, LockError, LockKind, LockRange};
use crate::error::NoMemory;
use crate::tree::slots::Slots;

/// Whose a lock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Process(u64),
    Open(u32),
}

/// A lock, or the wish for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lock {
    /// Slot of the file, which is open.
    pub(crate) inode: u32,
    /// Whether it is one of `flock`.
    pub(crate) flock: bool,
    pub(crate) owner: Owner,
    pub(crate) kind: LockKind,
    pub(crate) range: LockRange,
}

impl Lock {
    fn is_of(&self, other: &Self) -> bool {
        (self.inode, self.flock, self.owner) == (other.inode, other.flock, other.owner)
    }

    fn conflicts(&self, other: &Self) -> bool {
        let exclusive = self.kind == LockKind::Exclusive || other.kind == LockKind::Exclusive;
        let same_file = (self.inode, self.flock) == (other.inode, other.flock);
        same_file && exclusive && self.owner != other.owner && self.range.overlaps(other.range)
    }

    const fn held(&self) -> HeldLock {
        let process = match self.owner {
            Owner::Process(process) => Some(process),
            Owner::Open(_) => None,
        };
        HeldLock { kind: self.kind, range: self.range, process }
    }
}

/// Someone who waits.
#[derive(Debug)]
struct Waiter {
    wish: Lock,
    waker: Waker,
    /// Nothing stands in the way any more, and he was not told yet.
    ready: bool,
    /// Met by the search for a deadlock.
    met: bool,
}

/// The table.
#[derive(Debug)]
pub(crate) struct LockTable {
    locks: Vec<Lock>,
    limit: usize,
    waiters: Slots<Waiter>,
    next_process: u64,
}

impl LockTable {
    pub(crate) fn new(locks: u32, waiters: u32) -> Result<Self, NoMemory> {
        let limit = locks as usize;
        let mut table = Self { locks: Vec::new(), limit, waiters: Slots::new(waiters)?, next_process: 1 };
        table.locks.try_reserve_exact(limit)?;
        Ok(table)
    }

    /// A number for a process, never given again.
    pub(crate) const fn new_process(&mut self) -> u64 {
        let process = self.next_process;
        self.next_process += 1;
        process
    }

    pub(crate) fn live(&self) -> u32 {
        u32::try_from(self.locks.len()).unwrap_or(u32::MAX)
    }

    /// The locks of one file.
    fn of(&self, inode: u32) -> &[Lock] {
        let start = self.locks.partition_point(|lock| lock.inode < inode);
        let end = self.locks.partition_point(|lock| lock.inode <= inode);
        self.locks.get(start..end).unwrap_or_default()
    }

    /// The first lock that stands in the way of `wish`.
    fn conflict(&self, wish: &Lock) -> Option<&Lock> {
        self.of(wish.inode).iter().filter(|lock| lock.conflicts(wish)).min_by_key(|lock| lock.range.start)
    }

    pub(crate) fn find(&self, wish: &Lock) -> Option<HeldLock> {
        self.conflict(wish).map(Lock::held)
    }

    /// Takes a lock; what its owner had on these bytes is replaced.
    pub(crate) fn set(&mut self, wish: Lock) -> Result<(), LockError> {
        if wish.flock {
            // As Linux does: who asks for another kind gives up what he has, whether he gets it or not.
            self.locks.retain(|lock| !lock.is_of(&wish) || lock.kind == wish.kind);
            self.settle(Some(wish.inode));
        }
        if let Some(lock) = self.conflict(&wish) {
            return Err(LockError::WouldBlock(lock.held()));
        }
        self.replace(wish, Some(wish.kind))
    }

    /// Releases what the owner of `wish` has on its bytes.
    pub(crate) fn clear(&mut self, wish: Lock) -> Result<(), LockError> {
        self.replace(wish, None)
    }

    fn replace(&mut self, wish: Lock, kind: Option<LockKind>) -> Result<(), LockError> {
        let mut range = wish.range;
        if let Some(kind) = kind {
            let merging = self.of(wish.inode).iter().filter(|lock| lock.is_of(&wish) && lock.kind == kind);
            // Own locks are apart from each other, so those that touch the wish touch the sum of it and the others.
            for lock in merging.filter(|lock| lock.range.touches(wish.range)) {
                range.start = range.start.min(lock.range.start);
                range.last = range.last.max(lock.range.last);
            }
        }
        let stays = |lock: &Lock| !lock.is_of(&wish) || !lock.range.overlaps(range);
        let mut left = None;
        let mut right = None;
        for lock in self.of(wish.inode).iter().filter(|lock| !stays(lock)) {
            if lock.range.start < range.start {
                let last = range.start - 1;
                left = Some(Lock { range: LockRange { start: lock.range.start, last }, ..*lock });
            }
            if lock.range.last > range.last {
                let start = range.last + 1;
                right = Some(Lock { range: LockRange { start, last: lock.range.last }, ..*lock });
            }
        }
        let new = kind.map(|kind| Lock { kind, range, ..wish });
        let pieces = [left, new, right];
        let staying = self.locks.iter().filter(|lock| stays(lock)).count();
        if staying + pieces.iter().flatten().count() > self.limit {
            return Err(LockError::TableFull);
        }
        self.locks.retain(stays);
        let at = self.locks.partition_point(|lock| lock.inode < wish.inode);
        for piece in pieces.into_iter().flatten() {
            self.locks.insert(at, piece);
        }
        self.settle(Some(wish.inode));
        Ok(())
    }

    /// Releases all locks of an owner, on one file or on every.
    pub(crate) fn release(&mut self, owner: Owner, inode: Option<u32>) {
        let before = self.locks.len();
        self.locks.retain(|lock| lock.owner != owner || inode.is_some_and(|inode| inode != lock.inode));
        if self.locks.len() < before {
            self.settle(inode);
        }
    }

    // Waiters.

    /// Marks who waits for the file, or for any, and need not any more.
    fn settle(&mut self, inode: Option<u32>) {
        for index in 0..u32::try_from(self.waiters.capacity()).unwrap_or(u32::MAX) {
            let Some(wish) = self.waiters.get(index).map(|waiter| waiter.wish) else { continue };
            if inode.is_none_or(|inode| inode == wish.inode)
                && self.conflict(&wish).is_none()
                && let Some(waiter) = self.waiters.get_mut(index)
            {
                waiter.ready = true;
            }
        }
    }

    /// Someone to wake, each once.
    pub(crate) fn next_ready(&mut self) -> Option<Waker> {
        let (index, _) = self.waiters.iter().find(|(_, waiter)| waiter.ready)?;
        let waiter = self.waiters.get_mut(index)?;
        waiter.ready = false;
        Some(waiter.waker.clone())
    }

    /// Waits for `wish`, in the slot that is returned.
    pub(crate) fn wait(&mut self, wish: Lock, waker: Waker) -> Result<u32, LockError> {
        if matches!(wish.owner, Owner::Process(_)) && self.deadlocks(&wish) {
            return Err(LockError::Deadlock);
        }
        let new = Waiter { wish, waker, ready: false, met: false };
        self.waiters.insert(new).map_err(|_| LockError::TableFull)
    }

    pub(crate) fn wait_no_more(&mut self, slot: u32) {
        self.waiters.remove(slot);
    }

    /// Whether those who stand in the way of `wish` wait, in the end, for its owner. Each waiter is met once.
    fn deadlocks(&mut self, wish: &Lock) -> bool {
        let slots = u32::try_from(self.waiters.capacity()).unwrap_or(u32::MAX);
        for index in 0..slots {
            if let Some(waiter) = self.waiters.get_mut(index) {
                waiter.met = false;
            }
        }
        loop {
            let next = self.waiters.iter().find(|(_, waiter)| !waiter.met && self.is_behind(wish, waiter));
            let Some((index, waiter)) = next else { return false };
            let waits_for_us = |lock: &&Lock| lock.owner == wish.owner && lock.conflicts(&waiter.wish);
            if self.of(waiter.wish.inode).iter().any(|lock| waits_for_us(&lock)) {
                return true;
            }
            if let Some(waiter) = self.waiters.get_mut(index) {
                waiter.met = true;
            }
        }
    }

    /// Whether a waiting process stands in the way of `wish`, or of someone met before.
    fn is_behind(&self, wish: &Lock, waiter: &Waiter) -> bool {
        let owner = waiter.wish.owner;
        let blocks =
            |wish: &Lock| self.of(wish.inode).iter().any(|lock| lock.owner == owner && lock.conflicts(wish));
        let process = matches!(owner, Owner::Process(_)) && owner != wish.owner;
        process && (blocks(wish) || self.waiters.iter().any(|(_, other)| other.met && blocks(&other.wish)))
    }

    // Self-test.

    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if !self.locks.is_sorted_by_key(|lock| lock.inode) || self.locks.len() > self.limit {
            return Err("locks are out of order, or too many");
        }
        for (index, lock) in self.locks.iter().enumerate() {
            for other in self.locks.iter().skip(index + 1) {
                let joined = lock.range.overlaps(other.range)
                    || lock.kind == other.kind && lock.range.touches(other.range);
                if lock.conflicts(other) || lock.is_of(other) && joined {
                    return Err("two locks on the same bytes");
                }
            }
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> &[Lock] {
        &self.locks
    }
}
