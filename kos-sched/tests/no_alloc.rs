//! Waking, blocking, picking and charging allocate nothing, on any CPU and in any class: a counting allocator watches.
//! `KOS_PROPTEST_CASES=100000 cargo test --release -p kos-sched --test no_alloc` does it 10^7 times.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "a test")]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use std::alloc::System;

use kos_sched::class::{Deadline, Fair, Idle, Rt, Stop};
use kos_sched::core::{Config, Urgency};
use kos_sched::testing::{Machine, cases, with_machine};
use kos_sched::{CpuId, CpuMask, CpuSet, DlParams, Duration, Instant, Nice, Policy, RtPriority};

std::thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: passes everything on.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

type Classes = (Stop, (Deadline, (Rt, (Fair, (Idle, ())))));

fn policies() -> [Policy; 6] {
    let [runtime, period] = [1_000_000, 20_000_000].map(Duration::from_ticks);
    let priority = RtPriority::new(7).unwrap();
    [
        Policy::Deadline(DlParams::new(runtime, period, period).unwrap()),
        Policy::Fifo(priority),
        Policy::RoundRobin(priority, Duration::from_ticks(1_000_000)),
        Policy::NORMAL,
        Policy::Batch(Nice::new(5).unwrap()),
        Policy::Idle,
    ]
}

/// Each running task sleeps, some with a deadline; some are woken, some inherit; time passes.
fn turn(machine: &mut Machine<'_, Classes>, tasks: &[kos_sched::TaskId], turn: usize) {
    for cpu in 0..4 {
        let until = Instant::from_ticks(machine.now().as_ticks() + 70_000);
        machine.on(cpu).settle();
        machine.block((turn + cpu as usize).is_multiple_of(3).then_some(until));
    }
    for step in 0..6 {
        let task = tasks[(turn * 7 + step * 5) % tasks.len()];
        machine.on((step % 4) as u32).sched.wake(task, machine.now());
    }
    let lent = (turn.is_multiple_of(2)).then(|| Urgency::of(&policies()[1]));
    machine.sched.inherit(tasks[turn % tasks.len()], lent, machine.now()).unwrap();
    machine.quiesce();
    machine.pass(Duration::from_ticks(50_000));
}

#[test]
fn the_paths_of_the_scheduler_allocate_nothing() {
    let classes = || (Stop::new(), (Deadline::new(), (Rt::new(), (Fair::new(), (Idle::new(), ())))));
    with_machine(4, 64, Config::default(), classes, |machine| {
        let spawn = |number: usize| {
            let mut allowed = CpuMask::first_cpus(4);
            allowed.remove(CpuId::new((number % 5) as u32));
            machine.spawn(policies()[number % 6], allowed)
        };
        let tasks: Vec<_> = (0..24).map(spawn).collect();
        // The fake machine's list of interrupts finds its size.
        (0..100).for_each(|number| turn(machine, &tasks, number));
        // Ten operations each. To read the environment allocates.
        let turns = cases() as usize * 10;
        let before = ALLOCATIONS.get();
        (0..turns).for_each(|number| turn(machine, &tasks, number));
        assert_eq!(ALLOCATIONS.get() - before, 0);
        assert_eq!(machine.sched.check(), Ok(()));
        assert!(machine.sched.stats().switches as usize > turns);
    });
}
