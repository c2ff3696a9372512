//! What a space is allowed, and what it has used.

use crate::addr::VirtRange;
use crate::policy::WxPolicy;

/// The rules of a space. Checked once, by [`Space::new`](super::Space::new).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where mappings may be. Linux keeps the first 64 KiB out of it, so that null pointers fault.
    pub range: VirtRange,
    /// Mappings at most.
    pub max_vmas: usize,
    /// Bytes that may be mapped.
    pub max_bytes: u64,
    /// Pages that may be resident.
    pub max_resident: u64,
    /// Bytes that a mapping which grows down may come to.
    pub max_stack: u64,
    /// Pages that stay free below a mapping that grows down.
    pub guard_pages: u64,
    /// Pages of an object that are mapped around a fault if they are in memory, a power of two.
    pub fault_around: u64,
    /// Whether memory gets huge pages unasked.
    pub huge: bool,
    /// Whether a mapping may be writable and executable: at once, or one after the other.
    pub wx: WxPolicy,
}

impl Config {
    /// The usual rules for programs in `range`.
    #[must_use]
    pub const fn new(range: VirtRange) -> Self {
        Self {
            range,
            max_vmas: 65_530,
            max_bytes: u64::MAX,
            max_resident: u64::MAX,
            max_stack: 8 << 20,
            guard_pages: 256,
            fault_around: 16,
            huge: true,
            wx: WxPolicy::Deny,
        }
    }
}

/// Counters of a space. Pages are pages of the smallest size.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct SpaceStats {
    /// Mappings.
    pub vmas: u64,
    /// Bytes that are mapped, resident or not.
    pub virtual_bytes: u64,
    /// Resident pages that belong to this space, and those it shares with a parent or child since a fork.
    pub anon_pages: u64,
    /// Resident pages of objects in private mappings.
    pub file_pages: u64,
    /// Resident pages in shared mappings.
    pub shared_pages: u64,
    /// The most pages that were resident at once.
    pub peak_pages: u64,
    /// Frames for tables.
    pub tables: u64,
    /// Frames for the list of mappings.
    pub vma_frames: u64,
    /// Faults that were resolved without asking a pager.
    pub minor_faults: u64,
    /// Faults for which a pager was asked.
    pub major_faults: u64,
    /// Faults that the tables had already resolved.
    pub spurious_faults: u64,
    /// Pages made of zeros.
    pub zero_fills: u64,
    /// Shared pages copied on a write.
    pub cow_copies: u64,
    /// Pages made writable again because nobody shared them any more.
    pub cow_reuses: u64,
    /// Huge pages mapped by faults.
    pub huge_faults: u64,
    /// Times that a stack grew.
    pub stack_growths: u64,
}

impl SpaceStats {
    /// Pages that are resident.
    #[must_use]
    pub const fn resident(&self) -> u64 {
        self.anon_pages + self.file_pages + self.shared_pages
    }
}
