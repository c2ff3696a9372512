//! A real-time executive for firmware: fixed priorities, no heap, no threads, one CPU; all memory is in one static-sized block.
//! `cargo run -p kos-sched --example embed_rt` plays a second of it.
//!
//! Three jobs wake periodically, the shorter the period the higher the priority (rate monotonic). Only the crate's default
//! features are used; the loop is what a timer interrupt would do.
#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use kos_sched::class::{Idle, Rt};
use kos_sched::task::{Arena, Slot, TaskIndex};
use kos_sched::{Instant, Policy, RtPriority, RunQueue};

const MS: u64 = 1_000_000;

/// Priority, period and run time of each job, in ms.
const JOBS: [(u8, u64, u64); 3] = [(30, 5, 1), (20, 10, 3), (10, 50, 12)];

struct Job {
    task: TaskIndex,
    release: u64,
    left: u64,
    runs: u32,
    worst: u64,
}

fn main() {
    let mut slots = [const { Slot::new() }; JOBS.len() + 1];
    let (arena, mut free) = Arena::new(&mut slots);
    let Some(key) = arena.queue() else { return };
    let mut queue = RunQueue::new(key, (Rt::new(), (Idle::new(), ())));
    let start = Instant::from_ticks(0);
    let mut spawn = |policy| {
        let slot = free.take()?;
        let task = slot.index();
        queue.admit(slot, policy, start).ok().map(|_| task)
    };
    let Some(_idle) = spawn(Policy::IdleThread) else { return };
    let mut jobs = JOBS.map(|(priority, _, _)| {
        let policy = Policy::Fifo(RtPriority::new(priority).unwrap_or_default());
        let task = spawn(policy).unwrap_or(TaskIndex::new(0));
        Job { task, release: 0, left: 0, runs: 0, worst: 0 }
    });
    for job in &jobs {
        let _ = queue.dequeue(job.task, start);
    }
    for tick in 0..1_000 {
        let now = Instant::from_ticks(tick * MS);
        for (job, (_, period, run_time)) in jobs.iter_mut().zip(JOBS) {
            if tick % period == 0 {
                (job.release, job.left) = (tick, run_time);
                let _ = queue.enqueue(job.task, now);
            }
        }
        let current = queue.pick(now);
        // The current job runs for one tick.
        let Some(job) = jobs.iter_mut().find(|job| Some(job.task) == current) else { continue };
        job.left -= 1;
        if job.left == 0 {
            (job.runs, job.worst) = (job.runs + 1, job.worst.max(tick + 1 - job.release));
            let _ = queue.dequeue(job.task, Instant::from_ticks((tick + 1) * MS));
        }
    }
    for (job, (priority, period, _)) in jobs.iter().zip(JOBS) {
        println!("priority {priority}: {} runs, answered in {} of {period} ms at worst", job.runs, job.worst);
        assert!(u64::from(job.runs) == 1_000 / period && job.worst <= period, "a job was late");
    }
}
