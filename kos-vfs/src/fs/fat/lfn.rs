//! Long names: up to 20 entries before the short one, the last part first, tied to it by a checksum; [`LongName`].

use super::bytes::{put, u8_at, u16_at};
use super::entry::LONG;
use super::name::{UNITS_MAX, Units, fold};

/// Units in one entry.
const PER_SLOT: usize = 13;
/// Entries of a long name, at most.
pub(super) const SLOTS_MAX: u32 = 20;
/// In the number of an entry: the last part.
const LAST: u8 = 0x40;

/// Where the unit `index` of an entry stands.
const fn unit_at(index: usize) -> usize {
    match index {
        0..5 => 1 + 2 * index,
        5..11 => 14 + 2 * (index - 5),
        _ => 28 + 2 * (index - 11),
    }
}

/// What ties the entries to a short name.
pub(super) fn checksum(short: &[u8; 11]) -> u8 {
    short.iter().fold(0_u8, |sum, &byte| sum.rotate_right(1).wrapping_add(byte))
}

/// How many entries a name takes.
pub(super) fn slots_of(name: &Units) -> u32 {
    u32::try_from(name.as_slice().len().div_ceil(PER_SLOT)).unwrap_or(SLOTS_MAX)
}

/// Part `number`, from 1 on, of `slots`.
pub(super) fn encode(name: &Units, number: u32, slots: u32, sum: u8) -> [u8; 32] {
    let mut slot = [0; 32];
    let order = u8::try_from(number).unwrap_or(0) | if number == slots { LAST } else { 0 };
    put(&mut slot, 0, &[order]);
    put(&mut slot, 11, &[LONG, 0, sum]);
    let start = (number as usize).saturating_sub(1) * PER_SLOT;
    for index in 0..PER_SLOT {
        let unit = match (start + index).cmp(&name.as_slice().len()) {
            core::cmp::Ordering::Less => name.as_slice().get(start + index).copied().unwrap_or(0),
            core::cmp::Ordering::Equal => 0,
            core::cmp::Ordering::Greater => 0xffff,
        };
        put(&mut slot, unit_at(index), &unit.to_le_bytes());
    }
    slot
}

/// Puts a long name together, entry by entry.
pub(super) struct LongName {
    units: [[u16; PER_SLOT]; SLOTS_MAX as usize],
    /// Parts in all; 0 for no name.
    slots: u8,
    /// The part that must come next; 0 when all have come.
    next: u8,
    sum: u8,
}

impl LongName {
    pub(super) const EMPTY: Self =
        Self { units: [[0; PER_SLOT]; SLOTS_MAX as usize], slots: 0, next: 0, sum: 0 };

    /// Forgets what has come.
    pub(super) const fn clear(&mut self) {
        self.slots = 0;
        self.next = 0;
    }

    /// Takes an entry. One that does not go on what has come, or begin anew, makes it none.
    pub(super) fn take(&mut self, slot: &[u8; 32]) {
        let order = u8_at(slot, 0);
        let (number, sum) = (order & !LAST, u8_at(slot, 13));
        if order & LAST != 0 && (1..=SLOTS_MAX).contains(&number.into()) {
            (self.slots, self.next, self.sum) = (number, number, sum);
        }
        if self.slots == 0 || number != self.next || number == 0 || sum != self.sum {
            self.clear();
            return;
        }
        self.next = number - 1;
        if let Some(part) = self.units.get_mut(usize::from(self.next)) {
            *part = core::array::from_fn(|index| u16_at(slot, unit_at(index)));
        }
    }

    /// How many entries it has, if all have come and it is the name of `short`.
    pub(super) fn slots(&self, short: &[u8; 11]) -> Option<u32> {
        let whole = self.slots != 0 && self.next == 0 && self.sum == checksum(short);
        (whole && self.fits()).then_some(self.slots.into())
    }

    /// Whether it has units, and not too many.
    fn fits(&self) -> bool {
        let ends = || self.units.as_flattened().iter().take(UNITS_MAX + 1).any(|&unit| unit == 0);
        self.units.as_flattened().first() != Some(&0) && (u32::from(self.slots) < SLOTS_MAX || ends())
    }

    /// Whether it is `name`, if all its entries have come.
    pub(super) fn is(&self, name: &Units) -> bool {
        let all = self.units.get(..usize::from(self.slots)).unwrap_or(&[]);
        let Some((units, rest)) = all.as_flattened().split_at_checked(name.as_slice().len()) else {
            return false;
        };
        rest.first().is_none_or(|&unit| unit == 0)
            && units.iter().map(|&unit| fold(unit)).eq(name.as_slice().iter().map(|&unit| fold(unit)))
    }

    /// Its units up to the first zero; `None` if they are too many.
    pub(super) fn units(&self) -> Option<Units> {
        let mut name = Units::EMPTY;
        let all = self.units.get(..usize::from(self.slots)).unwrap_or(&[]).as_flattened();
        for &unit in all.iter().take_while(|&&unit| unit != 0) {
            if !name.push(unit) {
                return None;
            }
        }
        (1..=UNITS_MAX).contains(&name.as_slice().len()).then_some(name)
    }
}
