//! The list of processes.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;

use kos_alloc::Locked;
use kos_sched::TaskId;

use super::job::Job;
use super::{MOST, Process, StartError};
use crate::platform::Platform;

/// A process and its thread; nobody's thread until it is known.
struct Listed<P: Platform> {
    process: Arc<Process<P>>,
    task: TaskId,
    /// Its parent has its status; its thread has not ended yet.
    taken: bool,
}

impl<P: Platform> Listed<P> {
    /// What it counts for.
    fn threads(&self) -> usize {
        1 + self.process.threads.load(Relaxed)
    }
}

/// Processes. The lock masks interrupts: nothing is dropped under it.
pub(super) struct List<P: Platform>(Locked<P::Env, Vec<Listed<P>>>);

/// A child, as who waits for it sees it.
pub(super) enum Child<P: Platform> {
    /// It has ended: its thread, too, soon.
    Ended(Arc<Process<P>>, TaskId),
    /// None has ended.
    Alive,
    /// There is none.
    None,
}

impl<P: Platform> List<P> {
    pub(super) const fn new(env: P::Env) -> Self {
        Self(Locked::new(env, Vec::new()))
    }

    /// Adds a process whose thread is not there yet.
    pub(super) fn add(&self, process: &Arc<Process<P>>) -> Result<(), StartError> {
        let most = process.job.ports.group().pids();
        let of_job = |listed: &&Listed<P>| Arc::ptr_eq(&listed.process.job, &process.job);
        self.0.with(|list| {
            if list.len() >= MOST || list.try_reserve_exact(1).is_err() {
                return Err(StartError::TooMany);
            }
            let threads = list.iter().filter(of_job).map(Listed::threads).sum::<usize>();
            if threads >= most {
                return Err(StartError::Quota);
            }
            list.push(Listed { process: Arc::clone(process), task: TaskId::NOBODY, taken: false });
            Ok(())
        })
    }

    /// Counts one more thread of a process; false if its group has as many as it may.
    pub(super) fn add_thread(&self, process: &Process<P>) -> bool {
        let most = process.job.ports.group().pids();
        self.0.with(|list| {
            let of_job = |listed: &&Listed<P>| Arc::ptr_eq(&listed.process.job, &process.job);
            let room = list.iter().filter(of_job).map(Listed::threads).sum::<usize>() < most;
            process.threads.fetch_add(usize::from(room), Relaxed);
            room
        })
    }

    /// Whether a process of a job has threads beside its first.
    pub(super) fn has_threads(&self, job: &Arc<Job<P>>) -> bool {
        let of_job = |listed: &Listed<P>| Arc::ptr_eq(&listed.process.job, job) && listed.threads() > 1;
        self.0.with(|list| list.iter().any(of_job))
    }

    /// Counts one less.
    pub(super) fn remove_thread(&self, process: &Process<P>) {
        self.0.with(|_| process.threads.fetch_sub(1, Relaxed));
    }

    /// The thread of a process.
    pub(super) fn set_task(&self, id: u32, task: TaskId) {
        self.0.with(|list| {
            list.iter_mut().filter(|listed| listed.process.id == id).for_each(|listed| listed.task = task);
        });
    }

    /// Takes a process out.
    pub(super) fn remove(&self, id: u32) {
        let gone = self.0.with(|list| {
            let place = list.iter().position(|listed| listed.process.id == id)?;
            let gone = list.swap_remove(place);
            if list.is_empty() {
                // Nothing stays behind for good.
                list.shrink_to_fit();
            }
            Some(gone)
        });
        drop(gone);
    }

    /// Takes the status of a child of `parent` that has ended.
    pub(super) fn child(&self, parent: u32) -> Child<P> {
        self.0.with(|list| {
            let mut children =
                list.iter_mut().filter(|listed| listed.process.parent == parent && !listed.taken);
            let mut any = false;
            let ended = children.find(|listed| {
                any = true;
                listed.process.end().is_some() && listed.task != TaskId::NOBODY
            });
            match ended {
                Some(listed) => {
                    listed.taken = true;
                    Child::Ended(Arc::clone(&listed.process), listed.task)
                }
                None if any => Child::Alive,
                None => Child::None,
            }
        })
    }

    /// A process of a job: whether it has ended, its number, its thread.
    pub(super) fn member(&self, job: &Arc<Job<P>>) -> Option<(bool, u32, TaskId)> {
        let of_job = |listed: &&Listed<P>| Arc::ptr_eq(&listed.process.job, job);
        self.0.with(|list| {
            let listed = list.iter().find(of_job)?;
            Some((listed.process.end().is_some(), listed.process.id, listed.task))
        })
    }

    /// The threads of a job that have not ended.
    pub(super) fn tasks(&self, job: &Arc<Job<P>>) -> heapless::Vec<TaskId, MOST> {
        self.0.with(|list| {
            let running = |listed: &&Listed<P>| {
                Arc::ptr_eq(&listed.process.job, job)
                    && listed.process.end().is_none()
                    && listed.task != TaskId::NOBODY
            };
            list.iter().filter(running).map(|listed| listed.task).take(MOST).collect()
        })
    }

    /// The thread of a process.
    pub(super) fn task(&self, id: u32) -> Option<TaskId> {
        self.0.with(|list| list.iter().find(|listed| listed.process.id == id).map(|listed| listed.task))
    }

    /// All of them.
    pub(super) fn all(&self) -> heapless::Vec<Arc<Process<P>>, MOST> {
        self.0.with(|list| list.iter().map(|listed| Arc::clone(&listed.process)).take(MOST).collect())
    }
}
