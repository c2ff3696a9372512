//! Children: copies on write, shared memory, and many of them at once.
#![expect(unsafe_code, reason = "memory that several processes use lies behind no reference")]

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::number;
use crate::abi;
use crate::io::{Line, Words};
use crate::sys;

const PAGE: u64 = 4096;
/// Children of the demo.
const CHILDREN: u64 = 4;
/// Pages that they write.
const PAGES: u64 = 64;

/// Children write pages that they have from their parent; nobody sees what another wrote. Then all count in shared memory.
pub(super) fn demo(_: Words<'_>) -> u8 {
    let (Ok(own), Ok(shared)) = (
        sys::map(PAGES * PAGE, abi::READ | abi::WRITE, 0),
        sys::map(PAGE, abi::READ | abi::WRITE, abi::SHARED),
    ) else {
        return 2;
    };
    fill(own, PAGES, 7);
    for child in 1..=CHILDREN {
        match sys::fork() {
            Ok(0) => return work(own, shared, child),
            Ok(_) => {}
            Err(error) => {
                Line::say(format_args!("no child: {error:?}"));
                return 3;
            }
        }
    }
    let mut good = 0;
    while let Ok((_, status)) = sys::wait() {
        good += u64::from(status == 0);
    }
    let (kept, sum) = (holds(own, PAGES, 7), counter(shared).load(SeqCst));
    Line::say(format_args!("{good} children wrote {PAGES} pages each; the parent's are {}", what(kept)));
    Line::say(format_args!("in shared memory they counted to {sum}"));
    u8::from(good != CHILDREN || !kept || sum != CHILDREN * PAGES)
}

fn what(kept: bool) -> &'static str {
    if kept { "what they were" } else { "CHANGED" }
}

/// What a child does; 0 if it sees what it must.
fn work(own: u64, shared: u64, child: u64) -> u8 {
    if !holds(own, PAGES, 7) {
        return 4;
    }
    fill(own, PAGES, 100 + child);
    for _ in 0..PAGES {
        counter(shared).fetch_add(1, SeqCst);
    }
    sys::yield_now();
    u8::from(!holds(own, PAGES, 100 + child))
}

/// The first number of shared memory.
fn counter(at: u64) -> &'static AtomicU64 {
    let at = core::ptr::with_exposed_provenance_mut(usize::try_from(at).unwrap_or(0));
    // SAFETY: mapped, aligned, never unmapped, and used by atomics only.
    unsafe { AtomicU64::from_ptr(at) }
}

fn fill(at: u64, pages: u64, number: u64) {
    for page in 0..pages {
        // SAFETY: mapped by the caller, and behind no reference.
        unsafe { sys::poke(at + page * PAGE, number + page) };
    }
}

fn holds(at: u64, pages: u64, number: u64) -> bool {
    // SAFETY: as above.
    (0..pages).all(|page| unsafe { sys::peek(at + page * PAGE) } == number + page)
}

/// A tree of processes, each with two children, of this depth: each writes pages of its parent's and looks at them again.
pub(super) fn storm(mut words: Words<'_>) -> u8 {
    const PAGES: u64 = 8;
    let depth = number(words.next(), 3);
    let Ok(own) = sys::map(PAGES * PAGE, abi::READ | abi::WRITE, 0) else { return 2 };
    fill(own, PAGES, 1);
    let (mut level, mut name) = (0, 1);
    let (mut children, mut refused) = (0, 0);
    while level < depth && children < 2 {
        match sys::fork() {
            Ok(0) => {
                if !holds(own, PAGES, name) {
                    return 3;
                }
                (name, level, children) = (2 * name + children, level + 1, 0);
                fill(own, PAGES, name);
            }
            Ok(_) => children += 1,
            Err(_) => {
                refused += 1;
                sys::yield_now();
                if refused > 10_000 {
                    return 4;
                }
            }
        }
    }
    let mut bad = 0;
    while let Ok((_, status)) = sys::wait() {
        bad |= u8::from(status != 0);
    }
    bad | u8::from(!holds(own, PAGES, name))
}
