//! Tests of the switch: two or more stacks in one thread of the host.
#![expect(unsafe_code, reason = "tests of a stack switch")]

mod control;
mod registers;
mod turns;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::{RefCell, UnsafeCell};
use core::marker::PhantomData;
use core::ops::Range;
use core::ptr;

use super::{KernelSwitch, SavedContext, StackSwitch};
use crate::ports::{ContextSwitch, Entry, KernelStack};
use crate::testing::HeapStack;

/// Bytes of a test's stack: a failing assertion prints on it.
const STACK: usize = 128 << 10;

/// Words above each stack that look like return addresses into [`decoy`]: who walks beyond the root shows it.
const DECOYS: usize = 8;

/// The thread of the test and stacks beside it, which all see it and switch by `S`.
struct Stage<S> {
    main: UnsafeCell<SavedContext>,
    others: Vec<UnsafeCell<SavedContext>>,
    /// What the entries note for the test to see.
    notes: RefCell<Vec<u64>>,
    _stacks: Vec<HeapStack>,
    switch: PhantomData<S>,
}

/// Both switches of this module.
trait Switch: ContextSwitch<Context = SavedContext> + 'static {}
impl Switch for StackSwitch {}
impl Switch for KernelSwitch {}

impl<S: Switch> Stage<S> {
    /// A stage with one stack for each of `entries`; each gets the stage as its argument.
    fn new(entries: &[Entry]) -> Box<Self> {
        let stacks: Vec<_> = entries.iter().map(|_| HeapStack::new(STACK)).collect();
        let bounds: Vec<_> = stacks.iter().map(below_decoys).collect();
        let mut stage = Box::new(Self {
            main: UnsafeCell::default(),
            others: entries.iter().map(|_| UnsafeCell::default()).collect(),
            notes: RefCell::default(),
            _stacks: stacks,
            switch: PhantomData,
        });
        let arg = (&raw mut *stage).cast();
        for ((context, &entry), stack) in stage.others.iter_mut().zip(entries).zip(bounds) {
            // SAFETY: the stack is the stage's own, and runs only in `enter`, while the stage is there.
            unsafe { S::prepare(context.get_mut(), stack, entry, arg) };
        }
        stage
    }

    /// The stage that an entry was given.
    fn of<'a>(arg: *mut ()) -> &'a Self {
        // SAFETY: `new` gave it, and its stacks run only while it lives.
        unsafe { &*arg.cast_const().cast() }
    }

    fn note(&self, note: u64) {
        self.notes.borrow_mut().push(note);
    }

    /// What was noted.
    fn notes(&self) -> Vec<u64> {
        self.notes.borrow().clone()
    }

    /// From the test's own stack to stack `index`.
    #[inline(never)]
    fn enter(&self, index: usize) {
        // SAFETY: a test calls it on its own stack; the other was prepared, or left by one of the two below.
        unsafe { S::switch(self.main.get(), self.others[index].get()) };
    }

    /// From stack `index`, on which it is called, back to the test.
    #[inline(never)]
    fn leave(&self, index: usize) {
        // SAFETY: as in `enter`, which left `main`.
        unsafe { S::switch(self.others[index].get(), self.main.get()) };
    }

    /// From stack `from`, on which it is called, to stack `to`.
    #[inline(never)]
    fn pass(&self, from: usize, to: usize) {
        // SAFETY: as in `enter`.
        unsafe { S::switch(self.others[from].get(), self.others[to].get()) };
    }

    /// Leaves stack `index` for ever.
    fn end(&self, index: usize) -> ! {
        self.leave(index);
        unreachable!("nobody enters again");
    }
}

/// The stack without its highest words, which are decoys.
fn below_decoys(stack: &HeapStack) -> Range<usize> {
    let bounds = stack.bounds();
    let end = bounds.end - DECOYS * size_of::<usize>();
    // SAFETY: the words are the end of the stack, which is the caller's.
    let words: &mut [usize; DECOYS] = unsafe { &mut *ptr::with_exposed_provenance_mut(end) };
    words.fill(decoy as *const () as usize + 1);
    bounds.start..end
}

#[inline(never)]
fn decoy() {
    std::println!("nobody calls it");
}
