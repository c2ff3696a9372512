//! [`StackSwitch`] and [`KernelSwitch`]: from one stack to another in some ten instructions.
//!
//! The compiler saves what it needs: callee-saved registers are clobbers of the inline assembly. Only `rbx` and `rbp`, which
//! it does not let go, are pushed. The way back is an indirect jump: a `ret` to another stack's caller always mispredicts.
//!
//! The calling convention makes the floating-point control words callee-saved, too. Reading MXCSR costs more than all the
//! rest (6 ns beside 1.3 ns on Zen 3), so kernels, whose tasks change the words only in user mode, do without.
//!
//! What a stack holds at the saved stack pointer, from low to high addresses; `KernelSwitch` has no first row:
//!
//! | stopped by a switch | not begun yet |
//! |---|---|
//! | MXCSR (4 bytes), x87 control word (2), 0 (2) | their initial values |
//! | where to go on | `first_entry` |
//! | `rbp` | the argument |
//! | `rbx` | the entry |
//!
//! `rsp` moves from stack to stack in one instruction, and what is stored lies above it: an interrupt is welcome anywhere.
//! Segment bases, page tables and the flags are the caller's; the direction flag is clear, as everywhere.
//!
//! Source: System V ABI for AMD64, 3.2.1 and 3.2.3.
#![expect(unsafe_code, reason = "switches stacks; each block says what it rests on")]

use core::arch::{asm, naked_asm};
use core::ops::Range;
use core::ptr;

use crate::ports::{ContextSwitch, Entry};

/// MXCSR as a new task finds it: every exception masked, round to nearest.
pub(super) const INITIAL_MXCSR: u32 = 0x1f80;
/// The x87 control word as a new task finds it: every exception masked, 64-bit precision, round to nearest.
pub(super) const INITIAL_CONTROL_WORD: u16 = 0x037f;

/// Where the stack of code that does not run ends. [`Default`] is for code that already runs: the first switch away fills it.
#[derive(Debug, Default)]
pub struct SavedStack {
    pointer: usize,
}

/// The end of a stack that was not entered yet.
#[repr(C, align(16))]
struct FirstFrame {
    control: [u32; 2],
    resume: unsafe extern "C" fn() -> !,
    arg: *mut (),
    entry: Entry,
}

impl FirstFrame {
    /// Writes the frame at the high end of `stack` and returns its address.
    ///
    /// # Safety
    /// As [`ContextSwitch::prepare`].
    unsafe fn write(stack: Range<usize>, entry: Entry, arg: *mut ()) -> usize {
        // The alignment of the frame is that of the call in `first_entry`.
        let frame = (stack.end & !15) - size_of::<Self>();
        let control = [INITIAL_MXCSR, INITIAL_CONTROL_WORD.into()];
        let image = Self { control, resume: first_entry, arg, entry };
        // SAFETY: the caller lends the stack, of 512 bytes at least, with exposed provenance; the frame is aligned.
        unsafe { ptr::with_exposed_provenance_mut::<Self>(frame).write(image) };
        frame
    }
}

/// Switches stacks, callee-saved registers and floating-point control words: all that the calling convention asks for. FPU
/// registers are the caller's in it, so they are not kept.
#[derive(Clone, Copy, Debug)]
pub struct StackSwitch;

// SAFETY: `switch` stores the stack pointer after everything that it must find again, and goes on at the address stored with
// it, on the stack stored; the rest of the convention is kept by the compiler, which is told that all registers change.
unsafe impl ContextSwitch for StackSwitch {
    type Context = SavedStack;

    unsafe fn prepare(context: &mut SavedStack, stack: Range<usize>, entry: Entry, arg: *mut ()) {
        // SAFETY: the caller's promise.
        context.pointer = unsafe { FirstFrame::write(stack, entry, arg) };
    }

    #[inline(always)]
    unsafe fn switch(prev: *mut SavedStack, next: *const SavedStack) {
        // SAFETY: `prev` is written once and `next` read once, both valid by the caller's promise, which also says that the
        // stack of `next` holds the frame described above. The pushes are below the stack pointer, and no `nostack` is
        // claimed, so the compiler keeps nothing there.
        unsafe {
            asm!(
                "push rbx",
                "push rbp",
                "lea rax, [rip + 3f]",
                "push rax",
                "push 0",
                "stmxcsr [rsp]",
                "fnstcw [rsp + 4]",
                "mov [rdi], rsp",
                "mov rdx, [rsi]",
                // Loading control words takes long, comparing them does not: they are nearly always the same.
                "mov eax, [rsp]",
                "movzx ecx, word ptr [rsp + 4]",
                "mov rsp, rdx",
                "cmp eax, [rsp]",
                "jne 4f",
                "2:",
                "cmp cx, [rsp + 4]",
                "jne 5f",
                "jmp [rsp + 8]",
                "4:",
                "ldmxcsr [rsp]",
                "jmp 2b",
                "5:",
                "fldcw [rsp + 4]",
                "jmp [rsp + 8]",
                "3:",
                "add rsp, 16",
                "pop rbp",
                "pop rbx",
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
    type Context = SavedStack;

    unsafe fn prepare(context: &mut SavedStack, stack: Range<usize>, entry: Entry, arg: *mut ()) {
        // SAFETY: the caller's promise.
        let frame = unsafe { FirstFrame::write(stack, entry, arg) };
        context.pointer = frame + size_of::<[u32; 2]>();
    }

    #[inline(always)]
    unsafe fn switch(prev: *mut SavedStack, next: *const SavedStack) {
        // SAFETY: as in `StackSwitch::switch`.
        unsafe {
            asm!(
                "push rbx",
                "push rbp",
                "lea rax, [rip + 3f]",
                "push rax",
                "mov [rdi], rsp",
                "mov rsp, [rsi]",
                "jmp [rsp]",
                "3:",
                "add rsp, 8",
                "pop rbp",
                "pop rbx",
                inout("rdi") prev => _,
                inout("rsi") next => _,
                out("r12") _, out("r13") _, out("r14") _, out("r15") _,
                clobber_abi("sysv64"),
            );
        }
    }
}

/// The root of every stack: calls the entry with its argument. Debuggers and unwinders end here.
#[unsafe(naked)]
unsafe extern "C" fn first_entry() -> ! {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined rip",
        // The high end of the frame, whichever switch entered.
        "lea rax, [rsp + 32]",
        "and rax, -16",
        "mov rdi, [rax - 16]",
        "mov rdx, [rax - 8]",
        "mov rsp, rax",
        "xor ebp, ebp",
        "call rdx",
        "ud2",
        ".cfi_endproc",
    )
}
