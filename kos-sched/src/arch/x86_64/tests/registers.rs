//! Callee-saved registers survive a switch to a stack that uses all of them.

use core::arch::asm;

use super::{KernelSwitch, StackSwitch, Stage, Switch};

/// What a caller may expect back from a call, `rbx`, `rbp`, `r12` to `r15`.
type CalleeSaved = [u64; 6];

/// Fills the callee-saved registers with `before`, calls `call(stage)`, and returns what they hold then.
fn around<S>(before: CalleeSaved, stage: &Stage<S>, call: unsafe extern "C" fn(&Stage<S>)) -> CalleeSaved {
    let mut registers = before;
    // SAFETY: the registers that the compiler wants back are saved by it (r12 to r15) or here; the stack is aligned for the
    // call, wherever the compiler left it.
    unsafe {
        asm!(
            "push rbx",
            "push rbp",
            "mov rbp, rsp",
            "and rsp, -16",
            "push rbp",
            "push r8",
            "mov rbx, [r8]",
            "mov rbp, [r8 + 8]",
            "mov r12, [r8 + 16]",
            "mov r13, [r8 + 24]",
            "mov r14, [r8 + 32]",
            "mov r15, [r8 + 40]",
            "call r9",
            "pop r8",
            "mov [r8], rbx",
            "mov [r8 + 8], rbp",
            "mov [r8 + 16], r12",
            "mov [r8 + 24], r13",
            "mov [r8 + 32], r14",
            "mov [r8 + 40], r15",
            "pop rsp",
            "pop rbp",
            "pop rbx",
            inout("r8") registers.as_mut_ptr() => _,
            inout("r9") call => _,
            inout("rdi") &raw const *stage => _,
            out("r12") _, out("r13") _, out("r14") _, out("r15") _,
            clobber_abi("sysv64"),
        );
    }
    registers
}

unsafe extern "C" fn enter<S: Switch>(stage: &Stage<S>) {
    stage.enter(0);
}

unsafe extern "C" fn leave<S: Switch>(stage: &Stage<S>) {
    stage.leave(0);
}

unsafe extern "C" fn other<S: Switch>(stage: *mut ()) -> ! {
    let stage = Stage::<S>::of(stage);
    for turn in 0.. {
        let mine = core::array::from_fn(|index| 0xbad0 + 16 * turn + index as u64);
        stage.note((around(mine, stage, leave) == mine).into());
    }
    unreachable!("the test ends first");
}

#[test]
fn callee_saved_registers_survive() {
    callee_saved_registers_survive_by::<StackSwitch>();
    callee_saved_registers_survive_by::<KernelSwitch>();
}

fn callee_saved_registers_survive_by<S: Switch>() {
    let stage = Stage::<S>::new(&[other::<S>]);
    for turn in 0..4 {
        let mine = core::array::from_fn(|index| 0x600d_0000 + 16 * turn + index as u64);
        assert_eq!(around(mine, &stage, enter), mine);
    }
    assert_eq!(stage.notes(), [1, 1, 1]);
}
