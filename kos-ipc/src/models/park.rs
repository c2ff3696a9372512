//! Threads of a model, parked and woken through its checker: [`Threads`].

use alloc::sync::Arc;
use std::thread;

use super::checker::sync::{Condvar, Mutex};
use crate::policy::NoPolicy;
use crate::ports::{BlockReason, Env, Park, Resume};
use crate::testing::HostLock;
use crate::time::Instant;

/// Threads at most.
const THREADS: usize = if cfg!(shuttle) { 10 } else { 4 };

/// A deadline: a park with one times out as soon as it finds no permit. When that is, the checker tries.
pub(super) const SOON: Option<Instant> = Some(Instant::from_ticks(1));

/// The types of a model.
pub(super) struct ModelEnv;

impl Env for ModelEnv {
    type Lock = HostLock;
    type Irq = ();
    type Park = Threads;
    type Policy = NoPolicy;
}

/// A permit for each thread.
#[derive(Clone, Debug)]
pub(super) struct Threads(Arc<[(Mutex<bool>, Condvar); THREADS]>);

impl Threads {
    pub(super) fn new() -> Self {
        Self(Arc::new([(); THREADS].map(|()| (Mutex::new(false), Condvar::new()))))
    }
}

impl Park for Threads {
    type Token = usize;

    fn park(&self, me: &usize, until: Option<Instant>, _: BlockReason) -> Resume {
        let (permit, given) = &self.0[*me];
        let mut permit = permit.lock().unwrap();
        while !*permit {
            if until.is_some() {
                return Resume::TimedOut;
            }
            permit = given.wait(permit).unwrap();
        }
        *permit = false;
        Resume::Woken
    }

    fn unpark(&self, thread: &usize) {
        if thread::panicking() {
            return;
        }
        let (permit, given) = &self.0[*thread];
        *permit.lock().unwrap() = true;
        given.notify_one();
    }
}
