//! What an absent entry stands for, in bits that every MMU ignores where the entry is not present.
//!
//! Bit 0 is clear: not present. Bit 10 says that the entry stands for something, bits 1 and 2 say for what, and a number
//! goes where the format writes addresses from bit 12 on. An entry that was parked is none of these.

use super::Absent;
use crate::addr::PhysAddr;
use crate::error::AttrError;

/// The entry stands for something, by the two bits of [`KIND`].
const HELD: u64 = 1 << 10;
/// What: 0 guard, 1 frame, 2 swap slot, 3 migrating.
const KIND: u64 = 3 << 1;

/// The entry for `state`, whose number goes into the bits of `field`, from bit 12 on.
#[inline]
pub(super) fn encode(state: Absent, field: u64) -> Result<u64, AttrError> {
    let (kind, number) = match state {
        Absent::Empty => return Ok(0),
        Absent::Guard => (0, 0),
        Absent::Kept(phys) if phys.is_aligned(1 << 12) => (1, phys.get() >> 12),
        Absent::Kept(_) => return Err(AttrError::StateOutOfReach(state)),
        Absent::Swap(slot) => (2, slot),
        Absent::Migrating => (3, 0),
    };
    match number.checked_mul(1 << 12) {
        Some(place) if place & !field == 0 => Ok(HELD | kind << 1 | place),
        _ => Err(AttrError::StateOutOfReach(state)),
    }
}

/// What the entry `raw`, absent and not parked, stands for.
#[inline]
pub(super) const fn decode(raw: u64, field: u64) -> Absent {
    if raw & HELD == 0 {
        return Absent::Empty;
    }
    let number = (raw & field) >> 12;
    match (raw & KIND) >> 1 {
        0 => Absent::Guard,
        1 => Absent::Kept(PhysAddr::new(number << 12)),
        2 => Absent::Swap(number),
        _ => Absent::Migrating,
    }
}
