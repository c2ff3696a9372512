//! The scheduling paths over every class, as functions of an object file: see `Cargo.toml`.
#![no_std]

use kos_sched::class::{Deadline, Dequeued, Fair, Idle, Rt, Stop, Verdict};
use kos_sched::task::TaskIndex;
use kos_sched::{Instant, QueueError, RunQueue};

/// A queue with every class.
pub type Queue = RunQueue<'static, (Stop, (Deadline, (Rt, (Fair, (Idle, ())))))>;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// Wakes a task.
#[unsafe(no_mangle)]
pub fn kos_enqueue(queue: &mut Queue, task: TaskIndex, now: Instant) -> Result<Verdict, QueueError> {
    queue.enqueue(task, now)
}

/// Puts a task to sleep.
#[unsafe(no_mangle)]
pub fn kos_dequeue(queue: &mut Queue, task: TaskIndex, now: Instant) -> Result<Dequeued, QueueError> {
    queue.dequeue(task, now)
}

/// Picks.
#[unsafe(no_mangle)]
pub fn kos_pick(queue: &mut Queue, now: Instant) -> Option<TaskIndex> {
    queue.pick(now)
}

/// Charges.
#[unsafe(no_mangle)]
pub fn kos_charge(queue: &mut Queue, now: Instant) -> Verdict {
    queue.charge(now)
}

/// Yields.
#[unsafe(no_mangle)]
pub fn kos_yield(queue: &mut Queue, now: Instant) -> Result<Verdict, QueueError> {
    queue.yield_current(now)
}

/// Asks for the next event.
#[unsafe(no_mangle)]
pub fn kos_next_event(queue: &Queue) -> Option<Instant> {
    queue.next_event()
}

/// Gives a task away.
#[unsafe(no_mangle)]
pub fn kos_detach(queue: &mut Queue, now: Instant) -> bool {
    queue.detach(&mut |_| true, now).is_some()
}
