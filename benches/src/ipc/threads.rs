//! Threads that pass items to each other, as many producers as consumers.
//!
//! They start and end within the measured time: the same for every subject, and little beside the work.

use core::hint;
use std::sync::Barrier;
use std::thread;

/// Items of one step.
pub(super) const ITEMS: usize = 1 << 16;

/// Runs each of `work` on a thread of its own, all beginning together.
pub(super) fn together<'a>(work: Vec<Box<dyn FnOnce() + Send + 'a>>) {
    let start = &Barrier::new(work.len());
    thread::scope(|scope| {
        for one in work {
            scope.spawn(move || {
                start.wait();
                one();
            });
        }
    });
}

/// Tries until it goes; lets another thread run now and then.
#[inline]
pub(super) fn until<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let mut tries = 0_u32;
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        tries += 1;
        if tries.is_multiple_of(256) {
            thread::yield_now();
        } else {
            hint::spin_loop();
        }
    }
}
