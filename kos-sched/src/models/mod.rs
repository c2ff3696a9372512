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
//! | `process` | a parent sleeps beside its zombie | it looks, then puts itself among the waiters |
//!
//! Each model runs the code of this crate, with loom's atomics in place of the processor's (`atomic`). Schedules with more
//! than [`PREEMPTIONS`] preemptions are left out.
//!
//! Source: Norris and Demsky, CDSchecker (OOPSLA 2013), which loom implements.

mod doorbell;
mod locks;
#[cfg(feature = "process")]
mod process;
mod state;
mod tasks;
mod timer;
mod waiting;
mod wake_list;

use std::panic;

use crate::seeded::{Bug, seed};

/// Preemptions of a schedule at most: most bugs need one or two (Musuvathi and Qadeer, CHESS, 2007).
const PREEMPTIONS: usize = 3;

/// Runs `model` in every schedule.
fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.max_branches = 50_000;
    builder.check(model);
}

/// Panics unless some schedule of `model` fails with `bug` in.
fn must_find(bug: Bug, model: impl Fn() + Sync + Send + panic::UnwindSafe + 'static) {
    seed(Some(bug));
    let found = panic::catch_unwind(move || explore(model));
    seed(None);
    assert!(found.is_err(), "{bug:?} was not found");
}
