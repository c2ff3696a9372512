//! Two threads of a small kernel, each on a stack of its own, on the one CPU that measures: [`threads`].

use core::cell::{Cell, OnceCell, UnsafeCell};

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

/// A kernel of two threads.
pub(super) struct Switching;

impl Env for Switching {
    type Lock = Spin;
    type Irq = ();
    type Park = Two;
    type Policy = NoPolicy;
}

/// Who sleeps lets the other run.
#[derive(Clone, Copy)]
pub(super) struct Two;

struct Thread {
    context: UnsafeCell<SavedContext>,
    permit: Cell<bool>,
    other: OnceCell<Name>,
}

/// Names a thread, as the pointer to it that most kernels have.
#[derive(Clone, Copy)]
pub(super) struct Name(&'static Thread);

// SAFETY: both threads run on the one CPU that measures, in turns.
unsafe impl Send for Name {}

/// The thread that measures, and another.
pub(super) fn threads() -> [Name; 2] {
    let threads = [(); 2].map(|()| {
        let context = UnsafeCell::new(SavedContext::new());
        Name(leak(Thread { context, permit: Cell::new(false), other: OnceCell::new() }))
    });
    let [first, second] = threads;
    must(first.0.other.set(second).ok());
    must(second.0.other.set(first).ok());
    threads
}

impl Name {
    /// It begins with `entry(arg)` when the other sleeps.
    ///
    /// # Safety
    /// `entry` takes an `arg` as this one, which lasts as long as the process.
    pub(super) unsafe fn start(self, entry: unsafe extern "C" fn(*mut ()) -> !, arg: *mut ()) {
        let stack = leak(must(DefaultStack::new(STACK).ok()));
        let bounds = stack.limit().get()..stack.base().get();
        let context = self.0.context.get();
        // SAFETY: nobody runs on this thread yet.
        let context = unsafe { &mut *context };
        // SAFETY: the stack is mapped and never freed, corosensei exposes its address, and the caller vouches for `arg`.
        unsafe { KernelSwitch::prepare(context, bounds, entry, arg) };
    }
}

impl Park for Two {
    type Token = Name;

    #[inline]
    fn park(&self, &Name(me): &Name, _: Option<Instant>, _: BlockReason) -> Resume {
        if !me.permit.get() {
            let Name(other) = must(me.other.get());
            // SAFETY: `me` runs, so this is its context; the other was prepared, or waits here.
            unsafe { KernelSwitch::switch(me.context.get(), other.context.get()) };
        }
        me.permit.set(false);
        Resume::Woken
    }

    #[inline]
    fn unpark(&self, &Name(thread): &Name) {
        thread.permit.set(true);
    }
}
