//! A ring of records in lent storage: [`Ring`]. It holds where they begin and how many they are, nothing else.
//!
//! Places count from the oldest. Taking out or putting in moves the shorter side.

use super::sent::Sent;

#[derive(Clone, Copy, Debug)]
pub(super) struct Ring {
    head: u32,
    count: u32,
}

impl Ring {
    pub(super) const fn new() -> Self {
        Self { head: 0, count: 0 }
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    pub(super) fn is_full(&self, slots: &[Sent]) -> bool {
        self.count >= capacity(slots)
    }

    /// The record at place `at`; an empty one if there is none.
    pub(super) fn get(&self, slots: &[Sent], at: u32) -> Sent {
        slots.get(self.slot(slots, at)).copied().unwrap_or(Sent::EMPTY)
    }

    pub(super) fn update(&self, slots: &mut [Sent], at: u32, change: impl FnOnce(&mut Sent)) {
        if let Some(record) = slots.get_mut(self.slot(slots, at)) {
            change(record);
        }
    }

    /// Whether there was room.
    pub(super) fn push(&mut self, slots: &mut [Sent], record: Sent) -> bool {
        let room = !self.is_full(slots);
        if room {
            self.update(slots, self.count, |slot| *slot = record);
            self.count += 1;
        }
        room
    }

    /// Takes out the oldest.
    pub(super) fn pop(&mut self, slots: &[Sent]) {
        self.head = if self.head + 1 < capacity(slots) { self.head + 1 } else { 0 };
        self.count = self.count.saturating_sub(1);
    }

    /// Puts `record` at place `at`, before the one that is there, if there is room.
    pub(super) fn insert(&mut self, slots: &mut [Sent], at: u32, record: Sent) {
        if self.is_full(slots) || at > self.count {
            return;
        }
        self.count += 1;
        if at < self.count / 2 {
            self.head = if self.head == 0 { capacity(slots) - 1 } else { self.head - 1 };
            (0..at).for_each(|to| self.copy(slots, to + 1, to));
        } else {
            (at + 1..self.count).rev().for_each(|to| self.copy(slots, to - 1, to));
        }
        self.update(slots, at, |slot| *slot = record);
    }

    /// Takes out the record at place `at`.
    pub(super) fn remove(&mut self, slots: &mut [Sent], at: u32) {
        if at >= self.count {
            return;
        }
        if at < self.count / 2 {
            (1..=at).rev().for_each(|to| self.copy(slots, to - 1, to));
            self.pop(slots);
        } else {
            (at..self.count - 1).for_each(|to| self.copy(slots, to + 1, to));
            self.count -= 1;
        }
    }

    fn copy(&self, slots: &mut [Sent], from: u32, to: u32) {
        let record = self.get(slots, from);
        self.update(slots, to, |slot| *slot = record);
    }

    fn slot(&self, slots: &[Sent], at: u32) -> usize {
        let slot = self.head as usize + at as usize;
        if slot < slots.len() { slot } else { slot - slots.len() }
    }
}

fn capacity(slots: &[Sent]) -> u32 {
    u32::try_from(slots.len()).unwrap_or(u32::MAX)
}
