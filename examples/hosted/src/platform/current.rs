//! The kernel that runs on the calling CPU.
//!
//! Invariant: a thread of the host that is a CPU belongs to one machine, and ends, or is left where it stands, before the machine's
//! kernel goes. So the address that it keeps is good as long as it runs.
#![expect(unsafe_code, reason = "a CPU knows its kernel by address")]

use core::cell::Cell;
use core::ptr;

use kos_demo_kernel::Kernel;

use super::Hosted;

thread_local! {
    static KERNEL: Cell<*const Kernel<Hosted>> = const { Cell::new(ptr::null()) };
}

/// The calling CPU runs `kernel` from now on.
pub(crate) fn enter(kernel: &Kernel<Hosted>) {
    KERNEL.set(kernel);
}

/// The kernel of the calling CPU. Never inlined: between two calls the caller may have gone on in another thread of the host.
#[inline(never)]
pub(super) fn kernel<'k>() -> Option<&'k Kernel<Hosted>> {
    // SAFETY: by the module's invariant the address, if there is one, is that of a kernel that outlives what runs here.
    unsafe { KERNEL.get().as_ref() }
}
