//! Who is to be woken when the lock is dropped.
//!
//! A wake-up under the table's lock would take a run-queue lock inside it. So threads to wake are put in a ring, through the
//! links of their slots (there is always room), and [`ProcessTable::transact`] takes them out a batch at a time and wakes
//! them without the lock. Who takes a thread out wakes it; another CPU may do that for us.

use super::slots::{Queued, Thread};
use super::state::State;
use super::table::{ProcessHost, ProcessTable};
use crate::ports::ProcessExt;

/// Wake-ups per hold of the lock.
const BATCH: usize = 16;

/// Tasks to wake, and whether each is to leave.
type Batch<T> = [Option<(T, bool)>; BATCH];

impl<X: ProcessExt, K: ProcessHost<X>> ProcessTable<'_, X, K> {
    /// Runs `work` under the lock, then wakes whom it found to wake.
    pub(super) fn transact<R>(&self, work: impl FnOnce(&mut State<'_, X, K::Task>) -> R) -> R {
        let (result, mut batch) = self.locked(|state| {
            let result = work(state);
            (result, state.take_wakes())
        });
        loop {
            for &(task, leave) in batch.iter().flatten() {
                match leave {
                    true => self.host().interrupt(task),
                    false => self.host().unpark(task),
                }
            }
            if batch.iter().any(Option::is_none) {
                return result;
            }
            batch = self.locked(State::take_wakes);
        }
    }
}

impl<X: ProcessExt, T: Copy> State<'_, X, T> {
    fn take_wakes(&mut self) -> Batch<T> {
        let mut batch = [None; BATCH];
        for place in &mut batch {
            let thread = self.wakes;
            let Some((task, queued)) = self.first_wake() else { break };
            self.unqueue(thread);
            *place = task.map(|task| (task, queued == Queued::Interrupt));
        }
        batch
    }

    fn first_wake(&self) -> Option<(Option<T>, Queued)> {
        self.threads.get(self.wakes as usize).map(|thread| (thread.task, thread.queued))
    }

    /// Takes `thread` out of whatever queue it is in.
    pub(super) fn unqueue(&mut self, thread: u32) {
        let queued = core::mem::replace(&mut self.thread_mut(thread).queued, Queued::No);
        match queued {
            Queued::No => {}
            Queued::Wake | Queued::Interrupt => {
                self.wakes = Thread::QUEUE.remove(self.threads, self.wakes, thread);
            }
            Queued::Waiting => {
                let process = self.thread(thread).process;
                let waiters = Thread::QUEUE.remove(self.threads, self.process(process).waiters, thread);
                self.process_mut(process).waiters = waiters;
            }
        }
    }

    /// Puts `thread`, whose task is known and who runs, among those that wait for a child.
    pub(super) fn queue_waiter(&mut self, thread: u32) {
        if self.thread(thread).queued == Queued::No {
            let process = self.thread(thread).process;
            let waiters = Thread::QUEUE.push_back(self.threads, self.process(process).waiters, thread);
            self.process_mut(process).waiters = waiters;
            self.thread_mut(thread).queued = Queued::Waiting;
        }
    }

    /// Wakes `thread`, to leave or to look again.
    pub(super) fn wake(&mut self, thread: u32, why: Queued) {
        let queued = self.thread(thread).queued;
        if self.thread(thread).task.is_none() {
            return self.unqueue(thread);
        }
        if matches!(queued, Queued::Wake | Queued::Interrupt) {
            if why == Queued::Interrupt {
                self.thread_mut(thread).queued = why;
            }
            return;
        }
        self.unqueue(thread);
        self.wakes = Thread::QUEUE.push_back(self.threads, self.wakes, thread);
        self.thread_mut(thread).queued = why;
    }

    pub(super) fn wake_waiters(&mut self, process: u32) {
        while let Some(thread) =
            Some(self.process(process).waiters).filter(|&first| first != crate::ring::NONE)
        {
            self.wake(thread, Queued::Wake);
        }
    }

    pub(super) fn wake_all(&mut self, process: u32) {
        self.each_thread(process, |state, thread| state.wake(thread, Queued::Wake));
    }

    pub(super) fn interrupt_all(&mut self, process: u32, except: u32) {
        self.each_thread(process, |state, thread| {
            if thread != except {
                state.wake(thread, Queued::Interrupt);
            }
        });
    }

    fn each_thread(&mut self, process: u32, mut work: impl FnMut(&mut Self, u32)) {
        let head = self.process(process).threads;
        let mut next = Some(head).filter(|&head| head != crate::ring::NONE);
        while let Some(thread) = next {
            next = Thread::PEERS.after(self.threads, head, thread);
            work(self, thread);
        }
    }
}
