//! [`RuntimeSystem`]: what a kernel names beside its [`System`].
#![expect(unsafe_code, reason = "an idle context is its CPU's alone; the proof is beside it")]

use core::cell::UnsafeCell;
use core::fmt;

use super::stack::StackOverflow;
use super::thread::Thread;
use crate::core::System;
use crate::ports::{Clock, ContextSwitch, KernelStack};

/// A [`System`] whose tasks have stacks.
pub trait RuntimeSystem: System<Payload = Thread<Self>> {
    /// How it switches.
    type Switch: ContextSwitch;
    /// What its tasks run on.
    type Stack: KernelStack;
    /// What tells the time.
    type Clock: Clock;
    /// What it keeps with each task.
    type Data: Send + Sync;

    /// How often a CPU that idles looks for work before it halts: as long as it looks, waking it takes no interrupt.
    const IDLE_POLLS: u32 = 0;

    /// Enables interrupts in a task that begins. The CPU masked them to switch to it, and the guard that would enable them
    /// again is with the task that it left.
    fn enable_irq(platform: &Self::Platform);

    /// Whether interrupts are enabled on this CPU. In a handler they are not.
    fn irq_enabled(platform: &Self::Platform) -> bool;

    /// A task has overrun its stack, so memory is no longer what it was. Called on that stack, with a queue locked and
    /// interrupts masked: to say so and stop.
    fn stack_overflow(overflow: StackOverflow) -> !;
}

/// Where a CPU that idles goes on: on the stack on which it called [`Runtime::run_idle`](super::Runtime::run_idle).
pub struct IdleContext<R: RuntimeSystem>(UnsafeCell<<R::Switch as ContextSwitch>::Context>);

// SAFETY: only the CPU to which it belongs uses it, to switch from and to its own idle loop, with interrupts masked.
unsafe impl<R: RuntimeSystem> Sync for IdleContext<R> {}

impl<R: RuntimeSystem> IdleContext<R> {
    /// For one CPU. `context` is what the switch has for code that already runs.
    pub const fn new(context: <R::Switch as ContextSwitch>::Context) -> Self {
        Self(UnsafeCell::new(context))
    }

    pub(super) const fn get(&self) -> *mut <R::Switch as ContextSwitch>::Context {
        self.0.get()
    }
}

impl<R: RuntimeSystem> fmt::Debug for IdleContext<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdleContext")
    }
}
