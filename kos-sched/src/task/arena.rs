//! [`Arena`]: the nodes of all tasks in lent storage, each reachable by its one owner only.
//!
//! | type | what it allows |
//! |---|---|
//! | [`Ownership`] | the key of one queue; its holder gets at the nodes that the queue owns |
//! | [`Nodes`] | that access, lent by the key only: exclusive, so no two `&mut Node` meet |
//! | [`Detached`] | one node that no queue owns, between two of them |
//!
//! # Why this is sound
//! A slot's `owner` is a queue's id, `DETACHED` or `LOOSE`.
//! 1. Ids are unique in an arena, an arena has its slots alone (`&'s mut`), and the [`Nodes`] in an [`Ownership`] is never copied:
//!    it is only lent (two may be swapped, which leaves one of each). So whoever borrows it mutably is alone in holding the right to
//!    the slots whose owner is its id.
//! 2. Only the holder of that right makes a slot leave the id; a slot comes to it from `LOOSE` by compare-and-swap, or by
//!    giving up the one [`Detached`] that names it. So an `owner` read as one's own id is still so when the node is used.
//! 3. A slot becomes `DETACHED` only by making the one `Detached` that names it, and leaves that by consuming it.
//! 4. Nobody touches the node of a `LOOSE` slot. It becomes loose by a release store and is claimed by an acquiring
//!    compare-and-swap, so what the last owner wrote is seen. Tokens and keys move between threads by the caller's means,
//!    which order memory.

use core::cell::UnsafeCell;
use core::fmt;

use super::free::FreeSlots;
use super::id::{TaskId, TaskIndex};
use super::node::Node;
use crate::atomic::{AtomicU32, Ordering};

/// Owner of a slot that whoever comes first may claim.
const LOOSE: u32 = 0;
/// Owner of a slot that a [`Detached`] names.
const DETACHED: u32 = u32::MAX;
/// Slots beyond cannot be named: this index means none.
const NONE_INDEX: usize = u32::MAX as usize;
/// The queue of free slots.
const FREE: u32 = 1;

/// Room for one task: a cache line.
#[repr(align(64))]
pub struct Slot {
    owner: AtomicU32,
    generation: AtomicU32,
    node: UnsafeCell<Node>,
}

#[cfg(not(any(loom, shuttle)))]
const _: () = assert!(size_of::<Slot>() == 64 && size_of::<Node>() <= 56);

// SAFETY: the node is plain data and touched only by who owns the slot, one at a time (see the module's proof); the other
// fields are atomics.
unsafe impl Sync for Slot {}

impl Slot {
    /// An empty slot.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self { owner: AtomicU32::new(FREE), generation: AtomicU32::new(0), node: UnsafeCell::new(Node::NEW) }
    }

    /// An empty slot.
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        Self { owner: AtomicU32::new(FREE), generation: AtomicU32::new(0), node: UnsafeCell::new(Node::NEW) }
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("owner", &self.owner).field("generation", &self.generation).finish()
    }
}

/// Names a queue of one arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueueId(u32);

/// The slots of all tasks. Shared by reference; hands out the keys of its queues.
#[derive(Debug)]
pub struct Arena<'s> {
    slots: &'s [Slot],
    /// The next queue's id.
    next: AtomicU32,
}

impl<'s> Arena<'s> {
    /// An arena over `slots`, whatever they held before, and its free slots: all of them.
    ///
    /// At most 2^32 - 1 slots are used.
    pub fn new(slots: &'s mut [Slot]) -> (Self, FreeSlots<'s>) {
        let count = slots.len().min(NONE_INDEX);
        let (slots, _) = slots.split_at_mut(count);
        for slot in &mut *slots {
            *slot = Slot::new();
        }
        let slots = &*slots;
        let free = FreeSlots::new(Ownership::new(slots, FREE));
        (Self { slots, next: AtomicU32::new(FREE + 1) }, free)
    }

