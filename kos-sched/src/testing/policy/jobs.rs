//! The deadline oracle: periodic jobs on one CPU, exact to the ns. Every task wakes with each period, runs for its whole runtime and
//! sleeps; a job that ends behind its deadline is a miss.

use alloc::vec::Vec;

use super::driver::Driver;
use crate::class::{Deadline, Verdict};
use crate::task::{Slot, TaskIndex};
use crate::{DlParams, Policy};

/// A job that was not done in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Miss {
    /// Which task of the set.
    pub task: usize,
    /// The deadline that passed, from the start of the run, in ns.
    pub due: u64,
}

/// The present job of a task.
#[derive(Clone, Copy, Debug)]
struct Job {
    params: DlParams,
    /// When the next one comes.
    release: u64,
    due: u64,
    /// CPU time still to be had; 0: done.
    left: u64,
}

/// Whether the default admission takes all of `tasks`.
#[must_use]
pub fn is_admitted(tasks: &[DlParams]) -> bool {
    let mut slots: Vec<Slot> = tasks.iter().map(|_| Slot::new()).collect();
    let mut driver = Driver::new(&mut slots, (Deadline::new(), ()), 0);
    tasks.iter().all(|&params| {
        let now = driver.time();
        driver.slot().is_some_and(|slot| driver.queue.admit(slot, Policy::Deadline(params), now).is_ok())
    })
}

/// Runs `tasks` from `start` for `length` ns, whatever admission says, and returns the first miss.
#[must_use]
pub fn first_miss(tasks: &[DlParams], start: u64, length: u64) -> Option<Miss> {
    let mut slots: Vec<Slot> = tasks.iter().map(|_| Slot::new()).collect();
    let mut driver = Driver::new(&mut slots, (Deadline::without_admission(), ()), start);
    let mut jobs: Vec<Job> =
        tasks.iter().map(|&params| Job { params, release: start, due: 0, left: 0 }).collect();
    for job in &jobs {
        driver.admit(Policy::Deadline(job.params));
    }
    for task in (0..).map(TaskIndex::new).take(jobs.len()) {
        let _ = driver.queue.dequeue(task, driver.time());
    }
    while driver.now - start <= length {
        let now = driver.now;
        if let Some(task) = jobs.iter().position(|job| job.left > 0 && now >= job.release.min(job.due + 1)) {
            return Some(Miss { task, due: jobs[task].due - start });
        }
        release(&mut driver, &mut jobs);
        driver.queue.pick(driver.time());
        if let Some(task) = run(&mut driver, &mut jobs).filter(|&task| jobs[task].due < driver.now) {
            return Some(Miss { task, due: jobs[task].due - start });
        }
    }
    None
}

/// Wakes whoever has a new job.
fn release(driver: &mut Driver<'_, (Deadline, ())>, jobs: &mut [Job]) {
    for (task, job) in (0..).map(TaskIndex::new).zip(jobs) {
        if job.release > driver.now {
            continue;
        }
        job.due = job.release + job.params.deadline().as_ticks();
        job.release += job.params.period().as_ticks();
        job.left = job.params.runtime().as_ticks();
        let _ = driver.queue.enqueue(task, driver.time());
    }
}

/// Runs to the next release or the end of a job, and says whose.
fn run(driver: &mut Driver<'_, (Deadline, ())>, jobs: &mut [Job]) -> Option<usize> {
    let releases = jobs.iter().map(|job| job.release).min().unwrap_or(u64::MAX);
    loop {
        let running = driver.queue.current();
        let ends = running.map_or(u64::MAX, |task| driver.now + jobs[task.as_usize()].left);
        let before = driver.now;
        let verdict = driver.advance(releases.min(ends));
        if let Some(task) = running {
            let job = &mut jobs[task.as_usize()];
            job.left -= driver.now - before;
            if job.left == 0 {
                let _ = driver.queue.dequeue(task, driver.time());
                return Some(task.as_usize());
            }
        }
        if verdict != Verdict::Keep {
            driver.queue.pick(driver.time());
        }
        if driver.now == releases {
            return None;
        }
    }
}
