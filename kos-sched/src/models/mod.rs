//! Every order in which two or three CPUs can come, tried by loom: `RUSTFLAGS="--cfg loom" cargo test -p kos-sched --lib models`.
//!
//! | model | what could go wrong | the bug that it must find |
//! |---|---|---|
//! | [`state`]: wait/wake | a wake comes between the look and the sleep | a waker sees no sleeper and leaves no permit |
//! | [`state`]: permit | an early wake is forgotten | permit and announcement in two steps |
//! | [`state`]: wake/timeout | both enqueue the task | a timeout that does not look |
//! | [`wake_list`] | a woken task is lost or taken twice | taken in two steps |
//! | [`doorbell`]: kick bit | a kick is swallowed by one that was delivered | the bit is cleared after the look |
//! | [`doorbell`]: idle entry | a CPU halts beside its work | no look before the halt |
//! | [`waiting`]: wait/wake | a waker finds the queue empty, a waiter its condition false | no fence between write and look |
//! | [`waiting`]: wait/timeout | a wake-up and a timeout both end a wait | a timeout that does not look |
//! | [`waiting`]: wait/cancel | a future is dropped with a wake-up that another needs | the wake-up is kept |
//! | [`waiting`]: requeue | a waiter leaves while it is moved | it is looked for where it was |
//! | [`waiting`]: close | somebody comes while the queue is closed | emptied, then closed |
//! | [`locks`]: semaphore | a permit comes while somebody goes to sleep for it | a look, then the entry |
//! | [`locks`]: mutex | a newcomer and the next in turn both have the lock | free in between |
//! | [`timer`]: cancel/fire | a timer fires that was cancelled | a look, then the removal |
//! | [`pi`]: release/timeout | a lock is given to somebody who has given up | a timeout that does not look |
//! | [`pi`]: death | a lock that was taken over is buried with its old owner | it stays among those of the dead |
//! | `process` | a parent sleeps beside its zombie | it looks, then puts itself among the waiters |
//! | [`cpus`]: switch/wake | a task runs elsewhere before its registers are saved | the mark of its CPU is ignored |
//! | [`cpus`]: switch/wake | a waker waits for a CPU that waits for it | it waits until the task is left |
//! | [`cpus`]: steal/affinity | a task is taken to a CPU that was just forbidden | affinity is looked at when it is chosen |
//! | [`cpus`]: wake/affinity | a task is woken onto one | the same |
//! | [`cpus`]: exit/join | a stack is freed while its task is on it | a zombie before it is left |
//! | [`cpus`]: exit/join | a joiner sleeps for ever | it looks, then says that it waits |
//! | [`cpus`]: wake/offline | a task is woken onto a CPU that has gone | no look after the push |
//!
//! Each model runs the code of this crate, with loom's atomics in place of the processor's (`atomic`); those of [`cpus`] the
//! whole [`Scheduler`](crate::Scheduler). They try every schedule, but for five that try those with [`SOME`] preemptions at
//! most.
//!
//! What is too large for that, shuttle plays in many schedules drawn by a fixed seed: `RUSTFLAGS="--cfg shuttle" cargo test -p
//! kos-sched --lib models`.
//!
//! | scenario | what could go wrong | the bugs that it must find |
//! |---|---|---|
//! | `crowd`: four CPUs, eight tasks | a task is lost, sleeps beside a call, or is on two CPUs | four of those above |
//! | `workshop`: makers, takers, a timer, a door | a piece, a permit or a wake-up is lost | four of those above |
//! | `families`: three generations | a parent sleeps beside its zombie, an orphan stays | the one above |
//!
//! Source: Norris and Demsky, CDSchecker (OOPSLA 2013), which loom implements.

#[cfg(loom)]
mod cpus;
#[cfg(shuttle)]
mod crowd;
#[cfg(loom)]
mod doorbell;
#[cfg(shuttle)]
mod families;
#[cfg(loom)]
mod locks;
mod machine;
#[cfg(loom)]
mod pi;
#[cfg(all(loom, feature = "process"))]
mod process;
mod stack;
#[cfg(loom)]
mod state;
mod tasks;
#[cfg(loom)]
mod timer;
#[cfg(loom)]
mod waiting;
#[cfg(loom)]
mod wake_list;
#[cfg(shuttle)]
mod workshop;

#[cfg(loom)]
use loom as checker;
use std::panic;

use crate::seeded::{Bug, seed};
#[cfg(shuttle)]
use shuttle as checker;

#[cfg(loom)]
mod schedules {
    /// Enough preemptions: most bugs need one or two (Musuvathi and Qadeer, CHESS, 2007).
    pub(super) const SOME: Option<usize> = Some(3);

    /// Runs `model` in every schedule.
    pub(super) fn explore(model: impl Fn() + Sync + Send + 'static) {
        explore_within(None, model);
    }

    /// Runs `model` in every schedule with that many preemptions at most.
    pub(super) fn explore_within(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = preemptions;
        builder.max_branches = 50_000;
        builder.check(model);
    }

    /// Runs `model` until a bug that is in must have been found.
    pub(super) fn search(model: impl Fn() + Sync + Send + 'static) {
        explore_within(SOME, model);
    }
}

#[cfg(shuttle)]
mod schedules {
    use std::env;

    use shuttle::scheduler::{PctScheduler, RandomScheduler};
    use shuttle::{Config, FailurePersistence, Runner};

    const SEED: u64 = 0x0DDB_A115;

    /// Runs `model` in `KOS_SHUTTLE_SCHEDULES` schedules (by default a thousand): half of them choose at random at each step,
    /// half of them seldom (Burckhardt et al., "A randomized scheduler with probabilistic guarantees of finding bugs", 2010).
    pub(super) fn explore(model: impl Fn() + Sync + Send + 'static) {
        let schedules = env::var("KOS_SHUTTLE_SCHEDULES").ok().and_then(|count| count.parse().ok());
        run(schedules.unwrap_or(1_000), model);
    }

    /// Runs `model` until a bug that is in must have been found.
    pub(super) fn search(model: impl Fn() + Sync + Send + 'static) {
        run(100_000, model);
    }

    fn run(schedules: usize, model: impl Fn() + Sync + Send + 'static) {
        let model = std::sync::Arc::new(model);
        let mut config = Config::new();
        config.stack_size = 0x2_0000;
        config.failure_persistence = FailurePersistence::None;
        config.silence_warnings = true;
        config.ungraceful_shutdown_config.immediately_return_on_panic = true;
        let again = std::sync::Arc::clone(&model);
        let often = RandomScheduler::new_from_seed(SEED, schedules / 2);
        Runner::new(often, config.clone()).run(move || again());
        Runner::new(PctScheduler::new_from_seed(SEED, 4, schedules / 2), config).run(move || model());
    }
}

use schedules::*;

/// Panics unless some schedule of `model` fails with `bug` in.
fn must_find(bug: Bug, model: impl Fn() + Sync + Send + panic::UnwindSafe + 'static) {
    seed(Some(bug));
    let found = panic::catch_unwind(move || search(model));
    seed(None);
    assert!(found.is_err(), "{bug:?} was not found");
}
