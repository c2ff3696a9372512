//! Two threads of a small kernel, each on a stack of its own, on the one CPU that measures: [`Two`].

use core::cell::{Cell, UnsafeCell};

use corosensei::stack::{DefaultStack, Stack};
use kos_ipc::policy::NoPolicy;
use kos_ipc::{BlockReason, Env, Instant, Park, Resume};
use kos_sched::ContextSwitch;
use kos_sched::arch::x86_64::{KernelSwitch, SavedContext};

use super::leak;
use crate::harness::must;
use crate::lock::Spin;

/// Bytes of the second stack.
const STACK: usize = 64 << 10;

/// The thread that measures.
pub(super) const FIRST: usize = 0;

/// The other.
pub(super) const SECOND: usize = 1;

/// A kernel of two threads.
pub(super) struct Switching;

impl Env for Switching {
    type Lock = Spin;
    type Irq = ();
    type Park = &'static Two;
    type Policy = NoPolicy;
}

/// Who sleeps lets the other run.
pub(super) struct Two([Thread; 2]);

struct Thread {
    context: UnsafeCell<SavedContext>,
    permit: Cell<bool>,
}

impl Two {
    /// The second begins with `entry(arg)` when the first sleeps.
    ///
    /// # Safety
    /// `entry` takes an `arg` as this one, which lasts as long as the process.
    pub(super) unsafe fn start(&'static self, entry: unsafe extern "C" fn(*mut ()) -> !, arg: *mut ()) {
        let stack = leak(must(DefaultStack::new(STACK).ok()));
        let bounds = stack.limit().get()..stack.base().get();
        let context = self.thread(SECOND).context.get();
        // SAFETY: nobody runs on the second thread yet.
        let context = unsafe { &mut *context };
        // SAFETY: the stack is mapped and never freed, corosensei exposes its address, and the caller vouches for `arg`.
        unsafe { KernelSwitch::prepare(context, bounds, entry, arg) };
    }

    pub(super) fn new() -> &'static Self {
        let thread = || Thread { context: UnsafeCell::new(SavedContext::new()), permit: Cell::new(false) };
        leak(Self([thread(), thread()]))
    }

    #[inline]
    fn thread(&self, number: usize) -> &Thread {
        must(self.0.get(number))
    }
}

impl Park for Two {
    type Token = usize;

    #[inline]
    fn park(&self, &me: &usize, _: Option<Instant>, _: BlockReason) -> Resume {
        let (mine, theirs) = (self.thread(me), self.thread(FIRST + SECOND - me));
        if !mine.permit.get() {
            // SAFETY: `me` runs, so this is its context; the other was prepared, or waits here.
            unsafe { KernelSwitch::switch(mine.context.get(), theirs.context.get()) };
        }
        mine.permit.set(false);
        Resume::Woken
    }

    #[inline]
    fn unpark(&self, &thread: &usize) {
        self.thread(thread).permit.set(true);
    }
}
