//! [`StackSwitch`]: from one stack to another in a dozen instructions.
//!
//! The compiler saves what it needs: callee-saved registers are clobbers of the inline assembly. Only `rbx` and `rbp`, which
//! it does not let go, are pushed; so are the floating-point control words, which the convention makes callee-saved too. The
//! way back is an indirect jump: a `ret` to another stack's caller always mispredicts.
//!
//! What a stack holds at the saved stack pointer, from low to high addresses:
//!
//! | offset | stopped by a switch | not begun yet |
//! |---:|---|---|
//! | 0 | MXCSR (4), x87 control word (2) | their initial values |
//! | 8 | where to go on | `first_entry` |
//! | 16 | `rbp` | the argument |
//! | 24 | `rbx` | the entry |
//!
//! `rsp` moves from stack to stack in one instruction, what is stored lies above it: an interrupt is welcome anywhere.
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

/// Switches stacks, callee-saved registers and floating-point control words. FPU registers are the caller's in the calling
/// convention, so they are not kept.
#[derive(Clone, Copy, Debug)]
pub struct StackSwitch;

/// The four words at the end of a stack that was not entered yet.
#[repr(C)]
struct FirstFrame {
    mxcsr: u32,
    control_word: u32,
    resume: unsafe extern "C" fn() -> !,
    arg: *mut (),
    entry: Entry,
}

// SAFETY: `switch` stores the stack pointer after everything that it must find again, and goes on at the address stored with
// it, on the stack stored; the rest of the convention is kept by the compiler, which is told that all registers change.
unsafe impl ContextSwitch for StackSwitch {
    type Context = SavedStack;

    unsafe fn prepare(context: &mut SavedStack, stack: Range<usize>, entry: Entry, arg: *mut ()) {
        // `first_entry` calls with the pointer just above the frame, so that one must be a multiple of 16.
        let frame = (stack.end & !15) - size_of::<FirstFrame>();
        let image = FirstFrame {
            mxcsr: INITIAL_MXCSR,
            control_word: INITIAL_CONTROL_WORD.into(),
            resume: first_entry,
            arg,
            entry,
        };
        // SAFETY: the caller lends the stack, of 512 bytes at least, with exposed provenance; the frame is aligned to 16.
        unsafe { ptr::with_exposed_provenance_mut::<FirstFrame>(frame).write(image) };
        context.pointer = frame;
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
                // Loading control words takes long, comparing them does not: they are nearly always the same.
                "mov rdx, [rsi]",
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

/// The root of every stack: calls the entry with its argument. Debuggers and unwinders end here.
#[unsafe(naked)]
unsafe extern "C" fn first_entry() -> ! {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined rip",
        "mov rdi, [rsp + 16]",
        "mov rax, [rsp + 24]",
        "add rsp, 32",
        "xor ebp, ebp",
        "call rax",
        "ud2",
        ".cfi_endproc",
    )
}
