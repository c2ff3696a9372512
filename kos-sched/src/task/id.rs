//! [`TaskId`]: a slot and its generation, so that the id of a task that is gone never means its successor.

use core::fmt;

/// The slot of a task in the arena. Only a [`TaskId`] says whose slot it still is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskIndex(u32);

impl TaskIndex {
    /// The slot numbered `index`.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The number of the slot.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number of the slot, to index a table with.
    #[must_use]
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for TaskIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// One task, past, present or future: a slot and how often the slot was given out. A stale id is an error, never another
/// task (up to 2^32 tasks in one slot).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    index: TaskIndex,
    generation: u32,
}

impl TaskId {
    /// No task: no operation finds one.
    pub const NOBODY: Self = Self::new(TaskIndex::new(u32::MAX), 0);

    /// The task that had `index` as its `generation`-th owner.
    #[must_use]
    pub const fn new(index: TaskIndex, generation: u32) -> Self {
        Self { index, generation }
    }

    /// Its slot.
    #[must_use]
    pub const fn index(self) -> TaskIndex {
        self.index
    }

    /// Which owner of the slot it is.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index.0, self.generation)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
