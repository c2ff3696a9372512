//! [`Accounts`]: every nanosecond of every CPU is a task's or idle, once.

use alloc::vec;
use alloc::vec::Vec;

use super::super::watch::{Happening, Observer};
use super::Breach;

/// Adds up slices and idle times, as they are told, for one run from the beginning.
#[derive(Debug)]
pub struct Accounts {
    /// Up to when each CPU's time has been told without a gap.
    told: Vec<u64>,
    busy: u64,
    idle: u64,
    broken: Option<Breach>,
    end: u64,
}

impl Accounts {
    /// For `cpus` CPUs.
    #[must_use]
    pub fn new(cpus: u32) -> Self {
        Self { told: vec![0; cpus as usize], busy: 0, idle: 0, broken: None, end: 0 }
    }

    /// CPU time of all tasks, in nanoseconds.
    #[must_use]
    pub fn busy(&self) -> u64 {
        self.busy
    }

    /// Idle time of all CPUs, in nanoseconds.
    #[must_use]
    pub fn idle(&self) -> u64 {
        self.idle
    }

    /// # Errors
    /// [`Breach::Account`] with the first gap or overlap.
    pub fn verdict(&self) -> Result<(), Breach> {
        let short = (0..).zip(&self.told).find(|(_, told)| **told != self.end);
        match (self.broken, short) {
            (Some(breach), _) => Err(breach),
            (None, Some((cpu, &counted))) => Err(Breach::Account { cpu, counted, passed: self.end }),
            (None, None) => Ok(()),
        }
    }

    fn add(&mut self, cpu: u32, since: u64, now: u64) -> u64 {
        let told = &mut self.told[cpu as usize];
        if *told != since {
            self.broken.get_or_insert(Breach::Account { cpu, counted: *told, passed: since });
        }
        *told = now;
        now - since
    }
}

impl Observer for Accounts {
    fn see(&mut self, now: u64, what: &Happening) {
        match *what {
            Happening::Leaves { cpu, since, .. } => self.busy += self.add(cpu, since, now),
            Happening::Idled { cpu, since } => self.idle += self.add(cpu, since, now),
            _ => {}
        }
    }

    fn end(&mut self, now: u64) {
        self.end = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_and_an_overlap_are_found() {
        for (since, sound) in [(10, true), (11, false), (9, false)] {
            let mut accounts = Accounts::new(1);
            accounts.see(10, &Happening::Idled { cpu: 0, since: 0 });
            accounts.see(30, &Happening::Idled { cpu: 0, since });
            accounts.end(30);
            assert_eq!(accounts.verdict().is_ok(), sound, "{since}");
        }
    }
}
