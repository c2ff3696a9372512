//! Every order in which two or three CPUs can come, tried by loom: `RUSTFLAGS="--cfg loom" cargo test -p kos-alloc --lib models`.
//!
//! | model | what could go wrong | the bug that it must find |
//! |---|---|---|
//! | [`publication`] | something is read before it is written | publication without order |
//! | [`deferred`] | what an NMI left is taken twice, or never | taken in two steps |
//! | [`heap`]: exchange | a magazine has two owners | a lock that excludes nobody |
//! | [`heap`]: drain | a CPU's magazines are emptied while it uses them | a CPU drains the others |
//! | [`heap`]: mode | caches are made twice, a block is lost on the way between modes | each makes caches |
//!
//! Each model runs the code of this crate, with loom's atomics in place of the processor's (`sync::atomic`). Locks are the
//! model's own. Schedules with more than [`PREEMPTIONS`] preemptions are left out.
//!
//! Source: Norris and Demsky, CDSchecker (OOPSLA 2013), which loom implements.

mod deferred;
mod heap;
mod machine;
mod publication;

use std::panic;

use crate::sync::{Bug, seed};

/// Preemptions of a schedule at most: most bugs need one or two (Musuvathi and Qadeer, CHESS, 2007).
const PREEMPTIONS: usize = 2;

/// Words of a thread's stack: a heap under construction takes more than loom's threads have.
const STACK: usize = 1 << 15;

/// A thread of a model.
fn spawn(work: impl FnOnce() + Send + 'static) -> loom::thread::JoinHandle<()> {
    loom::thread::Builder::new().stack_size(STACK).spawn(work).unwrap()
}

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
