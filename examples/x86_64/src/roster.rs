//! Who is there: the CPUs that the firmware lists, by number, and how far each of them came.
//!
//! The number of a CPU is its place in the list, the first being the one that boots. Its state changes in one atomic step, so
//! that a CPU that answers at the very moment in which it is given up is either online or left out, and both sides agree:
//!
//! ```text
//! Listed ──expect──> Starting ──answer (the CPU)──> Online
//!    │                   └──give_up (the first)──> Silent
//!    └──leave_out──> NoMemory
//! ```

use core::sync::atomic::{AtomicU8, Ordering};

use crate::cpu_set::MAX_CPUS;

/// How far a CPU came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// The firmware lists it.
    Listed,
    /// It was told to start.
    Starting,
    /// It runs.
    Online,
    /// It did not answer.
    Silent,
    /// There is no memory for its stacks.
    NoMemory,
}

impl State {
    const ALL: [Self; 5] = [Self::Listed, Self::Starting, Self::Online, Self::Silent, Self::NoMemory];
}

/// The list.
#[derive(Debug)]
pub struct Roster {
    /// APIC id and state of each number.
    cpus: [(u8, AtomicU8); MAX_CPUS],
    count: usize,
    surplus: usize,
}

/// The largest APIC id that an interrupt can be sent to without x2APIC mode; the next one means all CPUs.
pub const MAX_APIC_ID: u32 = 254;

impl Roster {
    /// The CPU with the APIC id `own`, which runs this, and those with the other ids. An id that comes twice counts once, one
    /// beyond [`MAX_APIC_ID`] is surplus: this kernel cannot reach it.
    pub fn new(own: u8, others: impl Iterator<Item = u32>) -> Self {
        let mut roster = Self {
            cpus: [const { (0, AtomicU8::new(State::Listed as u8)) }; MAX_CPUS],
            count: 0,
            surplus: 0,
        };
        roster.add(own);
        for id in others {
            match u8::try_from(id) {
                Ok(id) if u32::from(id) <= MAX_APIC_ID => roster.add(id),
                _ => roster.surplus += 1,
            }
        }
        roster.set(0, State::Online);
        roster
    }

    fn add(&mut self, id: u8) {
        if self.ids().any(|known| known == id) {
            return;
        }
        match self.cpus.get_mut(self.count) {
            Some((slot, _)) => (*slot, self.count) = (id, self.count + 1),
            None => self.surplus += 1,
        }
    }

    /// How many CPUs have a number.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// CPUs that the firmware lists and this kernel cannot reach.
    #[must_use]
    pub const fn surplus(&self) -> usize {
        self.surplus
    }

    /// The APIC ids, by number.
    pub fn ids(&self) -> impl Iterator<Item = u8> {
        self.cpus.iter().take(self.count).map(|&(id, _)| id)
    }

    /// The APIC id of `cpu`, if there is such a number.
    #[must_use]
    pub fn id(&self, cpu: u32) -> Option<u8> {
        self.ids().nth(usize::try_from(cpu).ok()?)
    }

    /// How far `cpu` came.
    #[must_use]
    pub fn state(&self, cpu: u32) -> Option<State> {
        let state = self.cell(cpu)?.load(Ordering::Acquire);
        State::ALL.into_iter().find(|known| *known as u8 == state)
    }

    fn cell(&self, cpu: u32) -> Option<&AtomicU8> {
        let cpus = self.cpus.get(..self.count)?;
        cpus.get(usize::try_from(cpu).ok()?).map(|(_, state)| state)
    }

    fn set(&self, cpu: u32, state: State) {
        if let Some(cell) = self.cell(cpu) {
            cell.store(state as u8, Ordering::Release);
        }
    }

    fn change(&self, cpu: u32, from: State, to: State) -> bool {
        self.cell(cpu).is_some_and(|cell| {
            cell.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
        })
    }

    /// `cpu` is about to be told to start.
    pub fn expect(&self, cpu: u32) -> bool {
        self.change(cpu, State::Listed, State::Starting)
    }

    /// `cpu` answers; false if it was not expected, or no longer: it must not run then.
    #[must_use]
    pub fn answer(&self, cpu: u32) -> bool {
        self.change(cpu, State::Starting, State::Online)
    }

    /// Gives `cpu` up; false if it has answered.
    pub fn give_up(&self, cpu: u32) -> bool {
        self.change(cpu, State::Starting, State::Silent)
    }

    /// Leaves `cpu` out for want of memory.
    pub fn leave_out(&self, cpu: u32) -> bool {
        self.change(cpu, State::Listed, State::NoMemory)
    }

    /// The numbers of those in this state.
    pub fn all_in(&self, state: State) -> impl Iterator<Item = u32> {
        (0..).take(self.count).filter(move |&cpu| self.state(cpu) == Some(state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn the_running_cpu_comes_first_and_none_twice() {
        let roster = Roster::new(5, [0, 5, 2, 2, 254].into_iter());
        assert_eq!(roster.ids().collect::<Vec<_>>(), [5, 0, 2, 254]);
        assert_eq!((roster.id(3), roster.id(4), roster.surplus()), (Some(254), None, 0));
        assert_eq!(roster.all_in(State::Online).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn ids_out_of_reach_are_counted() {
        let roster = Roster::new(0, [255, 256, u32::MAX, 1].into_iter());
        assert_eq!((roster.count(), roster.surplus()), (2, 3));
    }

    #[test]
    fn as_many_as_there_are_ids_fit() {
        let roster = Roster::new(0, 0..1000);
        assert_eq!((roster.count(), roster.surplus()), (MAX_CPUS, 1000 - MAX_CPUS));
    }

    #[test]
    fn who_was_given_up_must_not_run() {
        let roster = Roster::new(0, 1..4);
        assert!(!roster.answer(1), "nobody expects it");
        assert!(roster.expect(1) && roster.expect(2) && roster.leave_out(3));
        assert!(roster.answer(1) && !roster.give_up(1));
        assert!(roster.give_up(2) && !roster.answer(2));
        assert!(!roster.expect(3) && !roster.expect(9) && !roster.answer(9));
        let states: Vec<_> = (0..5).map(|cpu| roster.state(cpu)).collect();
        let expected = [State::Online, State::Online, State::Silent, State::NoMemory];
        assert_eq!(states, [&expected.map(Some)[..], &[None]].concat());
    }

    /// A CPU answers while it is given up: one of both succeeds.
    #[test]
    fn answer_and_surrender_exclude_each_other() {
        for _ in 0..1000 {
            let roster = Roster::new(0, 1..2);
            roster.expect(1);
            let (answered, given_up) = std::thread::scope(|scope| {
                let answer = scope.spawn(|| roster.answer(1));
                (roster.give_up(1), answer.join().unwrap())
            });
            assert_ne!(answered, given_up);
        }
    }
}
