//! [`Thread`]: what a task keeps, and where it begins.
#![expect(unsafe_code, reason = "contexts are used by switches only; the proof is beside the cell")]

use core::cell::UnsafeCell;
use core::fmt;
use core::ptr;

use super::scheduler::Runtime;
use super::stack::TaskStack;
use super::system::RuntimeSystem;
use crate::ports::ContextSwitch;

/// What a task does, with the number that it was given. When it returns, the task exits.
pub type Main<R> = fn(&'static Runtime<R>, usize);

/// The stack and the registers of a task, and what the kernel keeps with it.
pub struct Thread<R: RuntimeSystem> {
    context: UnsafeCell<<R::Switch as ContextSwitch>::Context>,
    stack: TaskStack<R::Stack>,
    main: Main<R>,
    arg: usize,
    data: R::Data,
}

// SAFETY: the context is used by `prepare` before the task is spawned, then only in a switch from or to the task, and the queue's
// lock, which passes through the switch, keeps those apart. The rest is shared as its types allow.
unsafe impl<R: RuntimeSystem> Sync for Thread<R> {}

impl<R: RuntimeSystem> Thread<R> {
    /// A task that calls `main` with `arg` on `stack`. `context` is what the switch has for a task that has not begun.
    pub const fn new(
        stack: TaskStack<R::Stack>,
        context: <R::Switch as ContextSwitch>::Context,
        data: R::Data,
        main: Main<R>,
        arg: usize,
    ) -> Self {
        Self { context: UnsafeCell::new(context), stack, main, arg, data }
    }

    /// What the kernel keeps with it.
    pub const fn data(&self) -> &R::Data {
        &self.data
    }

    /// Its stack.
    pub const fn stack(&self) -> &TaskStack<R::Stack> {
        &self.stack
    }

    /// The parts, of a task that has ended.
    pub fn into_parts(self) -> (TaskStack<R::Stack>, R::Data) {
        (self.stack, self.data)
    }

    pub(super) const fn context(&self) -> *mut <R::Switch as ContextSwitch>::Context {
        self.context.get()
    }

    /// Lets the first switch to it begin.
    pub(super) fn prepare(&mut self, runtime: &'static Runtime<R>) {
        let arg = ptr::from_ref(runtime).cast_mut().cast();
        // SAFETY: the stack is the task's own and is kept beside the context; `begin` asks for a runtime, which lives for ever.
        unsafe { R::Switch::prepare(self.context.get_mut(), self.stack.bounds(), begin::<R>, arg) };
    }
}

impl<R: RuntimeSystem<Data: fmt::Debug>> fmt::Debug for Thread<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread").field("arg", &self.arg).field("data", &self.data).finish_non_exhaustive()
    }
}

/// The first code of each task.
///
/// # Safety
/// `runtime` is a `&'static Runtime<R>`.
unsafe extern "C" fn begin<R: RuntimeSystem>(runtime: *mut ()) -> ! {
    // SAFETY: the caller's promise.
    let runtime: &'static Runtime<R> = unsafe { &*runtime.cast_const().cast() };
    runtime.scheduler().finish_switch();
    R::enable_irq(runtime.scheduler().platform());
    if let Some((main, arg)) = runtime.scheduler().with_current(|thread| (thread.main, thread.arg)) {
        main(runtime, arg);
    }
    runtime.exit()
}
