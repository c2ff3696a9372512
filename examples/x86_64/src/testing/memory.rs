//! Any bytes as physical memory.

use crate::pvh::PhysicalMemory;

/// Memory of which only the addresses from `base` on exist.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'b> {
    /// Physical address of the first byte.
    pub base: u64,
    /// The memory.
    pub bytes: &'b [u8],
}

impl PhysicalMemory for Bytes<'_> {
    fn bytes(&self, start: u64, length: u64) -> Option<&[u8]> {
        let from = usize::try_from(start.checked_sub(self.base)?).ok()?;
        let to = from.checked_add(usize::try_from(length).ok()?)?;
        self.bytes.get(from..to)
    }
}
