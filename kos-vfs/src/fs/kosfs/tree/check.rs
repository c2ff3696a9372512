//! The invariants of a [`Tree`].

use super::super::key::Key;
use super::super::layout::Pointer;
use super::super::store::is_changed;
use super::Tree;
use crate::error::FsError;

impl Tree {
    /// Walks every invariant of what is in memory.
    ///
    /// # Errors
    /// [`FsError::Corrupt`] with what is wrong.
    pub(in crate::fs::kosfs) fn check(&self) -> Result<(), FsError> {
        let changed = self.check_below(self.root, self.level, Key::LEAST, None)?;
        let lost = FsError::Corrupt { block: 0, what: "a changed node that nothing points to" };
        if changed == self.changed() { Ok(()) } else { Err(lost) }
    }

    /// Checks the nodes below and at `pointer`, whose keys are at `low` or above and below `high`. Counts the changed ones.
    fn check_below(
        &self,
        pointer: Pointer,
        level: u8,
        low: Key,
        high: Option<Key>,
    ) -> Result<usize, FsError> {
        let address = pointer.address.get();
        let corrupt = |what| Err(FsError::Corrupt { block: address, what });
        let Some(node) = self.nodes.get(address) else {
            return if is_changed(address) { corrupt("a changed node is missing") } else { Ok(0) };
        };
        let keys = (0..node.len()).map(|index| node.key(index));
        let inside = keys.clone().all(|key| key >= low && high.is_none_or(|high| key < high));
        if node.level() != level || !inside || !keys.is_sorted_by(|a, b| a < b) {
            return corrupt("a node with keys or a level of another");
        }
        let mut sum = usize::from(is_changed(address));
        for index in 0..if level == 0 { 0 } else { node.len() } {
            let high = if index + 1 < node.len() { Some(node.key(index + 1)) } else { high };
            sum += self.check_below(node.branch(index).child, level - 1, node.key(index), high)?;
        }
        if sum > 0 && !is_changed(address) {
            return corrupt("a changed node below one that is not");
        }
        Ok(sum)
    }
}
