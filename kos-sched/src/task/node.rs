//! [`Node`]: what the policy layer knows of one task, in one cache line together with the slot's owner and generation.
//!
//! The fields are plain words, since a task may change its class; each class names the words it uses by accessors of its own.
//! A class of the integrator's has `words`, `halves` and `level` for itself while a task is in it.

use super::id::TaskIndex;

/// A link to another node of the arena, or to none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link(u32);

impl Link {
    /// To none.
    pub(crate) const NONE: Self = Self(u32::MAX);

    /// To `task`.
    #[inline]
    pub(crate) const fn to(task: TaskIndex) -> Self {
        Self(task.get())
    }

    /// The node it leads to.
    #[inline]
    pub(crate) const fn get(self) -> Option<TaskIndex> {
        if self.0 == u32::MAX { None } else { Some(TaskIndex::new(self.0)) }
    }

    /// The number of the slot, or one that no slot has.
    #[inline]
    pub(crate) const fn raw(self) -> u32 {
        self.0
    }
}

impl From<Option<TaskIndex>> for Link {
    #[inline]
    fn from(task: Option<TaskIndex>) -> Self {
        task.map_or(Self::NONE, Self::to)
    }
}

impl core::fmt::Debug for Link {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(&self.get(), f)
    }
}

/// Where a task stands with the queue that owns it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// In no queue.
    #[default]
    Out,
    /// Wants the CPU, or has it.
    Runnable,
    /// Asleep, and still owned: until its lag is gone, or because its bandwidth stays reserved.
    Asleep,
}

/// One task as a queue sees it.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// In a list: previous and next. In a tree: left, right, parent.
    pub(crate) links: [Link; 3],
    /// For the class. [`Policy::Custom`](super::Policy::Custom) puts its parameters into the first two.
    pub words: [u64; 3],
    /// For the class.
    pub halves: [u32; 3],
    /// For the class: priority, nice value, container.
    pub level: u8,
    /// The position of its class in the class set.
    pub(crate) class: u8,
    pub(crate) standing: Standing,
    /// In a tree: the rank.
    pub(crate) rank: u8,
    /// In a tree: whether only left links lead here from the top.
    pub(crate) leftmost: bool,
}

impl Node {
    /// A node that no class has seen.
    pub(crate) const NEW: Self = Self {
        links: [Link::NONE; 3],
        words: [0; 3],
        halves: [0; 3],
        level: 0,
        class: u8::MAX,
        standing: Standing::Out,
        rank: 0,
        leftmost: false,
    };
}
