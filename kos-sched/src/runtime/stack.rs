//! [`TaskStack`]: a stack that knows whether it was overrun, and how much of it was ever used.
//!
//! Its lowest word is a canary. Where nothing guards the stack, an overflow destroys it first of all, and the runtime finds
//! that at the next switch; a guarded stack faults, and [`TaskStack::overflows_at`] tells the fault handler why. A painted
//! stack is filled with a pattern; the lowest word that differs is the high-water mark.
#![expect(unsafe_code, reason = "reads and writes stacks by address, in two functions")]

use core::error::Error;
use core::fmt;
use core::ptr;

use crate::ports::KernelStack;
use crate::task::TaskId;

/// Bytes of a word of the stack.
const WORD: usize = size_of::<usize>();
/// What a painted word holds; no address and no small number.
const PAINT: usize = usize::from_ne_bytes([0xa5; WORD]);

/// A task that wrote beyond the low end of its stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackOverflow {
    /// Whose stack it is.
    pub task: TaskId,
    /// The low end of the stack.
    pub low: usize,
    /// What stands there in place of the canary.
    pub found: usize,
}

impl fmt::Display for StackOverflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, low, found } = self;
        write!(f, "task {task} overran its stack: {found:#x} in place of the canary at {low:#x}")
    }
}

impl Error for StackOverflow {}

/// A stack for a task, with a canary at its low end.
#[derive(Debug)]
pub struct TaskStack<S> {
    stack: S,
}

impl<S: KernelStack> TaskStack<S> {
    /// `stack` with a canary. Takes constant time.
    #[must_use]
    pub fn new(stack: S) -> Self {
        let this = Self { stack };
        write(this.low(), this.canary());
        this
    }

    /// The same, painted: [`high_water`](Self::high_water) tells what of it was used. Takes time in proportion to its size.
    #[must_use]
    pub fn painted(stack: S) -> Self {
        stack.bounds().step_by(WORD).for_each(|address| write(address, PAINT));
        Self::new(stack)
    }

    /// The addresses of the stack that a task may use: those above the canary.
    pub fn bounds(&self) -> core::ops::Range<usize> {
        self.low() + 16..self.stack.bounds().end
    }

    /// Looks whether the canary is still there. Takes constant time; any context.
    ///
    /// # Errors
    /// [`StackOverflow`] in the name of `task`.
    pub fn check(&self, task: TaskId) -> Result<(), StackOverflow> {
        let (low, found) = (self.low(), read(self.low()));
        if found == self.canary() { Ok(()) } else { Err(StackOverflow { task, low, found }) }
    }

    /// Whether a fault at `address` is an overflow of this stack: an access to its guard.
    pub fn overflows_at(&self, address: usize) -> bool {
        (self.low().saturating_sub(S::GUARD)..self.low()).contains(&address)
    }

    /// Bytes that were in use at most, if the stack was painted; else its size. A task that runs may just be using more.
    pub fn high_water(&self) -> usize {
        let unused = self.bounds().step_by(WORD).take_while(|&address| read(address) == PAINT).count();
        self.bounds().len() - unused * WORD
    }

    /// The stack back.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.stack
    }

    fn low(&self) -> usize {
        self.stack.bounds().start
    }

    /// Differs from stack to stack, so that a copied stack does not pass.
    fn canary(&self) -> usize {
        self.low() ^ PAINT.rotate_left(3) ^ 1
    }
}

/// Reads the word at `address`, a multiple of its size within the bounds of a stack that lives.
fn read(address: usize) -> usize {
    // SAFETY: `KernelStack` promises mapped memory with exposed provenance, and the private callers stay within its bounds.
    // Volatile: the task that owns the stack may be writing, and then any value will do.
    unsafe { ptr::with_exposed_provenance::<usize>(address).read_volatile() }
}

/// Writes the word at `address`, of a stack that no task uses yet.
fn write(address: usize, word: usize) {
    // SAFETY: as in `read`; the callers own the stack and have not lent it yet.
    unsafe { ptr::with_exposed_provenance_mut::<usize>(address).write_volatile(word) };
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::{PAINT, TaskStack, WORD, read, write};
    use crate::ports::KernelStack;
    use crate::task::{TaskId, TaskIndex};
    use crate::testing::HeapStack;

    const TASK: TaskId = TaskId::new(TaskIndex::new(7), 2);

    /// Uses the highest `bytes` of it.
    fn use_up(stack: &TaskStack<HeapStack>, bytes: usize) {
        let end = stack.bounds().end;
        (end - bytes..end).step_by(WORD).for_each(|address| write(address, 0));
    }

    #[test]
    fn an_overflow_is_found_and_names_the_task() {
        let stack = TaskStack::new(HeapStack::new(4096));
        use_up(&stack, stack.bounds().len());
        assert_eq!(stack.check(TASK), Ok(()), "all of it may be used");
        write(stack.low(), 0x1234);
        let error = stack.check(TASK).unwrap_err();
        assert_eq!((error.task, error.low, error.found), (TASK, stack.low(), 0x1234));
        assert!(error.to_string().starts_with("task 7.2 overran its stack"), "{error}");
    }

    #[test]
    fn a_copied_canary_does_not_pass() {
        let [first, second] = [4096, 4096].map(|bytes| TaskStack::new(HeapStack::new(bytes)));
        write(second.low(), read(first.low()));
        assert!(second.check(TASK).is_err());
        assert_ne!(read(first.low()), PAINT);
    }

    #[test]
    fn paint_tells_what_was_used() {
        let stack = TaskStack::painted(HeapStack::new(8192));
        assert_eq!(stack.high_water(), 0);
        use_up(&stack, 320);
        assert_eq!(stack.high_water(), 320);
        // A hole that was never written counts: the mark is the lowest word.
        write(stack.bounds().end - 4096, 1);
        assert_eq!(stack.high_water(), 4096);
        use_up(&stack, stack.bounds().len());
        assert_eq!((stack.high_water(), stack.check(TASK)), (8192 - 16, Ok(())));
    }

    #[test]
    fn only_a_guarded_stack_explains_a_fault() {
        let stack = TaskStack::new(HeapStack::new(4096));
        assert!(!stack.overflows_at(stack.low() - 1) && !stack.overflows_at(stack.low()));
        let bounds = stack.into_inner().bounds();
        assert_eq!(bounds.len(), 4096);
    }
}
