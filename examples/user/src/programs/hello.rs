//! The smallest programs.

use crate::io::{Line, Words};
use crate::sys;

/// Says who it is and what it was called with.
pub(super) fn hello(words: Words<'_>) -> u8 {
    Line::say(format_args!("hello from process {} in ring 3", sys::pid()));
    for word in words {
        Line::say(format_args!("  {word}"));
    }
    0
}

/// Computes until it is ended.
pub(super) fn spin(_: Words<'_>) -> u8 {
    loop {
        core::hint::spin_loop();
    }
}
