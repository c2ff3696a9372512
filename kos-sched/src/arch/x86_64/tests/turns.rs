//! Stacks take turns, begin as the convention says, and end for an unwinder.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::arch::naked_asm;
use std::backtrace::Backtrace;

use super::{KernelSwitch, StackSwitch, Stage, Switch};
use crate::ports::Entry;

unsafe extern "C" fn three_turns<S: Switch>(stage: *mut ()) -> ! {
    let stage = Stage::<S>::of(stage);
    for turn in 0..3 {
        stage.note(100 + turn);
        stage.leave(0);
    }
    stage.end(0)
}

#[test]
fn two_stacks_take_turns() {
    two_stacks_take_turns_by::<StackSwitch>();
    two_stacks_take_turns_by::<KernelSwitch>();
}

fn two_stacks_take_turns_by<S: Switch>() {
    let stage = Stage::<S>::new(&[three_turns::<S>]);
    for turn in 0..3 {
        stage.note(turn);
        stage.enter(0);
    }
    assert_eq!(stage.notes(), [0, 100, 1, 101, 2, 102]);
}

/// Passes the baton to the next of 50 stacks, 100 times round; what it holds on its stack must stay its own.
unsafe extern "C" fn runner<S: Switch>(stage: *mut ()) -> ! {
    let stage = Stage::<S>::of(stage);
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
    fifty_stacks_keep_what_is_on_them_by::<StackSwitch>();
    fifty_stacks_keep_what_is_on_them_by::<KernelSwitch>();
}

fn fifty_stacks_keep_what_is_on_them_by<S: Switch>() {
    let stage = Stage::<S>::new(&[runner::<S> as Entry; 50]);
    stage.enter(0);
    assert_eq!(stage.notes(), (0..50).chain([999]).collect::<Vec<_>>());
}

/// Hands [`note_pointer`] the stack pointer that it began with.
#[unsafe(naked)]
unsafe extern "C" fn note_entry<S: Switch>(_stage: *mut ()) -> ! {
    naked_asm!("mov rsi, rsp", "and rsp, -16", "call {note}", "ud2", note = sym note_pointer::<S>)
}

unsafe extern "C" fn note_pointer<S: Switch>(stage: *mut (), pointer: u64) -> ! {
    let stage = Stage::<S>::of(stage);
    stage.note(pointer);
    stage.end(0)
}

#[test]
fn an_entry_finds_the_stack_as_after_a_call() {
    an_entry_finds_the_stack_as_after_a_call_by::<StackSwitch>();
    an_entry_finds_the_stack_as_after_a_call_by::<KernelSwitch>();
}

fn an_entry_finds_the_stack_as_after_a_call_by<S: Switch>() {
    let stage = Stage::<S>::new(&[note_entry::<S>]);
    stage.enter(0);
    assert_eq!(stage.notes()[0] % 16, 8, "System V ABI 3.2.2");
}

unsafe extern "C" fn entry_that_looks_back<S: Switch>(stage: *mut ()) -> ! {
    let frames = Backtrace::force_capture().to_string();
    let stage = Stage::<S>::of(stage);
    for name in ["entry_that_looks_back", "first_entry", "decoy"] {
        stage.note(frames.matches(name).count() as u64);
    }
    stage.end(0)
}

#[test]
fn a_backtrace_ends_at_the_root() {
    a_backtrace_ends_at_the_root_by::<StackSwitch>();
    a_backtrace_ends_at_the_root_by::<KernelSwitch>();
}

fn a_backtrace_ends_at_the_root_by<S: Switch>() {
    let stage = Stage::<S>::new(&[entry_that_looks_back::<S>]);
    stage.enter(0);
    assert_eq!(stage.notes(), [1, 1, 0], "the entry, the trampoline, nothing beyond");
}
