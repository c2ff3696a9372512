//! The kernel for as long as a process lives, and a process on its way to its thread.
#![expect(unsafe_code, reason = "threads get addresses; the kernel outlives its threads")]

use alloc::boxed::Box;
use core::ptr;

use kos_sched::TaskId;

use crate::Kernel;
use crate::platform::Platform;
use crate::threads::{How, Role, ThreadError};

/// Bytes of the kernel stack of a process.
const STACK: usize = 64 << 10;

/// The kernel, for the files and objects of a process.
///
/// They live on the stack of its thread and in its address space, which goes before the thread ends. So do those of who starts
/// a program, until it is handed over.
pub(super) fn forever<P: Platform>(kernel: &Kernel<P>) -> &'static Kernel<P> {
    // SAFETY: a kernel neither moves nor goes before every thread has ended (`Kernel::spawn`), and what gets this
    // reference is gone by then.
    unsafe { &*ptr::from_ref(kernel) }
}

/// What a thread in ring 3 does from its first instruction to its end.
pub(super) trait Live<P: Platform>: Sized {
    /// Whose it is.
    fn uid(&self) -> u32;
    /// The number of its process.
    fn process(&self) -> u32;
    /// All of it, in the thread that it was given to.
    fn live(self);
}

/// Starts a thread of a process.
pub(super) fn start<P: Platform, L: Live<P>>(
    kernel: &Kernel<P>,
    name: &str,
    running: Box<L>,
) -> Result<TaskId, ThreadError> {
    let (uid, process) = (running.uid(), running.process());
    let running = Box::into_raw(running);
    let started = kernel.spawn(
        How::new(name).stack(STACK).role(Role::Program).of(uid).in_process(process),
        begin::<P, L>,
        running.expose_provenance(),
    );
    if started.is_err() {
        // SAFETY: no thread has it.
        drop(unsafe { Box::from_raw(running) });
    }
    started
}

fn begin<P: Platform, L: Live<P>>(_: &Kernel<P>, argument: usize) {
    // SAFETY: `start` gave the address of a box to this thread alone.
    let running = unsafe { Box::from_raw(ptr::with_exposed_provenance_mut::<L>(argument)) };
    (*running).live();
}
