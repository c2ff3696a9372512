//! The programs: each is a function of its words; what it returns is its status.

mod beacon;
mod caps;
mod crash;
mod exec;
mod fork;
mod hello;
mod mmap;
mod pingpong;
mod ramfsd;
mod repeat;
mod shared;
mod tests;

use crate::abi::PROGRAMS;
use crate::io::{Line, Words};

/// Runs the program that the first word names, by the last part of it as a path; its status.
pub fn run(mut words: Words<'_>) -> u8 {
    let name = words.next().unwrap_or("");
    let name = name.rsplit('/').next().unwrap_or(name);
    let mut programs = PROGRAMS.iter().zip(CODE);
    let Some((_, program)) = programs.find(|(known, _)| **known == name) else {
        Line::say(format_args!("{name}: no such program"));
        return 127;
    };
    program(words)
}

type Program = fn(Words<'_>) -> u8;

/// In the order of their names.
const CODE: [Program; PROGRAMS.len()] = [
    hello::hello,
    hello::spin,
    tests::run,
    fork::demo,
    fork::storm,
    mmap::demo,
    crash::run,
    pingpong::run,
    caps::run,
    ramfsd::run,
    shared::run,
    beacon::run,
    repeat::run,
    hello::printenv,
    exec::demo,
];

/// A word as a number.
fn number(word: Option<&str>, default: u64) -> u64 {
    word.and_then(|word| word.parse().ok()).unwrap_or(default)
}
