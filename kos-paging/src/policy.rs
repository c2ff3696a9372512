//! The three choices that are the caller's, not the mechanism's.

use crate::format::Level;

/// How large the leaves of a new mapping may be. Alignment of both addresses and the CPU bound them too.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum HugePolicy {
    /// Smallest pages only: for ranges that will be unmapped or protected page by page.
    Never,
    /// The largest leaf that fits at each address.
    #[default]
    Largest,
    /// As `Largest`, but no leaf above this level.
    UpTo(Level),
}

/// What to do when an operation covers part of a huge leaf.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum SplitPolicy {
    /// Refuse; nothing changes. The caller asked for more exactness than the mapping has.
    #[default]
    Refuse,
    /// Split the leaf into smaller ones; takes a frame for each table.
    ///
    /// As `Refuse` where CPUs may have the leaf in their TLBs and the format must
    /// [break it before](crate::Transition::BreakBeforeMake): `Table::split` does that, with a flush.
    Split,
}

/// Whether a leaf may be writable and executable at once. Two mappings of one frame are not looked at.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum WxPolicy {
    /// No call makes such a leaf.
    #[default]
    Deny,
    /// Nor does a call make a leaf executable that was mapped otherwise: what a program could write it never runs, in that
    /// mapping. Code must be complete when it is mapped. (PaX MPROTECT has this rule.)
    DenyHistory,
    /// The caller answers for it. The only choice for a CPU without an execute-disable bit, such as 32-bit x86.
    Allow,
}
