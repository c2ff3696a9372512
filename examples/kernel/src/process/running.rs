//! A process of the native calls in its thread: ring 3 until it needs the kernel, then what it needs, until its end.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ops::{Deref, DerefMut};

use kos_ipc::posix::signal::{SignalSet, SignalThread};
use kos_paging::VirtAddr;
use kos_vfs::{Ctx, Errno, View};

use super::descriptors::Descriptors;
use super::elf::Abi;
use super::forever::{Live, forever};
use super::job::Job;
use super::load::{Words, load};
use super::object::Backing;
use super::space::UserSpace;
use super::thread::Thread;
use super::{End, Process, StartError, calls, forever, linux, postmortem, trace};
use crate::Kernel;
use crate::glue::files::FilesEnv;
use crate::glue::ipc::IpcEnv;
use crate::ipc::{self, Caps};
use crate::platform::{Platform, UserContext, UserExit};
use crate::shell::File;
use crate::text::Text;
use calls::Pendings;

/// All that a process has.
pub(super) struct Running<P: Platform> {
    pub(super) thread: Thread<P>,
    pub(super) view: View<'static, FilesEnv<P>>,
    pub(super) ctx: Ctx<'static>,
    pub(super) files: Descriptors<P>,
    /// Calls that it has received and not answered.
    pub(super) pending: Pendings<P>,
}

impl<P: Platform> Deref for Running<P> {
    type Target = Thread<P>;

    fn deref(&self) -> &Thread<P> {
        &self.thread
    }
}

impl<P: Platform> DerefMut for Running<P> {
    fn deref_mut(&mut self) -> &mut Thread<P> {
        &mut self.thread
    }
}

/// What a program begins with.
pub(super) struct Start<'a, P: Platform> {
    pub(super) file: &'a File<'static, P>,
    pub(super) view: View<'static, FilesEnv<P>>,
    pub(super) ctx: Ctx<'static>,
    pub(super) words: Words<'a>,
}

impl<P: Platform> Kernel<P> {
    /// Starts a program in a process of `job`.
    pub(super) fn start_process(
        &self,
        job: &Arc<Job<P>>,
        start: Start<'_, P>,
    ) -> Result<Arc<Process<P>>, StartError> {
        let (kernel, id) = (forever(self), self.next_process());
        let Start { file, view, ctx, words } = start;
        let Stood { abi, space, user } = stand(kernel, (job, id), file, words, ctx)?;
        let caps = new_caps(self, ctx.cred.uid, id)?;
        let process = Process::new(self, (id, 0), words.name(), job, &space, caps)?;
        let (files, process_of) = (Descriptors::new(job), Arc::clone(&process));
        let thread = Thread::new(kernel, process, space, user);
        match abi {
            Abi::Native => {
                let pending = Pendings::new();
                hand_over(kernel, &process_of, Running { thread, view, ctx, files, pending })?;
            }
            Abi::Linux => hand_over(kernel, &process_of, linux::Running::first(thread, view, ctx, files)?)?,
        }
        Ok(process_of)
    }
}

/// A program that can begin.
struct Stood<P: Platform> {
    abi: Abi,
    space: Arc<UserSpace<P>>,
    user: P::User,
}

/// Makes a program stand in a space of its own, of this number, within the group of a job.
fn stand<P: Platform>(
    kernel: &'static Kernel<P>,
    (job, id): (&Job<P>, u32),
    file: &File<'static, P>,
    words: Words<'_>,
    ctx: Ctx<'static>,
) -> Result<Stood<P>, StartError> {
    let ports = &job.ports;
    let space = UserSpace::new(ports, id).ok_or(StartError::NoPrograms)?.map_err(StartError::Space)?;
    let object = kernel.processes.objects.of_file(kernel, ports, file).map_err(StartError::File)?;
    let ids = (ctx.cred.uid, ctx.cred.gid);
    let (abi, begin) = load(kernel, &space, &object, words, ids).map_err(StartError::Load)?;
    let user = kernel.platform().new_user(begin).map_err(StartError::Machine)?;
    Ok(Stood { abi, space: counted(kernel, space)?, user })
}

