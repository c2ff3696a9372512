//! Every order in which two or three threads can come, tried by loom: `RUSTFLAGS="--cfg loom" cargo test -p kos-ipc --all-features --lib models`.
//!
//! | model | what could go wrong | the bug that it must find |
//! |---|---|---|
//! | [`waiting`]: wake | the waker finds the queue empty, the waiter its condition false | no fence between write and look |
//! | [`waiting`]: wake | the wake-up comes between the look and the entry | no look after the entry |
//! | [`waiting`]: wake | a waiter leaves while it is still being written to | told before it is out of the list |
//! | [`waiting`]: wake/timeout | a wake-up goes to somebody who has given up | a timeout that does not look |
//! | [`waiting`]: wake/drop | a future is dropped with a wake-up that another needs | the wake-up is kept |
//! | [`waiting`]: wake/cancel | one wait ends twice, or not | told before it is out of the list |
//! | [`waiting`]: timeout/close | somebody comes while the queue is closed | emptied, then closed |
//! | [`waiting`]: close/revoke | the cause depends on who came last | the later end counts |
//! | [`permits`] | a permit comes while somebody goes to sleep for it | a look, then the entry |
//! | [`permits`]: notification | a bit comes while somebody goes to sleep for it, or gives up | a look, then the entry |
//! | [`counters`] | a count, or room, comes while somebody goes to sleep for it, or gives up | a look, then the entry |
//! | [`rings`]: spsc | an item is read before it is written, a slot written before it is empty | indices without order, two |
//! | [`rings`]: event index | a consumer sleeps beside an item | each of the two fences left out |
//! | [`rings`]: mpmc | two have one slot, or an item comes twice | a turn given on without order |
//! | [`rings`]: stalled | somebody who stands still makes a ring full | taken for full |
//! | [`caps`]: close/get | an object goes while a lookup holds it | emptied while pinned |
//! | [`caps`]: close/get | a lookup that fails delays a close for ever | it does not end what it delayed |
//! | [`caps`]: reuse/get | a number finds the next object of its slot | the generation stays |
//! | [`caps`]: reuse/check | rights of the next capability are told of this one | no fence before they are written |
//! | [`caps`]: revoke/copy | a copy made just then can be used | the epoch of its making |
//! | [`caps`]: revoke/revoke/copy | what was killed from above comes alive by a revoke below | a revoke in two steps |
//! | [`caps`]: transfer/close | a capability is sent and closed | looked at, then taken |
//! | [`caps`]: transfer/get | a transfer that is given up loses what it held | |
//! | [`caps`]: charge/charge | a quota is passed | a charge in two steps |
//! | [`calls`]: call/recv | a server sleeps beside a call | no look after the entry |
//! | [`calls`]: reply/timeout | an answer is given to nobody and told as given | an end that does not see the answer |
//! | [`calls`]: call/close | somebody calls the dead for ever | |
//! | [`channels`]: send/receive | a receiver sleeps beside a message | no look after the entry |
//! | [`channels`]: permit drop | somebody waits for room that is there | given back, and nobody told |
//! | [`channels`]: permit/close | somebody waits for room at the dead | |
//! | [`channels`]: transfer/close | a capability lies where nobody will look | queued without a look at the receiver |
//! | [`channels`]: reply/timeout | an answer is given to nobody and told as given | an end that does not see the answer |
//! | [`channels`]: call/close | somebody calls the dead for ever | |
//! | [`channels`]: receive/receive | a message goes to who has no room for it | found, then taken |
//! | [`sets`]: wait/signal | somebody sleeps beside a source that is ready | |
//! | [`sets`]: re-arm/signal | what came while a registration was silent is never reported | armed without a look |
//! | [`sets`]: watch/signal | what comes while a registration begins is not seen | no fence; a signal under a look is forgotten |
//! | [`sets`]: unwatch/signal | a source tells a set that is gone | |
//! | `futexes`: wait/wake | a word changes while somebody goes to sleep at it | each of the two fences left out; compared before the lock |
//! | `futexes`: requeue/wake | who is moved is woken by nobody | moved without being counted there |
//! | `futexes`: requeue/timeout | somebody leaves a list where he is not any more | no look where he is |
//! | `segments`: map/revoke | something is mapped by what was revoked | no look after it is mapped |
//! | `segments`: unmap/revoke | two unmap the same | |
//! | `segments`: seal/map | what is sealed has a writer | a seal in two steps |
//! | `segments`: shrink/map | a mapping behind the end | the size is smaller only in the end |
//! | `segments`: close/unmap | freed twice, or never | a count in two steps |
//!
//! Each model runs the code of this crate, with loom's atomics, cells and locks in place of the processor's (`sync`).
//!
//! What is too large for that, shuttle plays in many schedules drawn by a fixed seed: `RUSTFLAGS="--cfg shuttle" cargo test -p kos-ipc
//! --lib models`.
//!
//! | scenario | what could go wrong | the bugs that it must find |
//! |---|---|---|
//! | `office`: ten threads, calls of calls, deadlines, a death | a call without an end, an answer told and not given, a priority that stays lent | three |
//! | `mail`: senders, permits, deadlines, receivers, a closed end | a message lost, or there twice, or left for nobody; a sender beside room | two |
//! | `market`: a ring of many, a counter, some who stand still | an item lost, a taker beside an item | one |
//!
//! Source: Norris and Demsky, CDSchecker (OOPSLA 2013), which loom implements.

#[cfg(loom)]
mod calls;
#[cfg(loom)]
mod caps;
#[cfg(loom)]
mod channels;
#[cfg(loom)]
mod counters;
#[cfg(all(loom, feature = "posix"))]
mod futexes;
#[cfg(shuttle)]
mod mail;
#[cfg(shuttle)]
mod market;
#[cfg(shuttle)]
mod office;
mod park;
#[cfg(loom)]
mod permits;
#[cfg(loom)]
mod rings;
#[cfg(all(loom, feature = "shm"))]
mod segments;
#[cfg(loom)]
mod sets;
#[cfg(loom)]
mod waiting;

#[cfg(loom)]
use loom as checker;
#[cfg(shuttle)]
use shuttle as checker;
use std::panic;

use crate::sync::{Bug, seed};

#[cfg(loom)]
mod schedules {
    /// Enough preemptions to find a bug: most need one or two (Musuvathi and Qadeer, CHESS, 2007).
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
    use alloc::sync::Arc;
    use std::env;

    use shuttle::scheduler::{PctScheduler, RandomScheduler};
    use shuttle::{Config, FailurePersistence, Runner};

    const SEED: u64 = 0x1bc_0008;

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
        let (model, mut config) = (Arc::new(model), Config::new());
        config.stack_size = 0x2_0000;
        config.failure_persistence = FailurePersistence::None;
        config.silence_warnings = true;
        config.ungraceful_shutdown_config.immediately_return_on_panic = true;
        let again = Arc::clone(&model);
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
