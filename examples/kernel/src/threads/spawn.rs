//! Threads that work for the kernel: [`Kernel::spawn`], [`Kernel::join`].
#![expect(unsafe_code, reason = "gives a thread the kernel, which outlives it")]

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use kos_sched::runtime::{TaskStack, Thread};
use kos_sched::{CpuId, CpuSet, Park, Policy, SpawnArgs, TaskId};

use super::{Role, Running, ThreadError};
use crate::Kernel;
use crate::platform::Platform;
use crate::time::Duration;

/// Bytes of a stack, unless somebody asks for another.
const STACK: usize = 32 << 10;
/// How often somebody who waits for threads to end looks again.
const LOOK: Duration = Duration::from_millis(1);

/// What a thread does, with the number that it was given.
pub(crate) type Main<P> = fn(&Kernel<P>, usize);

/// The kernel for which a thread works, and what it does.
pub(crate) struct Work<P: Platform> {
    kernel: AtomicPtr<Kernel<P>>,
    main: Main<P>,
    /// The process whose thread it is; 0: none's.
    pub(super) process: u32,
}

/// What a thread is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How<'a> {
    /// For people.
    pub(crate) name: &'a str,
    /// How it is scheduled.
    pub(crate) policy: Policy,
    /// The one CPU on which it may run; [`None`]: on every one.
    pub(crate) cpu: Option<CpuId>,
    /// Bytes of its stack.
    pub(crate) stack: usize,
    /// Whose it is.
    pub(crate) role: Role,
    /// The user for whom it works.
    pub(crate) uid: u32,
    /// The process whose thread it is; 0: none's.
    pub(crate) process: u32,
}

impl<'a> How<'a> {
    /// A fair thread that may run everywhere.
    pub(crate) fn new(name: &'a str) -> Self {
        Self { name, policy: Policy::NORMAL, cpu: None, stack: STACK, role: Role::Joined, uid: 0, process: 0 }
    }

    /// The same on one CPU only.
    pub(crate) fn on(self, cpu: CpuId) -> Self {
        Self { cpu: Some(cpu), ..self }
    }

    /// The same scheduled this way.
    pub(crate) fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// The same with a stack of so many bytes.
    pub(crate) fn stack(self, stack: usize) -> Self {
        Self { stack, ..self }
    }

    /// The same for this user; else it is for user 0.
    pub(crate) fn of(self, uid: u32) -> Self {
        Self { uid, ..self }
    }

    /// The same as a thread of this process.
    pub(crate) fn in_process(self, process: u32) -> Self {
        Self { process, ..self }
    }

    /// The same in this role.
    pub(crate) fn role(self, role: Role) -> Self {
        Self { role, ..self }
    }
}

impl<P: Platform> Kernel<P> {
    /// Starts a thread that calls `main` with `argument`. It ends before the kernel moves or goes.
    ///
    /// # Errors
    /// [`ThreadError`]; nothing is left of it then.
    pub(crate) fn spawn(&self, how: How<'_>, main: Main<P>, argument: usize) -> Result<TaskId, ThreadError> {
        let stack = self.new_stack(how.stack)?;
        // Paint takes time, and nobody asks how much of a large one was used.
        let stack = if how.stack > STACK { TaskStack::new(stack) } else { TaskStack::painted(stack) };
        let work = Work { kernel: AtomicPtr::new(shared(self)), main, process: how.process };
        let thread = Thread::new(stack, Default::default(), work, begin::<P>, argument);
        let mut args = SpawnArgs::new(how.policy, thread);
        if let Some(cpu) = how.cpu {
            args.allowed = CpuSet::only(cpu);
        }
        // Nobody joins it, and so reuses its number, before it is in the list.
        let spawned = {
            let _stays = self.threads.runtime.no_preempt();
            let spawned = self.threads.runtime.spawn(args);
            spawned.inspect(|&task| self.threads.list.with(|list| list.add(task, &how)))
        };
        spawned.map_err(|refused| {
            self.free_stack(refused.args.payload.into_parts().0.into_inner());
            ThreadError::Spawn(refused.why)
        })
    }

    /// Waits until `task` has ended, and gives its stack back; the most bytes of it that were ever used. Task context.
    ///
    /// # Errors
    /// [`ThreadError::Task`]: it is gone, or somebody else waits for it.
    pub(crate) fn join(&self, task: TaskId) -> Result<usize, ThreadError> {
        let thread = self.threads.runtime.join(task).map_err(ThreadError::Task)?;
        Ok(self.bury(task, thread))
    }

    /// Takes what an ended thread left.
    pub(super) fn bury(&self, task: TaskId, thread: Thread<super::Sched<P>>) -> usize {
        self.threads.list.with(|list| list.remove(task));
        let used = thread.stack().high_water();
        self.free_stack(thread.into_parts().0.into_inner());
        used
    }

    /// Buries the threads that nobody joins and that have ended. Task context.
    pub(crate) fn tidy(&self) {
        for view in self.threads.views().filter(|view| view.role == Role::Background) {
            self.try_bury(view.task);
        }
    }

    fn try_bury(&self, task: TaskId) {
        if let Ok(thread) = self.threads.runtime.scheduler().reap(task) {
            let _used = self.bury(task, thread);
        }
    }

    /// Tells `task` to end. It does so at its next sleep, or when it looks.
    pub(crate) fn kill(&self, task: TaskId) {
        let (runtime, now) = (self.threads.runtime, self.threads.runtime.now());
        let _ = runtime.scheduler().interrupt(task, now);
    }

    /// Whether the calling thread is to end. Those that compute for long ask.
    pub(crate) fn is_told_to_end(&self) -> bool {
        let runtime = self.threads.runtime;
        runtime.scheduler().is_interrupted(runtime.current())
    }

    /// Whether `task` is there, if only as what it left.
    pub(crate) fn is_alive(&self, task: TaskId) -> bool {
        self.threads.view(task.index().as_usize()).is_some_and(|view| view.task == task)
    }

    /// Whether the main thread calls, which stays on its CPU, or who is no thread.
    pub(crate) fn is_main_thread(&self) -> bool {
        let task = self.threads.runtime.current();
        self.threads.view(task.index().as_usize()).is_none_or(|view| view.role == Role::Main)
    }

    /// Ends every thread but the main one, which calls.
    pub(super) fn end_all(&self) {
        let others = || self.threads.views().filter(|view| view.role != Role::Main);
        while others().next().is_some() {
            let owned = |view: &super::View| matches!(view.role, Role::Joined | Role::Program);
            for view in others().filter(|view| !owned(view)) {
                self.kill(view.task);
                self.try_bury(view.task);
            }
            let _ = self.threads.sleep(LOOK);
        }
    }
}

/// The address of what threads share.
fn shared<T: Sync>(value: &T) -> *mut T {
    ptr::from_ref(value).cast_mut()
}

/// Where every thread begins.
fn begin<P: Platform>(runtime: &'static Running<P>, argument: usize) {
    let work = runtime.scheduler().with_current(|thread| {
        let work = thread.data();
        (work.kernel.load(Ordering::Relaxed), work.main)
    });
    let Some((kernel, main)) = work else { return };
    // SAFETY: `spawn` was given the kernel by reference. Threads run only while a CPU is in `on_main_thread` or `run_cpu`, and the
    // first of them keeps the kernel borrowed until every thread of `spawn` has ended.
    let kernel: &Kernel<P> = unsafe { &*kernel };
    kernel.platform().run_thread(&mut || main(kernel, argument));
}