/// Gives a process to a thread of its own.
fn hand_over<P: Platform, L: Live<P>>(
    kernel: &'static Kernel<P>,
    process: &Arc<Process<P>>,
    running: L,
) -> Result<(), StartError> {
    if !kernel.has_room_for::<L>() {
        return Err(StartError::NoMemory);
    }
    kernel.processes.list.add(process)?;
    let started = forever::start(kernel, &process.name(), Box::new(running));
    match &started {
        Ok(task) => kernel.processes.list.set_task(process.id, *task),
        Err(_) => kernel.processes.list.remove(process.id),
    }
    started.map(drop).map_err(StartError::Thread)
}

impl<P: Platform> Running<P> {
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
        let process = Process::new(kernel, (id, parent.id), &parent.name(), &parent.job, &space, caps)?;
        let (view, ctx, pending) = (self.view.clone(), self.ctx, Pendings::new());
        let thread = Thread::new(kernel, Arc::clone(&process), space, user);
        hand_over(kernel, &process, Self { thread, view, ctx, files, pending })?;
        Ok(id)
    }

    /// Another program of the native calls from now on; see [`calls`], `exec`.
    pub(super) fn become_program(
        &mut self,
        file: &File<'static, P>,
        words: Words<'_>,
    ) -> Result<(), StartError> {
        let (kernel, process) = (self.kernel, Arc::clone(&self.process));
        // Objects know spaces by number, and for a moment there are two.
        let stood = stand(kernel, (&process.job, kernel.next_process()), file, words, self.ctx);
        let Stood { abi, space, user } = stood.inspect_err(|_| kernel.processes.trim())?;
        if abi != Abi::Native {
            return Err(StartError::File(Errno::ENOEXEC));
        }
        let old = self.thread.begin_again(Arc::clone(&space), user);
        leave_memory(kernel, &process, &old);
        *process.space.lock() = Some(space);
        process.rename(words.name());
        // Those who wait for an answer learn that there is none.
        self.pending = Pendings::new();
        drop(old);
        kernel.processes.trim();
        Ok(())
    }

    fn run(&mut self, signals: &SignalThread<'_, 'static, IpcEnv<P>>) -> End {
        loop {
            let end = match self.enter() {
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
            self.pay();
            if self.kernel.is_told_to_end() {
                return Thread::told(signals);
            }
        }
    }

    /// Serves a system call that somebody wants to see.
    #[cold]
    fn traced_call(&mut self) -> Option<End> {
        let record = self.trace_begins(self.process.id, trace::native(self.user.call().number));
        let end = calls::serve(self);
        self.trace_ends(record, end.is_some());
        end
    }
}

impl<P: Platform> Live<P> for Running<P> {
    fn uid(&self) -> u32 {
        self.ctx.cred.uid
    }

    fn process(&self) -> u32 {
        self.thread.process.id
    }

    fn live(mut self) {
        let process = Arc::clone(&self.process);
        let end = match process.signals.join(ipc::task::<P>(), SignalSet::EMPTY) {
            Ok(thread) => self.run(&thread),
            // There is one place, for the one thread.
            Err(why) => End::Killed(Text::new(format_args!("{why}"))),
        };
        drop(process);
        let Self { thread, view, files, pending, .. } = self;
        drop((files, view));
        // Those who wait for an answer learn that there is none.
        drop(pending);
        finish(thread, end);
    }
}

/// The end of a process whose files are closed, in its last thread.
pub(super) fn finish<P: Platform>(thread: Thread<P>, end: End) {
    let Thread { kernel, process, space, .. } = thread;
    leave_memory(kernel, &process, &space);
    if let Ok(ipc) = kernel.ipc() {
        process.caps.end(ipc, || kernel.threads.runtime().yield_now());
    }
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

/// What a process shares with others through a space that it leaves is theirs: segments, and bytes of files.
fn leave_memory<P: Platform>(kernel: &Kernel<P>, process: &Process<P>, space: &UserSpace<P>) {
    if let Ok(ipc) = kernel.ipc() {
        process.shared.end(ipc, space);
    }
    save_shared(space, 0, u64::MAX);
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
