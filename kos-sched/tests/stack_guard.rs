//! A stack that overflows: with a guard page it is a fault at an address that names the stack, and nobody else's memory changes.
#![cfg(all(target_arch = "x86_64", unix))]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use core::hint::black_box;
use std::env;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use common::MappedStack;
use kos_sched::arch::x86_64::{SavedContext, StackSwitch};
use kos_sched::runtime::TaskStack;
use kos_sched::{ContextSwitch, Entry};

/// In the environment of the process that is to die.
const CHILD: &str = "KOS_TEST_STACK_GUARD_CHILD";
const BYTES: usize = 64 << 10;
const SIGSEGV: i32 = 11;

/// Runs `entry` on a stack of its own, from which nobody comes back.
fn enter(entry: Entry) -> ! {
    let stack = TaskStack::new(MappedStack::new(BYTES));
    let (mut main, mut other) = (SavedContext::default(), SavedContext::default());
    // SAFETY: the stack is ours and lives until the process dies; the entries take no argument.
    unsafe { StackSwitch::prepare(&mut other, stack.bounds(), entry, core::ptr::null_mut()) };
    // SAFETY: this code is `main`, and `other` was just prepared.
    unsafe { StackSwitch::switch(&raw mut main, &raw const other) };
    unreachable!("nobody switches back")
}

#[expect(unconditional_recursion, reason = "that is what overflows a stack")]
#[inline(never)]
fn dig(depth: usize) -> usize {
    let ballast = black_box([depth; 64]);
    dig(depth + 1) + ballast[depth % 64]
}

unsafe extern "C" fn overflow(_: *mut ()) -> ! {
    black_box(dig(0));
    unreachable!("the stack has an end")
}

unsafe extern "C" fn stay_within(_: *mut ()) -> ! {
    let ballast = black_box([1_u8; BYTES / 2]);
    std::process::exit(i32::from(ballast[BYTES / 4] != 1))
}

/// This test again, in a process that may die.
fn status_of(test: &str) -> std::process::ExitStatus {
    let program = env::current_exe().unwrap();
    Command::new(program).args(["--exact", test, "--nocapture"]).env(CHILD, "1").output().unwrap().status
}

#[test]
fn an_overflow_faults() {
    if env::var_os(CHILD).is_some() {
        enter(overflow);
    }
    assert_eq!(status_of("an_overflow_faults").signal(), Some(SIGSEGV));
}

#[test]
fn use_within_bounds_does_not() {
    if env::var_os(CHILD).is_some() {
        enter(stay_within);
    }
    assert_eq!(status_of("use_within_bounds_does_not").code(), Some(0));
}

#[test]
fn an_address_in_the_guard_tells_of_overflow() {
    let stack = TaskStack::new(MappedStack::new(BYTES));
    let low = stack.bounds().start - 16;
    assert!([low - 1, low - 4096].iter().all(|&address| stack.overflows_at(address)));
    assert!([low, low - 4097, 0, stack.bounds().end].iter().all(|&address| !stack.overflows_at(address)));
}
