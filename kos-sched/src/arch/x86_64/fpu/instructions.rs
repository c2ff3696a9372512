//! The instructions themselves.
#![expect(unsafe_code, reason = "inline assembly; each function says what it needs")]

use core::arch::asm;

use super::layout::FpuMethod;

/// XCR0. Only where CPUID says OSXSAVE.
pub(super) fn enabled_components() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reads a register; without OSXSAVE it is an invalid opcode, and the callers look first.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// Whether this code may use privileged instructions: the lowest bits of `cs` are 0.
pub(super) fn is_privileged() -> bool {
    let cs: u16;
    // SAFETY: reads a register.
    unsafe { asm!("mov {:x}, cs", out(reg) cs, options(nomem, nostack, preserves_flags)) };
    cs & 3 == 0
}

/// One instruction with the address of the area and the components in `edx:eax`, and what else the assembly is told.
macro_rules! on_area {
    ($instruction:literal, $area:expr, $components:expr, $($told:tt)*) => {
        asm!(
            concat!($instruction, " [{area}]"),
            area = in(reg) $area,
            inout("eax") $components as u32 => _,
            inout("edx") ($components >> 32) as u32 => _,
            $($told)*
        )
    };
}

/// Saves the registers in `area`; they keep what they hold.
///
/// # Safety
/// `area` is writable, aligned to 64, as large as the layout of `method` and `components` says, with a header that is zero
/// or was written with the same method. The CPU has the instruction.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the instructions take the mask in two halves")]
pub(super) unsafe fn save(method: FpuMethod, area: *mut u8, components: u64) {
    macro_rules! save {
        ($instruction:literal) => {
            // SAFETY: the caller's promise; nothing but the area changes.
            unsafe { on_area!($instruction, area, components, options(nostack, preserves_flags)) }
        };
    }
    match method {
        FpuMethod::Fxsave => save!("fxsave64"),
        FpuMethod::Xsave => save!("xsave64"),
        FpuMethod::Xsaveopt => save!("xsaveopt64"),
        FpuMethod::Xsavec => save!("xsavec64"),
        FpuMethod::Xsaves => save!("xsaves64"),
    }
}

/// Loads the registers from `area`.
///
/// # Safety
/// As for [`save`], and the area is an initial image or was written with the same method. The code that runs next is that
/// which expects these registers: also the control words change.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the instructions take the mask in two halves")]
pub(super) unsafe fn restore(method: FpuMethod, area: *const u8, components: u64) {
    macro_rules! restore {
        ($instruction:literal) => {
            // SAFETY: the caller's promise; the compiler is told that all registers change.
            unsafe { on_area!($instruction, area, components, clobber_abi("sysv64"), options(nostack)) }
        };
    }
    match method {
        FpuMethod::Fxsave => restore!("fxrstor64"),
        FpuMethod::Xsave | FpuMethod::Xsaveopt | FpuMethod::Xsavec => restore!("xrstor64"),
        FpuMethod::Xsaves => restore!("xrstors64"),
    }
}
