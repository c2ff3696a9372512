//! The smallest programs.

use core::fmt::Write;

use crate::io::{Line, Out, Words};
use crate::sys;

/// Says who it is and what it was called with.
pub(super) fn hello(words: Words<'_>) -> u8 {
    Line::say(format_args!("hello from process {} in ring 3", sys::pid()));
    for word in words {
        Line::say(format_args!("  {word}"));
    }
    0
}

/// Says its variables; or those that its words name, and it fails if one is missing.
pub(super) fn printenv(words: Words<'_>) -> u8 {
    let out = &mut Out;
    if words.count() == 0 {
        let said = words.variables().try_for_each(|variable| writeln!(out, "{variable}"));
        return u8::from(said.is_err());
    }
    let mut missing = 0;
    for name in words {
        let value =
            words.variables().filter_map(|variable| variable.split_once('=')).find(|(have, _)| *have == name);
        missing |= u8::from(value.is_none_or(|(_, value)| writeln!(out, "{value}").is_err()));
    }
    missing
}

/// Computes until it is ended.
pub(super) fn spin(_: Words<'_>) -> u8 {
    loop {
        core::hint::spin_loop();
    }
}
