//! [`StackSwitch`] and [`KernelSwitch`]: from one stack to another in some ten instructions.
//!
//! The compiler saves what it needs: callee-saved registers are clobbers of the inline assembly. Only `rbx` and `rbp`, which
//! it does not let go, are saved here. The way back is an indirect jump: a `ret` to another stack's caller always mispredicts.
//!
//! The calling convention makes the floating-point control words callee-saved, too. Reading MXCSR costs more than all the
//! rest (6 ns beside 1.3 ns on Zen 3), so kernels, whose tasks change the words only in user mode, do without.
//!
//! Nothing is read from the stack that is entered: with many stacks it has left the cache, and all that the CPU could do
//! ahead would wait for it (at 10 000 stacks: 130 ns in place of 3). So what is kept lies in the [`SavedContext`], also of a task
//! that has not begun: it goes on in `first_entry`, which finds its argument in `rbx` and the entry in `rbp`.
//!
//! `rsp` moves from stack to stack in one instruction, and nothing below it is needed: an interrupt is welcome anywhere.
//! Segment bases, page tables and the flags are the caller's; the direction flag is clear, as everywhere.
//!
//! Source: System V ABI for AMD64, 3.2.1 and 3.2.3.
#![expect(unsafe_code, reason = "switches stacks; each block says what it rests on")]

use core::arch::{asm, naked_asm};
use core::ops::Range;

use crate::ports::{ContextSwitch, Entry};

/// MXCSR as a new task finds it: every exception masked, round to nearest.
pub(super) const INITIAL_MXCSR: u32 = 0x1f80;
/// The x87 control word as a new task finds it: every exception masked, 64-bit precision, round to nearest.
pub(super) const INITIAL_CONTROL_WORD: u16 = 0x037f;

/// Where code that does not run goes on. The assembly below knows the offsets.
#[derive(Debug, Default)]
#[repr(C)]
pub struct SavedContext {
    rsp: usize,
    rip: usize,
    rbx: usize,
    rbp: usize,
    mxcsr: u32,
    control_word: u32,
}

impl SavedContext {
    /// For code that already runs: the first switch away fills it. For a new stack: [`ContextSwitch::prepare`] does.
    #[must_use]
    pub const fn new() -> Self {
        Self { rsp: 0, rip: 0, rbx: 0, rbp: 0, mxcsr: 0, control_word: 0 }
    }

    /// Code that has not begun.
    fn first(stack: &Range<usize>, entry: Entry, arg: *mut ()) -> Self {
        Self {
            // The alignment of the call in `first_entry`.
            rsp: stack.end & !15,
            rip: first_entry as *const () as usize,
            rbx: arg.expose_provenance(),
            rbp: entry as *const () as usize,
            mxcsr: INITIAL_MXCSR,
            control_word: INITIAL_CONTROL_WORD.into(),
        }
    }
}

/// Switches stacks, callee-saved registers and floating-point control words: all that the calling convention asks for. FPU
/// registers are the caller's in it, so they are not kept.
#[derive(Clone, Copy, Debug)]
pub struct StackSwitch;

// SAFETY: `switch` goes on at the address and on the stack stored, with the registers stored beside them; the rest of the
// convention is kept by the compiler, which is told that all other registers change.
unsafe impl ContextSwitch for StackSwitch {
    type Context = SavedContext;

    unsafe fn prepare(context: &mut SavedContext, stack: Range<usize>, entry: Entry, arg: *mut ()) {
        *context = SavedContext::first(&stack, entry, arg);
    }

    #[inline(always)]
    unsafe fn switch(prev: *mut SavedContext, next: *const SavedContext) {
        // SAFETY: `prev` is written and `next` read, both valid by the caller's promise; what `next` holds was stored here, or
        // is a first entry on a stack of its own.
        unsafe {
            asm!(
                "mov [rdi + 16], rbx",
                "mov [rdi + 24], rbp",
                "stmxcsr [rdi + 32]",
                "fnstcw [rdi + 36]",
                "lea rax, [rip + 3f]",
                "mov [rdi], rsp",
                "mov [rdi + 8], rax",
                // Loading control words takes long, comparing them does not: they are nearly always the same.
                "mov eax, [rdi + 32]",
                "movzx ecx, word ptr [rdi + 36]",
                "cmp eax, [rsi + 32]",
                "jne 4f",
                "2:",
                "cmp cx, [rsi + 36]",
                "jne 5f",
                "6:",
                "mov rbx, [rsi + 16]",
                "mov rbp, [rsi + 24]",
                "mov rsp, [rsi]",
                "jmp [rsi + 8]",
                "4:",
                "ldmxcsr [rsi + 32]",
                "jmp 2b",
                "5:",
                "fldcw [rsi + 36]",
                "jmp 6b",
                "3:",
                inout("rdi") prev => _,
                inout("rsi") next => _,
                out("r12") _, out("r13") _, out("r14") _, out("r15") _,
                clobber_abi("sysv64"),
            );
        }
    }
}

/// As [`StackSwitch`], for code that never changes the floating-point control words: they stay what they are.
///
/// That is a kernel's own code. What user mode has in them is saved at trap entry, or by an
/// [`FpuUnit`](super::fpu::FpuUnit) at the switch.
#[derive(Clone, Copy, Debug)]
pub struct KernelSwitch;

// SAFETY: as for `StackSwitch`.
unsafe impl ContextSwitch for KernelSwitch {
    type Context = SavedContext;

    unsafe fn prepare(context: &mut SavedContext, stack: Range<usize>, entry: Entry, arg: *mut ()) {
        *context = SavedContext::first(&stack, entry, arg);
    }

    #[inline(always)]
    unsafe fn switch(prev: *mut SavedContext, next: *const SavedContext) {
        // SAFETY: as in `StackSwitch::switch`.
        unsafe {
            asm!(
                "mov [rdi + 16], rbx",
                "mov [rdi + 24], rbp",
                "lea rax, [rip + 3f]",
                "mov [rdi], rsp",
                "mov [rdi + 8], rax",
                "mov rbx, [rsi + 16]",
                "mov rbp, [rsi + 24]",
                "mov rsp, [rsi]",
                "jmp [rsi + 8]",
                "3:",
                inout("rdi") prev => _,
                inout("rsi") next => _,
                out("r12") _, out("r13") _, out("r14") _, out("r15") _,
                clobber_abi("sysv64"),
            );
        }
    }
}

/// The root of every stack: calls the entry (in `rbp`) with its argument (in `rbx`). Debuggers and unwinders end here.
#[unsafe(naked)]
unsafe extern "C" fn first_entry() -> ! {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined rip",
        "mov rdi, rbx",
        "mov rax, rbp",
        "xor ebp, ebp",
        "call rax",
        "ud2",
        ".cfi_endproc",
    )
}
