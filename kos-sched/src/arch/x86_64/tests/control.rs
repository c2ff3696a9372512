//! Floating-point control words are callee-saved: a cooperative switch keeps them.

use core::arch::asm;

use super::StackSwitch;

type Stage = super::Stage<StackSwitch>;

/// MXCSR and the x87 control word.
type Control = (u32, u16);

/// As a new task finds them.
const INITIAL: Control = (0x1f80, 0x037f);
/// Round up; 53-bit precision, round down.
const MAIN: Control = (0x5f80, 0x067f);
/// Truncate, flush to zero; single precision, truncate.
const OTHER: Control = (0xff80, 0x0c7f);

fn control() -> Control {
    let (mut mxcsr, mut word) = (0_u32, 0_u16);
    // SAFETY: stores the two words.
    unsafe {
        asm!("stmxcsr [{}]", "fnstcw [{}]", in(reg) &raw mut mxcsr, in(reg) &raw mut word, options(nostack));
    };
    (mxcsr, word)
}

fn set_control((mxcsr, word): Control) {
    // SAFETY: the words mask all exceptions; these tests calculate with no floating-point number.
    unsafe {
        asm!("ldmxcsr [{}]", "fldcw [{}]", in(reg) &raw const mxcsr, in(reg) &raw const word, options(nostack));
    };
}

fn pack((mxcsr, word): Control) -> u64 {
    u64::from(mxcsr) << 16 | u64::from(word)
}

unsafe extern "C" fn other(stage: *mut ()) -> ! {
    let stage = Stage::of(stage);
    stage.note(pack(control()));
    set_control(OTHER);
    stage.leave(0);
    stage.note(pack(control()));
    stage.end(0)
}

/// The control words that the test's thread has after each of two turns of `other`, its own being `mine`.
fn two_turns(stage: &Stage, mine: Control) -> [Control; 2] {
    let found = control();
    set_control(mine);
    let kept = [(); 2].map(|()| {
        stage.enter(0);
        control()
    });
    set_control(found);
    kept
}

#[test]
fn regress_osv_9_control_words_are_each_tasks_own() {
    let stage = Stage::new(&[other]);
    assert_eq!(two_turns(&stage, MAIN), [MAIN; 2]);
    assert_eq!(stage.notes(), [INITIAL, OTHER].map(pack), "a fresh task, then its own words");
}

#[test]
fn each_control_word_is_kept_alone() {
    for mine in [(MAIN.0, INITIAL.1), (INITIAL.0, MAIN.1)] {
        let stage = Stage::new(&[other]);
        assert_eq!(two_turns(&stage, mine), [mine; 2]);
        assert_eq!(stage.notes(), [INITIAL, OTHER].map(pack));
    }
}