    /// The key of a new queue. [`None`] after 2^32 - 3 of them.
    pub fn queue(&self) -> Option<Ownership<'s>> {
        let mut id = self.next.load(Ordering::Relaxed);
        loop {
            if id == DETACHED {
                return None;
            }
            match self.next.compare_exchange_weak(id, id + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(Ownership::new(self.slots, id)),
                Err(newer) => id = newer,
            }
        }
    }

    /// How many slots there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are no slots.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The queue that owned `task` a moment ago; [`None`] if none did. A hint on which queue to lock.
    #[must_use]
    pub fn owner(&self, task: TaskIndex) -> Option<QueueId> {
        match self.slots.get(task.as_usize())?.owner.load(Ordering::Relaxed) {
            LOOSE | DETACHED | FREE => None,
            id => Some(QueueId(id)),
        }
    }

    /// The id of the task that has slot `task` now, or had it last.
    pub(crate) fn id(&self, task: TaskIndex) -> Option<TaskId> {
        let slot = self.slots.get(task.as_usize())?;
        Some(TaskId::new(task, slot.generation.load(Ordering::Relaxed)))
    }

    /// The slot of `task`, unless it was a stale id a moment ago. The answer lasts as long as the caller keeps the task from
    /// being reaped.
    #[must_use]
    pub fn find(&self, task: TaskId) -> Option<TaskIndex> {
        let slot = self.slots.get(task.index().as_usize())?;
        let alive = slot.owner.load(Ordering::Relaxed) != FREE;
        (alive && slot.generation.load(Ordering::Relaxed) == task.generation()).then_some(task.index())
    }
}

/// The key of one queue: who holds it owns nodes. Made by [`Arena::queue`], never twice.
///
/// No access without it, and one access at a time:
/// ```compile_fail,E0499
/// # use kos_sched::task::{Arena, Slot, TaskIndex};
/// let mut slots = [Slot::new()];
/// let (arena, _free) = Arena::new(&mut slots);
/// let mut queue = arena.queue().unwrap();
/// let mut first = queue.nodes();
/// let mut second = queue.nodes();
/// first.get_mut(TaskIndex::new(0));
/// ```
/// ```compile_fail,E0599
/// # use kos_sched::task::{Arena, Slot, TaskIndex};
/// let mut slots = [Slot::new()];
/// let (arena, _free) = Arena::new(&mut slots);
/// arena.get_mut(TaskIndex::new(0));
/// ```
#[derive(Debug)]
pub struct Ownership<'s> {
    nodes: Nodes<'s>,
}

impl<'s> Ownership<'s> {
    const fn new(slots: &'s [Slot], id: u32) -> Self {
        Self { nodes: Nodes { slots, id } }
    }

    /// The queue whose key it is.
    #[must_use]
    pub const fn id(&self) -> QueueId {
        QueueId(self.nodes.id)
    }

    /// Whether it is a key of `arena`.
    pub(crate) fn opens(&self, arena: &Arena<'_>) -> bool {
        core::ptr::eq(self.nodes.slots, arena.slots)
    }

    /// Access to the nodes that the queue owns.
    #[inline]
    pub const fn nodes(&mut self) -> &mut Nodes<'s> {
        &mut self.nodes
    }

    /// Reading access to the nodes that the queue owns.
    #[inline]
    #[must_use]
    pub const fn view(&self) -> &Nodes<'s> {
        &self.nodes
    }

    /// Makes a node that the queue owns nobody's.
    #[inline]
    pub(crate) fn detach(&mut self, task: TaskIndex) -> Option<Detached<'s>> {
        let slot = self.nodes.slots.get(task.as_usize())?;
        if slot.owner.load(Ordering::Relaxed) != self.nodes.id {
            return None;
        }
        slot.owner.store(DETACHED, Ordering::Relaxed);
        Some(Detached { slot, task })
    }

    /// Makes the ids of whoever had the slot of `task`, which is owned, stale.
    pub(super) fn retire(&mut self, task: TaskIndex) {
        if let Some(slot) = self.nodes.slots.get(task.as_usize()) {
            // Only the owner writes it.
            let generation = slot.generation.load(Ordering::Relaxed).wrapping_add(1);
            slot.generation.store(generation, Ordering::Relaxed);
        }
    }

    /// Takes a node in if `admit` agrees; else it comes back, with the reason if it is of this arena.
    pub(crate) fn attach<E>(
        &mut self,
        node: Detached<'s>,
        admit: impl FnOnce(&Nodes<'_>, TaskIndex) -> Result<(), E>,
    ) -> Result<TaskIndex, (Detached<'s>, Option<E>)> {
        let task = node.task;
        if !self.nodes.slots.get(task.as_usize()).is_some_and(|slot| core::ptr::eq(slot, node.slot)) {
            return Err((node, None));
        }
        node.slot.owner.store(self.nodes.id, Ordering::Relaxed);
        match admit(&self.nodes, task) {
            Ok(()) => Ok(task),
            Err(error) => {
                node.slot.owner.store(DETACHED, Ordering::Relaxed);
                Err((node, Some(error)))
            }
        }
    }
}

