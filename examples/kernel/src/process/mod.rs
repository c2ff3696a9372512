//! Processes: programs in ring 3, each in an address space of its own, each with a thread, those of Linux with as many as they like.
//!
//! | part | idea |
//! |---|---|
//! | [`ports`], [`space`] | frames, tables with the kernel's half, flushes; the address space of one process |
//! | [`group`] | what the processes of a job may take together |
//! | [`object`] | files and shared memory as pages |
//! | [`census`] | whose each frame is |
//! | [`postmortem`], [`symbols`] | where a program was when it did what it may not |
//! | [`trace`] | the system calls of a job, for who wants to see them |
//! | [`elf`], [`load`] | from a file to a program that can begin |
//! | [`thread`] | ring 3, faults, what is charged: of any thread of any process |
//! | [`running`], [`calls`] | the thread of a process of the native calls, these calls, the end |
//! | [`linux`] | programs of Linux: their stack, their threads, their calls |
//! | [`job`] | what a shell starts and waits for: a program with all its descendants, and what they say |
//!
//! A fault that no mapping answers ends the process, never the kernel. The kernel follows no pointer of a program: copies go
//! through its own view of the frames, so SMAP stays on all the time.
//!
//! Invariant: a process is in the list until its parent, or its job, has taken its status and its thread has ended. One that has ended
//! has no files any more, and no address space but the first of a job.

mod calls;
pub(crate) mod census;
mod descriptors;
pub(crate) mod elf;
mod forever;
mod group;
pub(crate) mod job;
mod linux;
mod list;
pub(crate) mod load;
pub(crate) mod object;
pub(crate) mod ports;
mod postmortem;
mod running;
pub(crate) mod space;
mod symbols;
mod thread;
pub(crate) mod trace;

use alloc::sync::Arc;
use core::error::Error;
use core::fmt;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

use kos_alloc::Locked;
use kos_ipc::posix::signal::Signal;
use kos_paging::CreateError;
use kos_sched::TaskId;
use kos_sched::sync::WaitQueue;
use kos_vfs::Errno;
use lock_api::Mutex;
use spin::Once;

use crate::Kernel;
use crate::glue::sleep_lock::{Ambient, SleepLock};
use crate::ipc::{Caps, Mappings, Signals};
use crate::platform::{DeviceError, Platform};
use crate::text::Text;
use crate::threads::ThreadError;
use job::Job;
use list::List;
use load::LoadError;
use object::Objects;
use ports::Ports;
use space::UserSpace;

/// Processes at a time.
pub(crate) const MOST: usize = 64;
/// Longest name that is kept.
const NAME: usize = 24;
/// What a program is called.
pub(crate) type Name = heapless::String<NAME>;

/// All processes of a kernel.
pub(crate) struct Processes<P: Platform> {
    /// Made when the first program is to run.
    ports: Once<Ports<P>>,
    objects: Objects<P>,
    list: List<P>,
    /// Who waits for a process to end, or for something to be said.
    changed: WaitQueue<Ambient<P>>,
    next: AtomicU32,
    /// Calls of Linux that are not there and that somebody made.
    missed: linux::Missed,
}

/// A process, as others see it.
pub(crate) struct Process<P: Platform> {
    pub(crate) id: u32,
    pub(crate) parent: u32,
    name: Locked<P::Env, Name>,
    pub(crate) job: Arc<Job<P>>,
    /// Threads beside the first.
    threads: AtomicUsize,
    /// Gone when it has ended; that of the first of a job when its end was seen.
    space: Mutex<SleepLock<P>, Option<Arc<UserSpace<P>>>>,
    /// Closed when it has ended.
    pub(crate) caps: Caps<P>,
    /// What is sent to it. Told to its thread by what ends waits.
    pub(crate) signals: Signals<P>,
    /// What it has mapped of segments.
    pub(crate) shared: Mappings<P>,
    end: Once<End>,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself.
    Exited(u8),
    /// By what it did, or by somebody else.
    Killed(Text),
    /// By a signal.
    Signaled(Signal),
}

/// Why a program does not run.
#[derive(Clone, Debug)]
pub(crate) enum StartError {
    /// The machine runs no programs, or cannot express their rights.
    NoPrograms,
    /// No memory for the counts of the frames.
    NoMemory,
    /// As many processes as there may be.
    TooMany,
    /// As many as its group may have.
    Quota,
    /// As many groups with quotas as there may be.
    TooManyGroups,
    /// The file was not opened.
    File(Errno),
    /// The program was not loaded.
    Load(LoadError),
    /// No tables.
    Space(CreateError),
    /// The machine refused.
    Machine(DeviceError),
    /// No thread.
    Thread(ThreadError),
}

impl<P: Platform> Processes<P> {
    /// None yet.
    pub(crate) fn new(env: impl Fn() -> P::Env) -> Self {
        Self {
            ports: Once::new(),
            objects: Objects::new(env()),
            list: List::new(env()),
            changed: WaitQueue::new(Ambient::new()),
            next: AtomicU32::new(1),
            missed: linux::Missed::new(),
        }
    }

    /// Whether the machine runs programs: it has user mode, and can forbid to run what they write.
    pub(crate) fn are_possible(kernel: &Kernel<P>) -> bool {
        P::PROGRAMS.is_some() && crate::glue::rights::can_forbid_execution(&kernel.platform().format())
    }

