//! A hierarchical timer wheel: [`Wheel`], and [`TimerLink`], what each entry keeps.
//!
//! Four levels of 64 slots, 1 ms at the lowest. An entry stands on the level of the highest group of six bits in which its
//! tick differs from the wheel's, so all of one level fire before all of the next; it goes down a level when its slot comes.
//! Deadlines farther than 4.4 hours go to the farthest slot and are filed again from there.
//!
//! **Re-arming is one store.** A deadline that moves later (each acknowledgment moves that of the retransmission) is only
//! written: the entry stays in its slot, fires early, and is filed again. Only an earlier deadline moves it. The wheel fires
//! never before a deadline and at most 1 ms after.
//!
//! Links are indices inside the entries, which the caller keeps: the wheel itself is 1 KiB and allocates nothing.
//!
//! Invariants ([`Wheel::check`]): a slot's bit is set iff its list is not empty; the lists are doubly linked and hold each
//! armed entry once; no slot begins after the deadline of an entry in it.
//!
//! Source: Varghese and Lauck, *Hashed and Hierarchical Timing Wheels*, 1987, scheme 7.

mod corruption;

pub use corruption::TimerCorruption;

use crate::time::Instant;

const TOP: u32 = 3;
const LEVELS: usize = TOP as usize + 1;
const SLOTS: usize = 64;
const BITS: u32 = SLOTS.trailing_zeros();
const TICK_NS: u64 = 1_000_000;
/// Farther than that an entry is filed as if it were due so far ahead.
const REACH: u64 = (SLOTS as u64 - 1) << (BITS * TOP);
const NOBODY: u32 = u32::MAX;

/// What an entry keeps for the wheel.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimerLink {
    deadline: Option<Instant>,
    /// In which list it stands.
    filed: Option<Filed>,
}

impl TimerLink {
    /// When it is due; `None` if it is not armed.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

/// A slot, and the neighbours in its list.
#[derive(Clone, Copy, Debug)]
struct Filed {
    place: Place,
    before: u32,
    behind: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    level: u8,
    slot: u8,
}

/// Where the entries are: whatever has a [`TimerLink`] under an index below `u32::MAX`.
pub trait Timers {
    /// The link of entry `index`; `None` if there is no such entry.
    fn link(&mut self, index: u32) -> Option<&mut TimerLink>;
}

impl Timers for [TimerLink] {
    fn link(&mut self, index: u32) -> Option<&mut TimerLink> {
        self.get_mut(usize::try_from(index).ok()?)
    }
}

/// Which entries are due when. See the [module](self).
#[derive(Clone, Debug)]
pub struct Wheel {
    /// Up to which tick everything fired.
    tick: u64,
    filed: u32,
    bits: [u64; LEVELS],
    heads: [[u32; SLOTS]; LEVELS],
}

/// The first tick at which `deadline` has passed.
fn tick_of(deadline: Instant) -> u64 {
    deadline.as_ticks().div_ceil(TICK_NS)
}

/// When `tick` begins; `None` if that is beyond the end of time.
fn instant_of(tick: u64) -> Option<Instant> {
    tick.checked_mul(TICK_NS).map(Instant::from_ticks)
}

/// The group of six bits of `tick` that names the slot on `level`.
fn digit(tick: u64, level: usize) -> usize {
    usize::try_from(tick >> (BITS * u32::try_from(level).unwrap_or(0)) & (SLOTS as u64 - 1)).unwrap_or(0)
}

impl Wheel {
    /// An empty wheel that stands at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let tick = now.as_ticks() / TICK_NS;
        Self { tick, filed: 0, bits: [0; LEVELS], heads: [[NOBODY; SLOTS]; LEVELS] }
    }

    /// Lets entry `index` fire at `deadline`, whatever was before. Constant time; one store if the deadline moves later.
    /// A deadline in the past fires at the next [`pop`](Self::pop). An unknown entry is ignored.
    pub fn arm(&mut self, timers: &mut (impl Timers + ?Sized), index: u32, deadline: Instant) {
        let Some(link) = timers.link(index) else { return };
        link.deadline = Some(deadline);
        match link.filed {
            Some(filed) if self.begins(filed.place) <= tick_of(deadline) => {}
            Some(_) => {
                self.unlink(timers, index);
                self.file(timers, index, tick_of(deadline));
            }
            None => self.file(timers, index, tick_of(deadline)),
        }
    }