/// Access to the nodes that one queue owns, as long as its key is lent.
#[derive(Debug)]
pub struct Nodes<'a> {
    slots: &'a [Slot],
    id: u32,
}

impl Nodes<'_> {
    #[inline]
    fn slot(&self, task: TaskIndex) -> Option<&Slot> {
        self.slots.get(task.as_usize()).filter(|slot| slot.owner.load(Ordering::Relaxed) == self.id)
    }

    /// The node of `task`, if this queue owns it.
    #[inline]
    #[must_use]
    pub fn get(&self, task: TaskIndex) -> Option<&Node> {
        let node = self.slot(task)?.node.get();
        // SAFETY: the owner is our id, so we alone may touch it (2), and no `&mut` exists while `self` is borrowed (1).
        Some(unsafe { &*node })
    }

    /// The node of `task`, if this queue owns it.
    #[inline]
    pub fn get_mut(&mut self, task: TaskIndex) -> Option<&mut Node> {
        let node = self.slot(task)?.node.get();
        // SAFETY: the owner is our id, so we alone may touch it (2), and `self` is borrowed mutably: no other reference (1).
        Some(unsafe { &mut *node })
    }

    /// Whether this queue owns `task`.
    #[inline]
    #[must_use]
    pub fn owns(&self, task: TaskIndex) -> bool {
        self.slot(task).is_some()
    }

    /// How many slots the arena has: the bound of every walk.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Claims `task` if nobody has it.
    #[inline]
    pub(crate) fn claim(&mut self, task: TaskIndex) -> bool {
        self.slots.get(task.as_usize()).is_some_and(|slot| {
            slot.owner.compare_exchange(LOOSE, self.id, Ordering::Acquire, Ordering::Relaxed).is_ok()
        })
    }

    /// Lets go of `task`: whoever wakes it may claim it.
    #[inline]
    pub(crate) fn release(&mut self, task: TaskIndex) {
        if let Some(slot) = self.slot(task) {
            slot.owner.store(LOOSE, Ordering::Release);
        }
    }
}

/// A task that no queue owns: on its way from one to another. Attach it; dropping it loses the slot.
///
/// ```compile_fail,E0382
/// # use kos_sched::task::{Arena, Slot};
/// let mut slots = [Slot::new()];
/// let (_arena, mut free) = Arena::new(&mut slots);
/// let task = free.take().unwrap();
/// free.give(task).unwrap();
/// free.give(task).unwrap();
/// ```
#[derive(Debug)]
#[must_use = "attach it to a queue: dropping it loses the slot"]
pub struct Detached<'s> {
    slot: &'s Slot,
    task: TaskIndex,
}

impl Detached<'_> {
    /// Which task it is.
    #[must_use]
    pub fn id(&self) -> TaskId {
        TaskId::new(self.task, self.slot.generation.load(Ordering::Relaxed))
    }

    /// Its slot.
    #[must_use]
    pub const fn index(&self) -> TaskIndex {
        self.task
    }

    /// Makes it nobody's: whoever comes first may claim it.
    pub(crate) fn loosen(self) -> TaskIndex {
        self.slot.owner.store(LOOSE, Ordering::Release);
        self.task
    }

    pub(crate) fn node(&self) -> &Node {
        // SAFETY: this is the one token that names the slot (3), and it is borrowed: no `&mut` exists.
        unsafe { &*self.slot.node.get() }
    }

    pub(crate) fn node_mut(&mut self) -> &mut Node {
        // SAFETY: this is the one token that names the slot (3), and it is borrowed mutably.
        unsafe { &mut *self.slot.node.get() }
    }
}
