//! What belongs to the thread that runs, in one instruction each: the thread may be another one in the next.
//!
//! The segment register `gs`, which the host leaves to the program, points to the thread's [`Core`]; it holds 0 in threads that
//! are no CPU, which do not come here.
#![expect(unsafe_code, reason = "reads and writes through the segment register")]

use core::arch::asm;
use core::mem::offset_of;

use super::Core;

/// Sets the base of `gs` (Linux, `arch_prctl(2)`).
const ARCH_SET_GS: libc::c_int = 0x1001;

/// The calling thread is `core` from now on, for as long as it is a CPU.
pub(super) fn enter(core: &Core) {
    // SAFETY: no code of the host uses this register; a base within the program is accepted.
    let result = unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_GS, core) };
    assert_eq!(result, 0, "the host sets the base of gs to any address of the program");
}

/// The CPU. Interrupts are masked, so that the answer stays true; the thread is a CPU.
pub(super) fn this() -> &'static Core {
    let core: *const Core;
    // SAFETY: the caller is a CPU, so the base is that of its core (`enter`), which has its own address there.
    unsafe {
        asm!("mov {}, gs:[{}]", out(reg) core, const offset_of!(Core, this), options(nostack, readonly, preserves_flags));
    }
    // SAFETY: a core outlives its CPU's being on, and who runs on the CPU is abandoned when that ends.
    unsafe { &*core }
}

/// Masks; whether they were masked. Between both instructions an interrupt may come, and the code go on in another thread: but
/// there, too, they were not masked.
pub(in super::super) fn mask() -> bool {
    let were: u32;
    // SAFETY: as in `this`; the word is the thread's own.
    unsafe {
        asm!(
            "mov {were:e}, gs:[{masked}]",
            "mov dword ptr gs:[{masked}], 1",
            were = out(reg) were, masked = const offset_of!(Core, masked), options(nostack, preserves_flags)
        );
    }
    were != 0
}

/// Whether they are masked.
pub(in super::super) fn is_masked() -> bool {
    let masked: u32;
    // SAFETY: as in `this`.
    unsafe {
        asm!("mov {:e}, gs:[{}]", out(reg) masked, const offset_of!(Core, masked), options(nostack, readonly, preserves_flags));
    }
    masked != 0
}

/// Unmasks; whether something is pending, that came while they were masked.
pub(super) fn unmask() -> bool {
    let pending: u32;
    // SAFETY: as in `mask`. What comes between both instructions is served there, by the handler.
    unsafe {
        asm!(
            "mov dword ptr gs:[{masked}], 0",
            "mov {pending:e}, gs:[{pend}]",
            pending = out(reg) pending, masked = const offset_of!(Core, masked), pend = const offset_of!(Core, pending),
            options(nostack, preserves_flags)
        );
    }
    pending != 0
}
