//! The free blocks of frames one by one: [`FrameDump`].

use core::fmt;

use crate::ports::Inventory;
use crate::types::Pfn;

/// Lists free blocks in ascending order, a line each: first frame, end, frames. At most [`lines`](Self::lines), so that a
/// dump ends however fragmented memory is; where there are more, a last line names the frame to go on from.
#[derive(Clone, Copy, Debug)]
pub struct FrameDump<'a, I> {
    /// The source.
    pub frames: &'a I,
    /// Blocks that start below it are left out.
    pub from: Pfn,
    /// Blocks to list at most.
    pub lines: usize,
}

impl<I: Inventory> fmt::Display for FrameDump<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut from = self.from;
        for _ in 0..self.lines {
            let Some(block) = self.frames.next_free(from) else { return Ok(()) };
            writeln!(f, "{:#012x}-{:#012x} {:>10}", block.start().0, block.end().0, block.count())?;
            from = block.end();
        }
        match self.frames.next_free(from) {
            Some(block) => writeln!(f, "... from {}", block.start()),
            None => Ok(()),
        }
    }
}
