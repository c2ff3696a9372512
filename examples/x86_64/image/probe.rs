//! Accesses that may fault, and the way out when they do.
//!
//! The two instructions of `trap.s` that touch a probed address are known by their own; a fault there resumes at
//! `probe_refused` with the reason in the result register.

use kos_demo_kernel::platform::{Access, Refused};
use kos_x86_64::trap::{Frame, PAGE_FAULT, PRESENT};

unsafe extern "C" {
    safe fn probe_read(address: u64) -> u64;
    safe fn probe_write(address: u64) -> u64;
    static probe_read_access: u8;
    static probe_write_access: u8;
    static probe_refused: u8;
}

/// In the result: the access was refused; else the result is 0. The error code stands above it.
const REFUSED: u64 = 1;

/// Does one access. Safe for any address: a write stores what it finds, in one atomic instruction.
pub(crate) fn access(address: u64, access: Access) -> Result<(), Refused> {
    let result = match access {
        Access::Read => probe_read(address),
        Access::Write => probe_write(address),
    };
    match result {
        0 => Ok(()),
        reason => Err(Refused { address, present: reason >> 1 & PRESENT != 0 }),
    }
}

/// Whether the trap came from a probe; then it resumes with a refusal.
pub(crate) fn refuse(frame: &mut Frame) -> bool {
    let at = |symbol: *const u8| symbol.addr() as u64;
    if frame.rip != at(&raw const probe_read_access) && frame.rip != at(&raw const probe_write_access) {
        return false;
    }
    let code = if frame.vector == PAGE_FAULT { frame.error_code } else { 0 };
    frame.rax = code << 1 | REFUSED;
    frame.rip = at(&raw const probe_refused);
    true
}
