//! One thread of a process in ring 3: its registers, its faults, what it pays, how it is told to end.
//!
//! The same for programs of either kind: what a system call means is not here.

use alloc::sync::Arc;

use kos_ipc::posix::signal::{Delivery, SignalThread};
use kos_paging::space::{Fault, FaultError, FaultOutcome, oom};
use kos_paging::{Flags, VirtAddr};
use kos_sched::{Park, TaskId};

use super::space::UserSpace;
use super::trace::{Record, Signature, Trace};
use super::{End, Process};
use crate::Kernel;
use crate::glue::ipc::IpcEnv;
use crate::platform::{Access, Platform, UserAccess, UserContext, UserExit, UserFault};
use crate::text::Text;

/// Faults in a row for which there is no memory before the process itself is given up.
const PATIENCE: u32 = 200;

/// A thread that goes in and out of ring 3.
pub(super) struct Thread<P: Platform> {
    pub(super) kernel: &'static Kernel<P>,
    pub(super) process: Arc<Process<P>>,
    pub(super) space: Arc<UserSpace<P>>,
    pub(super) user: P::User,
    /// Faults in a row for which there was no memory.
    starved: u32,
    /// CPU time that is charged to its group.
    charged: u64,
}

impl<P: Platform> Thread<P> {
    /// One that begins with these registers.
    pub(super) const fn new(
        kernel: &'static Kernel<P>,
        process: Arc<Process<P>>,
        space: Arc<UserSpace<P>>,
        user: P::User,
    ) -> Self {
        Self { kernel, process, space, user, starved: 0, charged: 0 }
    }

    /// Goes on with these registers in another space; the one that it leaves.
    pub(super) fn begin_again(&mut self, space: Arc<UserSpace<P>>, user: P::User) -> Arc<UserSpace<P>> {
        (self.user, self.starved) = (user, 0);
        core::mem::replace(&mut self.space, space)
    }

    /// Runs the program until it needs the kernel.
    #[inline]
    pub(super) fn enter(&mut self) -> UserExit {
        self.kernel.platform().enter_user(&mut self.user, Some(self.space.machine()))
    }

    /// Charges the CPU time that it took to its group, and waits if that has had its share.
    #[inline]
    pub(super) fn pay(&mut self) {
        if self.process.job.ports.group().cpu.is_limited() {
            self.charge();
        }
    }

    #[cold]
    fn charge(&mut self) {
        let (threads, cpu) = (&self.kernel.threads, &self.process.job.ports.group().cpu);
        let now = threads.runtime().now();
        let usage = threads.runtime().scheduler().usage(threads.runtime().current(), now);
        let ran = usage.map_or(self.charged, |times| times.total().as_ticks());
        let more = ran.saturating_sub(self.charged);
        self.charged = ran;
        if let Some(until) = cpu.charge(more, now) {
            // Sooner if it is to end: its caller looks.
            let _ = threads.sleep_until(Some(until));
        }
    }

    /// A record of the system call that the thread `id` makes, for whoever traces the job.
    pub(super) fn trace_begins(&self, id: u32, signature: Option<&'static Signature>) -> Record {
        Trace::begin(id, &self.space, self.user.call(), signature)
    }

    /// That call is done; `over`: the thread comes to its end in it.
    pub(super) fn trace_ends(&self, record: Record, over: bool) {
        let answer = (!over).then(|| self.user.answered());
        let pressing =
            self.process.job.trace.as_ref().is_some_and(|trace| trace.end(record, &self.space, answer));
        if pressing {
            self.kernel.processes.changed.wake_all();
        }
    }

    /// The end of a process that is told to: by a signal, or without a word.
    pub(super) fn told(signals: &SignalThread<'_, 'static, IpcEnv<P>>) -> End {
        while let Some(delivery) = signals.deliver() {
            if let Delivery::Terminate { info, .. } = delivery {
                return End::Signaled(info.signal);
            }
        }
        End::Killed(Text::new(format_args!("ended from outside")))
    }

    /// Resolves a fault; the end of the process, if it cannot be.
    pub(super) fn fault(&mut self, fault: UserFault) -> Option<End> {
        let end = |why: &dyn core::fmt::Display| {
            let at = self.user.instruction();
            Some(End::Killed(Text::new(format_args!("at {at:#x}: {why}"))))
        };
        let UserFault::Page { address, access, .. } = fault else { return end(&fault) };
        let access = match access {
            UserAccess::Data(Access::Read) => Flags::READ,
            UserAccess::Data(Access::Write) => Flags::WRITE,
            UserAccess::Fetch => Flags::EXECUTE,
        };
        match self.space.handle_fault(Fault { va: VirtAddr::new(address), access, user: true }) {
            Ok(FaultOutcome::Mapped | FaultOutcome::Spurious) => {
                self.starved = 0;
                None
            }
            Ok(FaultOutcome::Wait(_)) => None,
            Err(FaultError::NoMapping | FaultError::Denied) => end(&fault),
            Err(FaultError::OutOfFrames) if self.starved < PATIENCE && self.relieve() => {
                self.starved += 1;
                None
            }
            Err(cause) => end(&cause),
        }
    }

    /// Ends the process whose end frees most; false if that is this one.
    fn relieve(&self) -> bool {
        let processes = &self.kernel.processes;
        let all = processes.all();
        // Where its group has all that it may, others are not to blame.
        let own = &self.process.job;
        let blamed = |process: &&Arc<Process<P>>| {
            !own.ports.group().frames.is_full() || Arc::ptr_eq(&process.job, own)
        };
        let candidates = all.iter().filter(blamed).filter_map(|process| {
            let stats = process.space()?.stats();
            let frames = stats.resident() + stats.tables;
            Some(oom::Candidate { id: process.id.into(), frames, adjustment: 0, exempt: false })
        });
        let victim = oom::victim(candidates, self.kernel.frames().stats().managed as u64);
        let victim = victim.and_then(|id| u32::try_from(id).ok());
        let Some(victim) = victim.filter(|&id| id != self.process.id) else { return false };
        if let Some(task) = processes.list.task(victim).filter(|&task| task != TaskId::NOBODY) {
            self.kernel.end_task(task);
        }
        self.kernel.threads.runtime().yield_now();
        true
    }
}
