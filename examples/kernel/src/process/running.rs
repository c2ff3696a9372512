//! A process in its thread: ring 3 until it needs the kernel, then what it needs, until its end.

use alloc::boxed::Box;
use alloc::sync::Arc;

use kos_ipc::posix::signal::{Delivery, SignalSet, SignalThread};
use kos_paging::space::{Fault, FaultError, FaultOutcome, oom};
use kos_paging::{Flags, VirtAddr};
use kos_sched::{Park, TaskId};
use kos_vfs::{Ctx, View};

use super::descriptors::Descriptors;
use super::forever::forever;
use super::job::Job;
use super::load::load;
use super::object::Backing;
use super::space::UserSpace;
use super::trace::Trace;
use super::{End, Process, StartError, calls, forever, postmortem, trace};
use crate::Kernel;
use crate::glue::files::FilesEnv;
use crate::glue::ipc::IpcEnv;
use crate::ipc::{self, Caps};
use crate::platform::{Access, Platform, UserAccess, UserContext, UserExit, UserFault};
use crate::shell::File;
use crate::text::Text;
use calls::Pendings;

/// Faults in a row for which there is no memory before the process itself is given up.
const PATIENCE: u32 = 200;

/// All that a process has.
pub(super) struct Running<P: Platform> {
    pub(super) kernel: &'static Kernel<P>,
    pub(super) process: Arc<Process<P>>,
    pub(super) space: Arc<UserSpace<P>>,
    pub(super) view: View<'static, FilesEnv<P>>,
    pub(super) ctx: Ctx<'static>,
    pub(super) files: Descriptors<P>,
    pub(super) user: P::User,
    /// Calls that it has received and not answered.
    pub(super) pending: Pendings<P>,
    /// Faults in a row for which there was no memory.
    starved: u32,
    /// CPU time that is charged to its group.
    charged: u64,
}

/// What a program begins with.
pub(super) struct Start<'a, P: Platform> {
    pub(super) file: &'a File<'static, P>,
    pub(super) view: View<'static, FilesEnv<P>>,
    pub(super) ctx: Ctx<'static>,
    pub(super) words: &'a [&'a str],
}

impl<P: Platform> Kernel<P> {
    /// Starts a program in a process of `job`; the process and its thread.
    pub(super) fn start_process(
        &self,
        job: &Arc<Job<P>>,
        start: Start<'_, P>,
    ) -> Result<Arc<Process<P>>, StartError> {
        let kernel = forever(self);
        let (id, ports) = (self.next_process(), &job.ports);
        let space = UserSpace::new(ports, id).ok_or(StartError::NoPrograms)?.map_err(StartError::Space)?;
        let object = kernel.processes.objects.of_file(kernel, ports, start.file).map_err(StartError::File)?;
        let begin = load(&space, &object, start.words).map_err(StartError::Load)?;
        let user = self.platform().new_user(begin).map_err(StartError::Machine)?;
        let name = start.words.first().copied().unwrap_or("");
        let name = name.rsplit('/').next().unwrap_or(name);
        let space = counted(self, space)?;
        let caps = new_caps(self, start.ctx.cred.uid, id)?;
        let process = Process::new(self, (id, 0), name, job, &space, caps)?;
        let Start { view, ctx, .. } = start;
        let (files, process_of) = (Descriptors::new(job), Arc::clone(&process));
        let pending = Pendings::new();
        let running =
            Running { kernel, process, space, view, ctx, files, user, pending, starved: 0, charged: 0 };
        running.hand_over()?;
        Ok(process_of)
    }
}

impl<P: Platform> Running<P> {
    /// Gives it to a thread of its own.
    fn hand_over(self) -> Result<TaskId, StartError> {
        let (kernel, process) = (self.kernel, Arc::clone(&self.process));
        if !kernel.has_room_for::<Self>() {
            return Err(StartError::NoMemory);
        }
        kernel.processes.list.add(&process)?;
        let started = forever::start(kernel, &process.name, Box::new(self));
        match &started {
            Ok(task) => kernel.processes.list.set_task(process.id, *task),
            Err(_) => kernel.processes.list.remove(process.id),
        }
        started.map_err(StartError::Thread)
    }

    /// A child in the middle of the call that makes it; its number.
    pub(super) fn fork(&self) -> Result<u32, StartError> {
        let (kernel, id) = (self.kernel, self.kernel.next_process());
        let space = self.space.fork_for(id).map_err(|_| StartError::NoMemory)?;
        self.process.shared.leave_out(&space).map_err(|_| StartError::NoMemory)?;
        let files = self.files.fork().map_err(StartError::File)?;
        let mut user = self.user.clone();
        user.answer(0);
        let (space, parent) = (counted(kernel, space)?, &self.process);
        let caps = new_caps(kernel, self.ctx.cred.uid, id)?;
        let process = Process::new(kernel, (id, parent.id), &parent.name, &parent.job, &space, caps)?;
        let (view, ctx, pending) = (self.view.clone(), self.ctx, Pendings::new());
        let child = Self { kernel, process, space, view, ctx, files, user, pending, starved: 0, charged: 0 };
        child.hand_over().map(|_| id)
    }

