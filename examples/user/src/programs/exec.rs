//! One program in place of another, again and again, in one process.

use core::fmt::{self, Write};

use super::number;
use crate::io::{Line, Words};
use crate::sys;

/// Where all programs lie.
const PATH: &str = "/bin/exec-demo";
/// How often, if nothing is said.
const TIMES: u64 = 10;

/// Strings for a program, with a zero behind each.
struct Strings {
    bytes: [u8; 128],
    length: usize,
}

impl Strings {
    const fn new() -> Self {
        Self { bytes: [0; 128], length: 0 }
    }

    /// One more.
    fn add(&mut self, what: fmt::Arguments<'_>) -> fmt::Result {
        self.write_fmt(what)?;
        self.write_str("\0")
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Write for Strings {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length.checked_add(text.len()).ok_or(fmt::Error)?;
        let room = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// `exec-demo [TIMES] [PROCESS FILE]`: becomes itself so many times; then it says whether it is still the process that it was, with
/// the file that the first of them opened.
pub(super) fn demo(mut words: Words<'_>) -> u8 {
    let all = words.variables().find_map(|variable| variable.strip_prefix("ALL="));
    let left = number(words.next(), TIMES);
    let process = number(words.next(), sys::pid());
    let file = match words.next() {
        Some(word) => number(Some(word), u64::MAX),
        None => sys::open(PATH.as_bytes(), 0).unwrap_or(u64::MAX),
    };
    if left == 0 {
        return last(number(all, 0), process, file);
    }
    let (mut strings, mut variables) = (Strings::new(), Strings::new());
    let built = strings.add(format_args!("{PATH}")).and_then(|()| strings.add(format_args!("{}", left - 1)));
    let built = built.and_then(|()| strings.add(format_args!("{process}")));
    let built = built.and_then(|()| strings.add(format_args!("{file}")));
    let all = number(all, left);
    if built.and_then(|()| variables.add(format_args!("ALL={all}"))).is_err() {
        return 2;
    }
    let error = sys::exec(PATH.as_bytes(), strings.bytes(), variables.bytes());
    Line::say(format_args!("no other program: {error:?}"));
    3
}

fn last(times: u64, process: u64, file: u64) -> u8 {
    let mut head = [0; 4];
    let same = sys::pid() == process;
    let read = sys::read(file, &mut head) == Ok(4) && head == *b"\x7fELF";
    let is = if same { "the process that it was" } else { "ANOTHER PROCESS" };
    let has = if read { "its open file" } else { "NOT ITS FILE" };
    Line::say(format_args!("after {times} programs it is {is}, with {has}"));
    u8::from(!same || !read)
}
