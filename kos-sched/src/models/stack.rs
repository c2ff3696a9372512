//! [`Stack`]: what a task runs on, and who is on it.

#[cfg(loom)]
pub(super) use exact::Stack;
#[cfg(shuttle)]
pub(super) use marked::Stack;

/// A cell: loom reports two accesses that are not ordered.
#[cfg(loom)]
mod exact {
    use loom::cell::UnsafeCell;

    pub(in crate::models) struct Stack(UnsafeCell<()>);

    // SAFETY: that is what is checked.
    #[expect(unsafe_code, reason = "that is what is checked")]
    unsafe impl Sync for Stack {}

    impl Stack {
        pub(in crate::models) fn new() -> Self {
            Self(UnsafeCell::new(()))
        }

        pub(in crate::models) fn come(&self) {
            self.0.with_mut(|_| ());
        }

        pub(in crate::models) fn leave(&self) {
            self.0.with_mut(|_| ());
        }
    }
}

/// A mark: shuttle knows no order weaker than one after the other.
#[cfg(shuttle)]
mod marked {
    use crate::atomic::{AtomicBool, Ordering};

    pub(in crate::models) struct Stack(AtomicBool);

    impl Stack {
        pub(in crate::models) fn new() -> Self {
            Self(AtomicBool::new(false))
        }

        pub(in crate::models) fn come(&self) {
            assert!(!self.0.swap(true, Ordering::SeqCst), "two CPUs on one stack");
        }

        pub(in crate::models) fn leave(&self) {
            self.0.store(false, Ordering::SeqCst);
        }
    }
}
