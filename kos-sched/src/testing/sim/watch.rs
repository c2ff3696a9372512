//! What the simulator tells: every [`Happening`] to every [`Observer`].

use core::fmt;

use crate::task::Policy;

/// Why a task left its CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It still wants to run.
    Preempted,
    /// It sleeps.
    Blocked,
    /// It has ended.
    Exited,
}

/// One thing that happened. Tasks are named by their number in the workload, times are nanoseconds from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A task was started with this policy, on these CPUs, and wants to run.
    Started {
        /// The task.
        task: u32,
        /// Its policy.
        policy: Policy,
        /// Its CPUs, by their number in the workload.
        mask: u32,
    },
    /// A sleeping task wants to run.
    Woken {
        /// The task.
        task: u32,
    },
    /// A CPU begins to run a task.
    Runs {
        /// The CPU.
        cpu: u32,
        /// The task.
        task: u32,
    },
    /// A CPU stops running a task.
    Leaves {
        /// The CPU.
        cpu: u32,
        /// The task.
        task: u32,
        /// Since when it ran there without a break.
        since: u64,
        /// Why.
        why: Left,
    },
    /// A CPU has nothing to run.
    Idles {
        /// The CPU.
        cpu: u32,
    },
    /// A CPU was idle since then, and has work now, or the end has come.
    Idled {
        /// The CPU.
        cpu: u32,
        /// Since when.
        since: u64,
    },
    /// A task has another policy.
    Policy {
        /// The task.
        task: u32,
        /// The new one.
        policy: Policy,
    },
    /// A task has other CPUs.
    Affinity {
        /// The task.
        task: u32,
        /// The new ones, by their number in the workload.
        mask: u32,
    },
    /// A job ended.
    Job {
        /// The task.
        task: u32,
        /// When it opened.
        release: u64,
        /// When it was to end.
        deadline: u64,
    },
    /// One CPU interrupts another.
    Kick {
        /// Who.
        from: u32,
        /// Whom.
        to: u32,
    },
}

/// Somebody who sees what happens.
pub trait Observer: fmt::Debug {
    /// `what` happens at `now`.
    fn see(&mut self, now: u64, what: &Happening);

    /// The run ends at `now`. Every CPU has been told to leave its task or its idling.
    fn end(&mut self, now: u64) {
        let _ = now;
    }
}
