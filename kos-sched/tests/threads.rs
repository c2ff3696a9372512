//! Tasks with stacks on CPUs that are threads of the host: they take turns, sleep and wake, move from CPU to CPU, end and are
//! joined. Nothing sleeps in host time; what hangs fails.
#![cfg(all(target_arch = "x86_64", unix))]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test"
)]

mod common;

use core::arch::asm;
use core::hint::black_box;
use core::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use common::cpus::{Host, act_as, boot, cpu, packed, spawn, unpacked};
use kos_sched::core::TaskState;
use kos_sched::runtime::Runtime;
use kos_sched::{BlockReason, CpuId, CpuMask, CpuSet, Duration, Park, Policy, Resume, RtPriority, TaskId};

type Kernel = &'static Runtime<Host>;

/// Turns in all: `KOS_SCHED_TURNS`, else enough for a few seconds.
fn turns() -> usize {
    std::env::var("KOS_SCHED_TURNS").map_or(100_000, |turns| turns.parse().unwrap())
}

/// Finishes when all tasks are joined.
fn join_all(kernel: Kernel, tasks: impl IntoIterator<Item = TaskId>) {
    for task in tasks {
        let thread = kernel.join(task).unwrap();
        let used = thread.stack().high_water();
        assert!((64..60 << 10).contains(&used), "{used} bytes of stack used");
    }
    kernel.scheduler().platform().finish();
}

const PAIRS: usize = 100;
/// The tasks of each pair.
static MEMBERS: [[AtomicUsize; 2]; PAIRS] = [const { [const { AtomicUsize::new(0) }; 2] }; PAIRS];
/// Turns that each pair has taken; the lowest bit says whose turn it is.
static TAKEN: [AtomicUsize; PAIRS] = [const { AtomicUsize::new(0) }; PAIRS];

fn player(kernel: Kernel, arg: usize) {
    let (pair, me) = (arg / 2, arg % 2);
    MEMBERS[pair][me].store(packed(kernel.current()), SeqCst);
    let last = turns() / PAIRS;
    loop {
        let taken = TAKEN[pair].load(SeqCst);
        if taken >= last {
            break;
        }
        if taken % 2 == me {
            TAKEN[pair].store(taken + 1, SeqCst);
            let other = MEMBERS[pair][1 - me].load(SeqCst);
            if other != 0 {
                kernel.unpark(unpacked(other));
            }
        } else if MEMBERS[pair][1 - me].load(SeqCst) != 0 {
            let _ = kernel.park(None, BlockReason::Wait);
        } else {
            kernel.yield_now();
        }
    }
    kernel.unpark(unpacked(MEMBERS[pair][1 - me].load(SeqCst)));
}

fn ping_pong(kernel: Kernel, _: usize) {
    let tasks: Vec<_> = (0..2 * PAIRS).map(|arg| spawn(kernel, Policy::NORMAL, player, arg)).collect();
    join_all(kernel, tasks);
}

#[test]
fn two_hundred_tasks_wake_each_other_and_no_wake_up_is_lost() {
    let kernel = boot(4, 256, ping_pong);
    assert!(TAKEN.iter().all(|taken| taken.load(SeqCst) == turns() / PAIRS));
    assert!(kernel.scheduler().stats().switches > (turns() / 4) as u64);
}

/// Sets the floating-point control words to round as `task` says, all exceptions masked.
#[inline(never)]
fn set_rounding(task: usize) {
    let (mxcsr, word) = (0x1f80 | (task as u32 % 4) << 13, 0x037f | (task as u16 % 4) << 10);
    // SAFETY: these tasks calculate with no floating-point number that would come out otherwise.
    unsafe {
        asm!("ldmxcsr [{}]", "fldcw [{}]", in(reg) &raw const mxcsr, in(reg) &raw const word, options(nostack));
    };
}

/// How the control words round: MXCSR's way, the x87's way.
#[inline(never)]
fn rounding() -> [usize; 2] {
    let (mut mxcsr, mut word) = (0_u32, 0_u16);
    // SAFETY: stores the two words.
    unsafe {
        asm!("stmxcsr [{}]", "fnstcw [{}]", in(reg) &raw mut mxcsr, in(reg) &raw mut word, options(nostack));
    };
    [(mxcsr >> 13) as usize % 4, usize::from(word >> 10) % 4]
}

/// CPUs of the machine on which tasks wander.
const WIDTH: usize = 4;
static ARRIVALS: [AtomicUsize; WIDTH] = [const { AtomicUsize::new(0) }; WIDTH];

fn wanderer(kernel: Kernel, me: usize) {
    set_rounding(me);
    let (mut state, mut sum) = (me * 7 + 1, black_box(0.0_f64));
    for step in 0..100 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let target = state >> 33 & (WIDTH - 1);
        let allowed = CpuMask::only(CpuId::new(target as u32));
        kernel.scheduler().set_affinity(kernel.current(), &allowed, kernel.now()).unwrap();
        kernel.yield_now();
        assert_eq!(cpu() as usize, target, "task {me} at step {step}");
        assert_eq!(rounding(), [me % 4; 2], "task {me} at step {step}");
        sum += black_box(1.0);
        ARRIVALS[target].fetch_add(1, SeqCst);
    }
    assert!((sum - 100.0).abs() < 0.5);
}

