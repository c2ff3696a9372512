//! [`Shares`]: what part of the time each task got, against what it was promised. In millionths, by whole numbers.

use alloc::vec;
use alloc::vec::Vec;

use super::super::watch::{Happening, Observer};
use super::super::workload::Workload;
use super::Breach;

/// Adds up each task's CPU time.
#[derive(Debug)]
pub struct Shares {
    ran: Vec<u64>,
    end: u64,
}

impl Shares {
    /// For the tasks of `load`.
    #[must_use]
    pub fn new(load: &Workload) -> Self {
        Self { ran: vec![0; load.tasks.len()], end: 0 }
    }

    /// CPU time of a task, in nanoseconds.
    #[must_use]
    pub fn ran(&self, task: u32) -> u64 {
        self.ran[task as usize]
    }

    /// The part of one CPU's time that `task` had, in millionths, rounded.
    #[must_use]
    pub fn millionths(&self, task: u32) -> u64 {
        ratio(self.ran[task as usize], self.end)
    }

    /// Each task of `promised`, in order, was to get its number of millionths, give or take `tolerance` millionths.
    ///
    /// # Errors
    /// [`Breach::Share`] of the first that did not.
    pub fn verdict(&self, promised: &[u64], tolerance: u64) -> Result<(), Breach> {
        for (task, &promised) in (0..).zip(promised) {
            let got = self.millionths(task);
            if got.abs_diff(promised) > tolerance {
                return Err(Breach::Share { task, got, promised });
            }
        }
        Ok(())
    }
}

/// `part` of `whole` in millionths, rounded; 0 of nothing.
fn ratio(part: u64, whole: u64) -> u64 {
    let scaled = (u128::from(part) * 1_000_000 + u128::from(whole / 2)).checked_div(whole.into());
    scaled.and_then(|scaled| u64::try_from(scaled).ok()).unwrap_or(0)
}

impl Observer for Shares {
    fn see(&mut self, now: u64, what: &Happening) {
        if let Happening::Leaves { task, since, .. } = *what {
            self.ran[task as usize] += now - since;
        }
    }

    fn end(&mut self, now: u64) {
        self.end = now;
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::watch::Left;
    use super::*;
    use crate::task::Policy;

    #[test]
    fn a_share_beside_the_promise_is_found() {
        let mut load = Workload::new(1);
        let program = load.program("p", &[]);
        load.task(program, Policy::NORMAL);
        let mut oracle = Shares::new(&load);
        oracle.see(2_500, &Happening::Leaves { cpu: 0, task: 0, since: 0, why: Left::Blocked });
        oracle.end(10_000);
        assert_eq!(oracle.verdict(&[251_000], 1_000), Ok(()));
        let breach = Breach::Share { task: 0, got: 250_000, promised: 251_001 };
        assert_eq!(oracle.verdict(&[251_001], 1_000), Err(breach));
    }
}
