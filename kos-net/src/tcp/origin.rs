//! Where a stream begins on the wire: [`Origin`].
//!
//! Inside, a place in a stream is a `u64` that counts from its SYN, which is 0; it never wraps. On the wire it is 32 bits,
//! unwrapped against a place that is known to be near. Source: RFC 9293 section 3.4.

use crate::wire::SeqNumber;

/// The initial sequence number of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin(pub(crate) SeqNumber);

impl Origin {
    /// The place `offset` as it goes on the wire.
    pub(crate) const fn at(self, offset: u64) -> SeqNumber {
        self.0.plus(low(offset))
    }

    /// The place that `seq` means, if it is within 2^31 of `near`; none if that is before the SYN.
    pub(crate) fn offset(self, near: u64, seq: SeqNumber) -> Option<u64> {
        near.checked_add_signed(seq.since(self.at(near)).into())
    }
}

/// The low 32 bits of a place.
#[expect(clippy::cast_possible_truncation, reason = "the wire has 32 bits of the place")]
const fn low(offset: u64) -> u32 {
    offset as u32
}

#[cfg(test)]
mod tests {
    use super::Origin;
    use crate::wire::SeqNumber;

    #[test]
    fn places_unwrap_near_a_known_one() {
        let origin = Origin(SeqNumber(u32::MAX - 1));
        for near in [0_u64, 1, 7, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 40) + 5] {
            for distance in [-3_i64, 0, 1, 1000, i64::from(i32::MAX)] {
                let place = near.checked_add_signed(distance);
                let seq = place.map_or(origin.at(0).plus(u32::MAX - 2), |place| origin.at(place));
                if let Some(place) = place {
                    assert_eq!(origin.offset(near, seq), Some(place), "{near} {distance}");
                }
            }
        }
        assert_eq!(origin.offset(1, SeqNumber(u32::MAX - 5)), None, "before the SYN there is nothing");
    }
}