    /// From its first instruction to its end.
    pub(super) fn live(mut self) {
        let process = Arc::clone(&self.process);
        let end = match process.signals.join(ipc::task::<P>(), SignalSet::EMPTY) {
            Ok(thread) => self.run(&thread),
            // There is one place, for the one thread.
            Err(why) => End::Killed(Text::new(format_args!("{why}"))),
        };
        drop(process);
        let Self { kernel, process, space, view, files, pending, .. } = self;
        drop((files, view));
        // Those who wait for an answer learn that there is none.
        drop(pending);
        if let Ok(ipc) = kernel.ipc() {
            process.shared.end(ipc, &space);
            process.caps.end(ipc, || kernel.threads.runtime().yield_now());
        }
        save_shared(&space, 0, u64::MAX);
        drop(space);
        // The memory of the first of a job is looked at once more.
        if process.parent != 0 {
            let space = process.space.lock().take();
            drop(space);
        }
        process.end.call_once(|| end);
        drop(process);
        kernel.processes.changed.wake_all();
    }

    fn run(&mut self, thread: &SignalThread<'_, 'static, IpcEnv<P>>) -> End {
        loop {
            let exit = self.kernel.platform().enter_user(&mut self.user, Some(self.space.machine()));
            let end = match exit {
                UserExit::Interrupted => None,
                UserExit::Call if self.process.job.trace.is_some() => self.traced_call(),
                UserExit::Call => calls::serve(self),
                UserExit::Fault(fault) => self.fault(fault).inspect(|_| {
                    postmortem::tell(self.kernel, &self.process, &self.space, &self.user);
                }),
            };
            if let Some(end) = end {
                return end;
            }
            if self.process.job.ports.group().cpu.is_limited() {
                self.pay();
            }
            if self.kernel.is_told_to_end() {
                return self.told(thread);
            }
        }
    }

    /// Serves a system call that somebody wants to see.
    #[cold]
    fn traced_call(&mut self) -> Option<End> {
        let (process, call) = (Arc::clone(&self.process), self.user.call());
        let record = Trace::begin(process.id, &self.space, call, trace::native(call.number));
        let end = calls::serve(self);
        let answer = end.is_none().then(|| self.user.answered());
        let pressing = process.job.trace.as_ref().is_some_and(|trace| trace.end(record, &self.space, answer));
        if pressing {
            self.kernel.processes.changed.wake_all();
        }
        end
    }

    /// Charges the CPU time that it took to its group, and waits if that has had its share.
    fn pay(&mut self) {
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

    /// Its end: by a signal, or without a word.
    fn told(&self, thread: &SignalThread<'_, 'static, IpcEnv<P>>) -> End {
        while let Some(delivery) = thread.deliver() {
            if let Delivery::Terminate { info, .. } = delivery {
                return End::Signaled(info.signal);
            }
        }
        End::Killed(Text::new(format_args!("ended from outside")))
    }

    /// Resolves a fault; the end, if it cannot be.
    fn fault(&mut self, fault: UserFault) -> Option<End> {
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

/// Capabilities for a new process.
fn new_caps<P: Platform>(kernel: &Kernel<P>, uid: u32, id: u32) -> Result<Caps<P>, StartError> {
    let made = kernel.ipc().and_then(|ipc| Caps::new(kernel, ipc, ipc::who(uid, id)));
    made.map_err(|_| StartError::NoMemory)
}

/// The space behind a count.
fn counted<P: Platform>(kernel: &Kernel<P>, space: UserSpace<P>) -> Result<Arc<UserSpace<P>>, StartError> {
    if kernel.has_room_for::<UserSpace<P>>() { Ok(Arc::new(space)) } else { Err(StartError::NoMemory) }
}

/// Writes what was changed through shared mappings of files between two addresses to the files.
pub(super) fn save_shared<P: Platform>(space: &UserSpace<P>, first: u64, last: u64) {
    let mut next = Some(VirtAddr::new(first));
    while let Some(vma) = next.and_then(|next| space.vma_at_or_after(next)) {
        if vma.range.first().get() > last {
            return;
        }
        next = vma.range.last().checked_add(1);
        let backing = vma.backing.as_ref().filter(|_| vma.is_shared());
        if let Some(backing) = backing
            && matches!(backing.object.store(), Backing::File(_))
        {
            // Nobody is left who could be told; `msync` tells.
            let _ = backing.object.sync();
        }
    }
}
