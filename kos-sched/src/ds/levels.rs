//! [`Levels`]: 128 lists and a bit for each, so that the first node of the highest level is found in O(1).

use super::list::{List, NEXT};
use crate::error::Corruption;
use crate::task::{Nodes, TaskIndex};

/// Lists of nodes by `Node::level`, 0 to 127.
#[derive(Clone, Debug)]
pub struct Levels {
    /// Bit `l % 64` of word `l / 64`: list `l` has a node.
    occupied: [u64; 2],
    lists: [List; 128],
}

impl Levels {
    /// Empty lists.
    #[must_use]
    pub const fn new() -> Self {
        Self { occupied: [0; 2], lists: [const { List::new() }; 128] }
    }

    /// The highest level that has a node.
    #[inline]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "at most 127")]
    pub const fn highest(&self) -> Option<u8> {
        match self.occupied {
            [0, 0] => None,
            [low, 0] => Some(low.ilog2() as u8),
            [_, high] => Some(64 + high.ilog2() as u8),
        }
    }

    /// The first node of the highest level that has one.
    #[inline]
    #[must_use]
    pub fn front(&self) -> Option<TaskIndex> {
        self.level(self.highest()?).front()
    }

    /// The nodes of a level.
    #[inline]
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "below 128")]
    pub const fn level(&self, level: u8) -> &List {
        &self.lists[(level & 127) as usize]
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "below 128")]
    const fn level_mut(&mut self, level: u8) -> &mut List {
        &mut self.lists[(level & 127) as usize]
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "below 2")]
    const fn set_occupied(&mut self, level: u8, occupied: bool) {
        let word = &mut self.occupied[(level >> 6 & 1) as usize];
        let bit = 1 << (level & 63);
        *word = if occupied { *word | bit } else { *word & !bit };
    }

    #[expect(clippy::indexing_slicing, reason = "below 2")]
    const fn is_occupied(&self, level: u8) -> bool {
        self.occupied[(level >> 6 & 1) as usize] & 1 << (level & 63) != 0
    }

    /// Puts `task` behind those of its level.
    #[inline]
    pub fn push_back(&mut self, n: &mut Nodes<'_>, task: TaskIndex) {
        let Some(level) = n.get(task).map(|node| node.level) else { return };
        self.level_mut(level).push_back(n, task);
        self.set_occupied(level, true);
    }

    /// Puts `task` before those of its level.
    #[inline]
    pub fn push_front(&mut self, n: &mut Nodes<'_>, task: TaskIndex) {
        let Some(level) = n.get(task).map(|node| node.level) else { return };
        self.level_mut(level).push_front(n, task);
        self.set_occupied(level, true);
    }

    /// Takes `task`, which is here, out.
    #[inline]
    pub fn remove(&mut self, n: &mut Nodes<'_>, task: TaskIndex) {
        let Some(level) = n.get(task).map(|node| node.level) else { return };
        let list = self.level_mut(level);
        list.remove(n, task);
        if list.is_empty() {
            self.set_occupied(level, false);
        }
    }

    /// Puts `task`, which is here, behind those of its level. Says whether there are others.
    #[inline]
    pub fn move_to_back(&mut self, n: &mut Nodes<'_>, task: TaskIndex) -> bool {
        let Some(node) = n.get(task) else { return false };
        let (level, next) = (node.level, node.links[NEXT]);
        self.level_mut(level).move_behind(n, task, next)
    }

    /// All nodes, highest level first.
    pub fn iter(&self, n: &Nodes<'_>) -> impl Iterator<Item = TaskIndex> {
        self.lists.iter().rev().flat_map(|list| list.iter(n))
    }

    /// How many nodes there are, if lists, bits and levels agree.
    ///
    /// # Errors
    /// [`Corruption`] with the first thing that is wrong.
    pub fn check(&self, n: &Nodes<'_>) -> Result<usize, Corruption> {
        let mut count = 0;
        for (level, list) in (0u8..).zip(&self.lists) {
            count += list.check(n)?;
            if let Some(task) = list.iter(n).find(|&task| n.get(task).is_none_or(|node| node.level != level))
            {
                return Err(Corruption::Order(task));
            }
            if self.is_occupied(level) == list.is_empty() {
                return Err(Corruption::Level(level));
            }
        }
        Ok(count)
    }
}

impl Default for Levels {
    fn default() -> Self {
        Self::new()
    }
}
