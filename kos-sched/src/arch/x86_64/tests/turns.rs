//! Stacks take turns, begin as the convention says, and end for an unwinder.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::arch::naked_asm;
use std::backtrace::Backtrace;

use super::Stage;
use crate::ports::Entry;

unsafe extern "C" fn three_turns(stage: *mut ()) -> ! {
    let stage = Stage::of(stage);
    for turn in 0..3 {
        stage.note(100 + turn);
        stage.leave(0);
    }
    stage.end(0)
}

#[test]
fn two_stacks_take_turns() {
    let stage = Stage::new(&[three_turns]);
    for turn in 0..3 {
        stage.note(turn);
        stage.enter(0);
    }
    assert_eq!(stage.notes(), [0, 100, 1, 101, 2, 102]);
}

/// Passes the baton to the next of 50 stacks, 100 times round; what it holds on its stack must stay its own.
unsafe extern "C" fn runner(stage: *mut ()) -> ! {
    let stage = Stage::of(stage);
    let me = stage.notes().len();
    stage.note(me as u64);
    let mine: [usize; 32] = core::array::from_fn(|index| me * 1000 + index);
    let mine = core::hint::black_box(&mine);
    for _ in 0..100 {
        stage.pass(me, (me + 1) % 50);
        assert!(mine.iter().enumerate().all(|(index, &value)| value == me * 1000 + index));
    }
    stage.note(999);
    stage.end(me)
}

#[test]
fn fifty_stacks_keep_what_is_on_them() {
    let stage = Stage::new(&[runner as Entry; 50]);
    stage.enter(0);
    assert_eq!(stage.notes(), (0..50).chain([999]).collect::<Vec<_>>());
}

/// Hands [`note_pointer`] the stack pointer that it began with.
#[unsafe(naked)]
unsafe extern "C" fn note_entry(_stage: *mut ()) -> ! {
    naked_asm!("mov rsi, rsp", "and rsp, -16", "call {note}", "ud2", note = sym note_pointer)
}

unsafe extern "C" fn note_pointer(stage: *mut (), pointer: u64) -> ! {
    let stage = Stage::of(stage);
    stage.note(pointer);
    stage.end(0)
}

#[test]
fn an_entry_finds_the_stack_as_after_a_call() {
    let stage = Stage::new(&[note_entry]);
    stage.enter(0);
    assert_eq!(stage.notes()[0] % 16, 8, "System V ABI 3.2.2");
}

unsafe extern "C" fn trace(stage: *mut ()) -> ! {
    let frames = Backtrace::force_capture().to_string();
    let stage = Stage::of(stage);
    for name in ["turns::trace", "first_entry", "decoy"] {
        stage.note(frames.matches(name).count() as u64);
    }
    stage.end(0)
}

#[test]
fn a_backtrace_ends_at_the_root() {
    let stage = Stage::new(&[trace]);
    stage.enter(0);
    assert_eq!(stage.notes(), [1, 1, 0], "the entry, the trampoline, nothing beyond");
}
