//! Every order in which two CPUs can come, tried by loom: `RUSTFLAGS="--cfg loom" cargo test -p kos-paging --lib models::`.
//!
//! | model | what could go wrong | the bugs that it must find |
//! |---|---|---|
//! | [`context`] | a CPU loads a space while another shoots it down, and keeps what is stale | either looks before it tells |
//! | [`walkers`] | a table is given back under a walk without a lock | a walk that tells nobody |
//!
//! Each model runs the code of this crate, with loom's atomics in place of the processor's.
//!
//! Source: Norris and Demsky, CDSchecker (OOPSLA 2013), which loom implements.

mod context;
mod walkers;

use std::panic;

use crate::sync::{Bug, seed};

/// Runs `model` in every schedule.
fn explore(model: impl Fn() + Sync + Send + 'static) {
    loom::model::Builder::new().check(model);
}

/// Runs `model` with `bug` in the code: it must fail.
fn must_find(bug: Bug, model: impl Fn() + Sync + Send + panic::UnwindSafe + 'static) {
    seed(Some(bug));
    let found = panic::catch_unwind(move || explore(model));
    seed(None);
    assert!(found.is_err(), "{bug:?} was not found");
}
