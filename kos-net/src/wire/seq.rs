//! Sequence numbers as they stand on the wire: [`SeqNumber`].
//!
//! Source: RFC 9293 section 3.4. They wrap, so they have no order: there is no `<`, only a signed distance.

use core::fmt;

/// A place in a stream of bytes, modulo 2^32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// The place `count` bytes further.
    #[must_use]
    pub const fn plus(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// How far this place lies behind `other`; negative if it lies before it. Right for places less than 2^31 apart.
    #[must_use]
    pub const fn since(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0).cast_signed()
    }
}

impl fmt::Display for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::SeqNumber;

    #[test]
    fn distances_wrap() {
        let last = SeqNumber(u32::MAX);
        assert_eq!(last.plus(2), SeqNumber(1));
        assert_eq!((SeqNumber(1).since(last), last.since(SeqNumber(1))), (2, -2));
        assert_eq!(SeqNumber(1 << 31).since(SeqNumber(0)), i32::MIN);
    }
}
