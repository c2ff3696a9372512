//! [`VirtualTime`]: the time of a fair queue, which passes the faster the less weight there is. It wraps; two of them are compared by
//! their signed difference, which the classes keep far below 2^63.

/// A point in virtual time. One unit is a nanosecond of a CPU that a task of nice 0 has alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VirtualTime(u64);

impl VirtualTime {
    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    /// How long after `other` it is; negative if before.
    #[inline]
    pub(super) const fn since(self, other: Self) -> i64 {
        self.0.wrapping_sub(other.0).cast_signed()
    }

    #[inline]
    pub(super) const fn is_before(self, other: Self) -> bool {
        self.since(other) < 0
    }

    /// `length` later.
    #[inline]
    pub(super) const fn plus(self, length: i64) -> Self {
        Self(self.0.wrapping_add_signed(length))
    }

    #[inline]
    pub(super) const fn earlier(self, other: Self) -> Self {
        if other.is_before(self) { other } else { self }
    }
}
