//! The number by which a capability goes: [`CapId`].

use core::fmt;

/// Slots of a space at most.
pub(super) const MAX_SLOTS: usize = 1 << 24;

/// Names a capability of one space: slot (24 bits), kind (8) and generation (32), mixed with the space's salt, so that the number
/// of one space means nothing in another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CapId(u64);

impl CapId {
    /// The number that user space gave.
    #[must_use]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The number for user space.
    #[must_use]
    pub const fn raw(self) -> u64 {
        self.0
    }

    pub(super) const fn new(name: Name, salt: u64) -> Self {
        let word = (name.generation as u64) << 32 | (name.kind as u64) << 24 | name.slot as u64;
        Self(word ^ salt)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "takes the word apart")]
    pub(super) const fn open(self, salt: u64) -> Name {
        let word = self.0 ^ salt;
        Name {
            slot: word as u32 & (MAX_SLOTS as u32 - 1),
            kind: (word >> 24) as u8,
            generation: (word >> 32) as u32,
        }
    }
}

impl fmt::Debug for CapId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CapId({:#x})", self.0)
    }
}

/// What a number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) slot: u32,
    pub(super) kind: u8,
    pub(super) generation: u32,
}