    /// Lets entry `index` never fire. One store; the entry leaves its list when the slot comes.
    pub fn disarm(&mut self, timers: &mut (impl Timers + ?Sized), index: u32) {
        if let Some(link) = timers.link(index) {
            link.deadline = None;
        }
    }

    /// Takes entry `index` out: to be done before it is given up. Constant time.
    pub fn remove(&mut self, timers: &mut (impl Timers + ?Sized), index: u32) {
        self.disarm(timers, index);
        self.unlink(timers, index);
    }

    /// The next entry that is due at `now`, in the order of ticks; it is not armed any more. Call until `None`. A `now` that
    /// goes back changes nothing. An entry that is armed for the past between two calls comes again.
    pub fn pop(&mut self, timers: &mut (impl Timers + ?Sized), now: Instant) -> Option<u32> {
        let target = self.tick.max(now.as_ticks() / TICK_NS);
        while let Some((place, begins)) = self.earliest().filter(|&(_, begins)| begins <= target) {
            self.tick = begins;
            let index = self.head(place);
            let deadline = timers.link(index).and_then(|link| link.deadline);
            if !self.unlink(timers, index) {
                self.set_head(place, NOBODY); // The caller lost an entry: what hung on it is lost, the wheel goes on.
                continue;
            }
            match deadline.map(tick_of) {
                Some(tick) if tick <= begins => {
                    self.disarm(timers, index);
                    return Some(index);
                }
                Some(tick) => self.file(timers, index, tick),
                None => {}
            }
        }
        self.tick = target;
        None
    }

    /// Before when nothing is due. Exact for the next 64 ms and wherever the next slot holds few entries; else the slot's
    /// begin, at which `pop` files what is in it again. After `pop` said `None` it is later than the `now` of that call.
    pub fn poll_at(&self, timers: &mut (impl Timers + ?Sized)) -> Option<Instant> {
        const LOOKED_AT: usize = 8;
        let (place, begins) = self.earliest()?;
        let ends = begins + (1 << (BITS * u32::from(place.level)));
        let (mut index, mut least) = (self.head(place), ends);
        for _ in 0..LOOKED_AT {
            let Some(link) = timers.link(index) else { return instant_of(least) };
            least = least.min(link.deadline.map_or(ends, tick_of));
            index = link.filed.map_or(NOBODY, |filed| filed.behind);
        }
        instant_of(if index == NOBODY { least } else { begins })
    }

    /// How many entries stand in the wheel; those that were disarmed and whose slot did not come yet count.
    #[must_use]
    pub const fn filed(&self) -> u32 {
        self.filed
    }

    /// The slot that comes next, and its first tick. Slots that have begun come first, the highest before all, for what is in
    /// them may be due with or before what is on a lower level.
    fn earliest(&self) -> Option<(Place, u64)> {
        let begun = |&level: &usize| {
            self.bits.get(level).is_some_and(|bits| bits >> digit(self.tick, level) & 1 == 1)
        };
        let level = (0..LEVELS).rev().find(begun).or_else(|| self.bits.iter().position(|&bits| bits != 0))?;
        let from = digit(self.tick, level);
        let bits = self.bits.get(level)?.rotate_right(u32::try_from(from).ok()?);
        let slot = u8::try_from((from + bits.trailing_zeros() as usize) % SLOTS).ok()?;
        let place = Place { level: u8::try_from(level).ok()?, slot };
        Some((place, self.begins(place)))
    }

    /// The first tick of the slot at `place`. Below the top only slots to come are filled; the top goes round.
    fn begins(&self, place: Place) -> u64 {
        let shift = BITS * u32::from(place.level);
        let from = self.tick >> shift;
        let ahead = u64::from(place.slot).wrapping_sub(from) & (SLOTS as u64 - 1);
        if ahead == 0 { self.tick } else { from.saturating_add(ahead) << shift }
    }

