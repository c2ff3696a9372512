//! [`Waiting`]: how long tasks wait for a CPU.

use alloc::vec;
use alloc::vec::Vec;

use super::super::watch::{Happening, Left, Observer};
use super::super::workload::Workload;
use super::Breach;

/// Knows since when each task waits.
#[derive(Debug)]
pub struct Waiting {
    since: Vec<Option<u64>>,
    worst: Option<(u64, u32, u64)>,
}

impl Waiting {
    /// For the tasks of `load`.
    #[must_use]
    pub fn new(load: &Workload) -> Self {
        Self { since: vec![None; load.tasks.len()], worst: None }
    }

    /// The longest wait, in nanoseconds.
    #[must_use]
    pub fn longest(&self) -> u64 {
        self.worst.map_or(0, |(length, ..)| length)
    }

    /// No task may wait longer than `bound` nanoseconds.
    ///
    /// # Errors
    /// [`Breach::Starved`], the longest.
    pub fn verdict(&self, bound: u64) -> Result<(), Breach> {
        match self.worst {
            Some((length, task, until)) if length > bound => Err(Breach::Starved { task, until, length }),
            _ => Ok(()),
        }
    }

    fn close(&mut self, task: u32, now: u64) {
        let Some(since) = self.since[task as usize].take() else { return };
        if self.worst.is_none_or(|(worst, ..)| worst < now - since) {
            self.worst = Some((now - since, task, now));
        }
    }
}

impl Observer for Waiting {
    fn see(&mut self, now: u64, what: &Happening) {
        match *what {
            Happening::Started { task, .. }
            | Happening::Woken { task }
            | Happening::Leaves { task, why: Left::Preempted, .. } => self.since[task as usize] = Some(now),
            Happening::Runs { task, .. } => self.close(task, now),
            _ => {}
        }
    }

    fn end(&mut self, now: u64) {
        for task in 0..super::super::workload::number(self.since.len()) {
            self.close(task, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Policy;

    #[test]
    fn who_never_runs_is_found_at_the_end() {
        let mut load = Workload::new(1);
        let program = load.program("p", &[]);
        load.task(program, Policy::NORMAL);
        load.task(program, Policy::NORMAL);
        let mut oracle = Waiting::new(&load);
        for task in [0, 1] {
            oracle.see(10, &Happening::Started { task, policy: Policy::NORMAL, mask: 0 });
        }
        oracle.see(40, &Happening::Runs { cpu: 0, task: 0 });
        assert_eq!((oracle.longest(), oracle.verdict(30)), (30, Ok(())));
        oracle.end(100);
        assert_eq!(oracle.verdict(89), Err(Breach::Starved { task: 1, until: 100, length: 90 }));
    }
}