    /// What address spaces need.
    pub(crate) fn ports(&self, kernel: &Kernel<P>) -> Result<&Ports<P>, StartError> {
        if !Self::are_possible(kernel) {
            return Err(StartError::NoPrograms);
        }
        self.ports.try_call_once(|| Ports::new(kernel).ok_or(StartError::NoMemory))
    }

    /// Frames that programs have now.
    pub(crate) fn frames(&self) -> usize {
        self.ports.get().map_or(0, Ports::taken)
    }

    /// The process of this number.
    pub(crate) fn of_number(&self, id: u32) -> Option<Arc<Process<P>>> {
        self.all().into_iter().find(|process| process.id == id)
    }

    /// The processes that run or whose status nobody took yet.
    pub(crate) fn all(&self) -> heapless::Vec<Arc<Process<P>>, MOST> {
        self.list.all()
    }
}

impl<P: Platform> Process<P> {
    fn new(
        kernel: &Kernel<P>,
        ids: (u32, u32),
        name: &str,
        job: &Arc<Job<P>>,
        space: &Arc<UserSpace<P>>,
        caps: Caps<P>,
    ) -> Result<Arc<Self>, StartError> {
        let ((id, parent), job) = (ids, Arc::clone(job));
        let name = Locked::new(kernel.platform().env(), short(name));
        let space = Mutex::new(Some(Arc::clone(space)));
        let signals = Signals::new(id).ok_or(StartError::NoMemory)?;
        // Looked for last: what comes between would take it.
        if !kernel.has_room_for::<Self>() {
            return Err(StartError::NoMemory);
        }
        Ok(Arc::new(Self {
            id,
            parent,
            name,
            job,
            threads: AtomicUsize::new(0),
            space,
            caps,
            signals,
            shared: Mappings::new(),
            end: Once::new(),
        }))
    }

    /// The beginning of what its program is called.
    pub(crate) fn name(&self) -> Name {
        self.name.with(|name| name.clone())
    }

    /// It runs another program.
    fn rename(&self, name: &str) {
        self.name.with(|old| *old = short(name));
    }

    /// Its address space, unless it has ended.
    pub(crate) fn space(&self) -> Option<Arc<UserSpace<P>>> {
        self.space.lock().clone()
    }

    /// How it ended, if it has.
    pub(crate) fn end(&self) -> Option<&End> {
        self.end.get()
    }
}

/// As much of a name as is kept.
fn short(name: &str) -> Name {
    let mut short = Name::new();
    // What is too long is cut.
    let _ = name.chars().try_for_each(|character| short.push(character));
    short
}

impl<P: Platform> Kernel<P> {
    /// Makes a process end, wherever its thread is.
    pub(crate) fn end_task(&self, task: TaskId) {
        self.kill(task);
        // A program that only computes looks when it is interrupted.
        self.call_all();
    }

    /// Interrupts every CPU.
    fn call_all(&self) {
        for cpu in self.online() {
            let cpu = u32::try_from(cpu.0).map(kos_sched::CpuId::new);
            let _ = cpu.map(|cpu| kos_sched::Platform::kick(&self.platform().scheduler(), cpu));
        }
    }

    /// Makes the process with this number end; false if there is none.
    pub(crate) fn end_process(&self, id: u32) -> bool {
        self.thread_of(id).inspect(|&task| self.end_task(task)).is_some()
    }

    /// The thread of the process with this number.
    pub(crate) fn thread_of(&self, id: u32) -> Option<TaskId> {
        self.processes.list.task(id).filter(|&task| task != TaskId::NOBODY)
    }

    /// Whether the heap has a block for a `T`. An allocation of this size right after it takes the same block: where programs lead to
    /// an allocation that cannot fail, this refuses before it.
    pub(crate) fn has_room_for<T>(&self) -> bool {
        let counted = core::alloc::Layout::new::<(usize, usize, T)>();
        crate::owned::Space::new(&self.heap, counted).is_ok()
    }

    /// Sends a signal to every process of a job.
    fn signal_job(&self, job: &Arc<Job<P>>, signal: Signal) {
        let all = self.processes.all();
        let ours = all.iter().filter(|process| Arc::ptr_eq(&process.job, job));
        ours.for_each(|process| process.signals.tell(self, signal));
    }

    /// The number that the next process gets.
    pub(crate) fn coming_process(&self) -> u32 {
        self.processes.next.load(Relaxed)
    }

    /// The number of the next process, which is taken.
    fn next_process(&self) -> u32 {
        self.processes.next.fetch_add(1, Relaxed)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "status {status}"),
            Self::Killed(why) => why.fmt(f),
            Self::Signaled(signal) => write!(f, "ended by signal {}", signal.number()),
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPrograms => f.write_str("this machine runs no programs"),
            Self::NoMemory => f.write_str("no memory for programs"),
            Self::TooMany => write!(f, "{MOST} processes already"),
            Self::Quota => f.write_str("its group has as many processes as it may"),
            Self::TooManyGroups => f.write_str("as many programs with quotas run as may"),
            Self::File(errno) => f.write_str(errno.meaning()),
            Self::Load(cause) => cause.fmt(f),
            Self::Space(cause) => cause.fmt(f),
            Self::Machine(cause) => cause.fmt(f),
            Self::Thread(cause) => cause.fmt(f),
        }
    }
}

impl Error for StartError {}