    fn place_of(&self, tick: u64) -> Place {
        let tick = tick.clamp(self.tick, self.tick.saturating_add(REACH));
        let differing = u64::BITS - (tick ^ self.tick).leading_zeros();
        let level = (differing.saturating_sub(1) / BITS).min(TOP) as usize;
        #[expect(clippy::cast_possible_truncation, reason = "below 4 and below 64")]
        Place { level: level as u8, slot: digit(tick, level) as u8 }
    }

    fn head(&self, place: Place) -> u32 {
        let level = self.heads.get(usize::from(place.level));
        level.and_then(|slots| slots.get(usize::from(place.slot))).copied().unwrap_or(NOBODY)
    }

    fn set_head(&mut self, place: Place, index: u32) {
        let level = usize::from(place.level);
        if let Some(head) = self.heads.get_mut(level).and_then(|slots| slots.get_mut(usize::from(place.slot)))
        {
            *head = index;
        }
        if let Some(bits) = self.bits.get_mut(level) {
            let bit = 1_u64 << (place.slot & 63);
            *bits = if index == NOBODY { *bits & !bit } else { *bits | bit };
        }
    }

    fn file(&mut self, timers: &mut (impl Timers + ?Sized), index: u32, tick: u64) {
        let place = self.place_of(tick);
        let behind = self.head(place);
        let Some(link) = timers.link(index) else { return };
        link.filed = Some(Filed { place, before: NOBODY, behind });
        if let Some(next) = timers.link(behind).and_then(|link| link.filed.as_mut()) {
            next.before = index;
        }
        self.set_head(place, index);
        self.filed += 1;
    }

    /// Takes an entry out of its list; says whether it was in one.
    fn unlink(&mut self, timers: &mut (impl Timers + ?Sized), index: u32) -> bool {
        let Some(filed) = timers.link(index).and_then(|link| link.filed.take()) else { return false };
        if let Some(next) = timers.link(filed.behind).and_then(|link| link.filed.as_mut()) {
            next.before = filed.before;
        }
        match timers.link(filed.before).and_then(|link| link.filed.as_mut()) {
            Some(previous) => previous.behind = filed.behind,
            None => self.set_head(filed.place, filed.behind),
        }
        self.filed = self.filed.saturating_sub(1);
        true
    }

    /// Walks all lists.
    ///
    /// # Errors
    /// The first invariant of the [module](self) that does not hold.
    pub fn check(&self, timers: &mut (impl Timers + ?Sized)) -> Result<(), TimerCorruption> {
        let mut found = 0;
        for (level, slots) in self.heads.iter().enumerate() {
            for (slot, &head) in slots.iter().enumerate() {
                let bit = self.bits.get(level).is_some_and(|bits| bits >> slot & 1 == 1);
                if bit != (head != NOBODY) {
                    return Err(TimerCorruption::BadBit { level, slot });
                }
                #[expect(clippy::cast_possible_truncation, reason = "below 4 and below 64")]
                let place = Place { level: level as u8, slot: slot as u8 };
                self.check_list(timers, place, head, &mut found)?;
            }
        }
        if found == self.filed {
            Ok(())
        } else {
            Err(TimerCorruption::BadCount { found, expected: self.filed })
        }
    }

    fn check_list(
        &self,
        timers: &mut (impl Timers + ?Sized),
        place: Place,
        head: u32,
        found: &mut u32,
    ) -> Result<(), TimerCorruption> {
        let (mut before, mut index) = (NOBODY, head);
        while index != NOBODY {
            *found += 1;
            let link = timers.link(index).copied().unwrap_or_default();
            let filed = link.filed.filter(|filed| filed.place == place && filed.before == before);
            let filed = filed.filter(|_| *found <= self.filed).ok_or(TimerCorruption::BadLink { index })?;
            if link.deadline.is_some_and(|deadline| tick_of(deadline).max(self.tick) < self.begins(place)) {
                return Err(TimerCorruption::TooLate { index });
            }
            (before, index) = (index, filed.behind);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