fn wander(kernel: Kernel, _: usize) {
    let tasks: Vec<_> = (0..200).map(|me| spawn(kernel, Policy::NORMAL, wanderer, me)).collect();
    join_all(kernel, tasks);
}

#[test]
fn tasks_move_between_cpus_with_their_floating_point_state() {
    let kernel = boot(WIDTH as u32, 256, wander);
    assert_eq!(ARRIVALS.iter().map(|cpu| cpu.load(SeqCst)).sum::<usize>(), 200 * 100);
    assert!(kernel.scheduler().stats().migrations > 5_000, "{:?}", kernel.scheduler().stats());
}

fn sleeper(kernel: Kernel, me: usize) {
    for turn in 1..20 {
        let length = Duration::from_ticks((me * turn * 300) as u64);
        let until = kernel.now().checked_add_duration(length).unwrap();
        match kernel.park(Some(until), BlockReason::Sleep) {
            Resume::TimedOut => assert!(kernel.now() >= until, "awake too early"),
            other => panic!("nobody wakes task {me}, but {other:?}"),
        }
    }
}

fn victim(kernel: Kernel, _: usize) {
    assert_eq!(kernel.park(None, BlockReason::Wait), Resume::Interrupted);
    assert!(kernel.scheduler().take_interrupt());
    assert_eq!(
        kernel.park(Some(kernel.now()), BlockReason::Wait),
        Resume::TimedOut,
        "on its way out it may sleep"
    );
}

fn sleep(kernel: Kernel, _: usize) {
    let mut tasks: Vec<_> = (0..60).map(|me| spawn(kernel, Policy::NORMAL, sleeper, me)).collect();
    let killed = spawn(kernel, Policy::NORMAL, victim, 0);
    let _ = kernel.scheduler().interrupt(killed, kernel.now());
    tasks.push(killed);
    join_all(kernel, tasks);
}

#[test]
fn sleeps_end_at_their_time_and_tasks_that_are_to_die_wake() {
    boot(3, 64, sleep);
}

static LOG: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];
static LOGGED: AtomicUsize = AtomicUsize::new(0);

fn log(what: usize) {
    LOG[LOGGED.fetch_add(1, SeqCst)].store(what, SeqCst);
}

fn urgent(_: Kernel, _: usize) {
    log(2);
}

fn reluctant(kernel: Kernel, _: usize) {
    let guard = kernel.no_preempt();
    let task = spawn(kernel, Policy::Fifo(RtPriority::MAX), urgent, 0);
    log(1);
    drop(guard);
    log(3);
    join_all(kernel, [task]);
}

#[test]
fn an_urgent_task_runs_at_once_but_for_who_keeps_the_cpu() {
    boot(1, 4, reluctant);
    assert_eq!(LOG.each_ref().map(|entry| entry.load(SeqCst)), [1, 2, 3]);
}

static BORN: AtomicUsize = AtomicUsize::new(0);

fn generation(kernel: Kernel, depth: usize) {
    BORN.fetch_add(1, SeqCst);
    if depth > 0 {
        for _ in 0..2 {
            let child = spawn(kernel, Policy::NORMAL, generation, depth - 1);
            assert!(kernel.join(child).unwrap().stack().high_water() > 0);
            assert!(kernel.join(child).is_err(), "joined once");
        }
    } else {
        kernel.exit();
    }
}

fn tree(kernel: Kernel, _: usize) {
    let roots: Vec<_> = (0..4).map(|_| spawn(kernel, Policy::NORMAL, generation, 6)).collect();
    join_all(kernel, roots);
}

#[test]
fn tasks_end_and_leave_their_stacks_to_who_joins() {
    boot(4, 32, tree);
    assert_eq!(BORN.load(SeqCst), 4 * 127, "in 32 slots, so each was used again and again");
}

fn finish_at_once(kernel: Kernel, _: usize) {
    kernel.scheduler().platform().finish();
}

fn idler(_: Kernel, _: usize) {}

/// Others do not interrupt a CPU that looks for work by itself. If an interrupt of another kind made it run a task from there,
/// nobody would interrupt that task either.
#[test]
fn an_interrupt_runs_no_task_on_a_cpu_that_polls() {
    let kernel = boot(1, 8, finish_at_once);
    act_as(0);
    kernel.scheduler().idle_poll();
    let task = spawn(kernel, Policy::NORMAL, idler, 0);
    kernel.preempt();
    assert_eq!(kernel.scheduler().current(), None);
    assert_eq!(kernel.scheduler().state(task), Some(TaskState::Runnable));
}
