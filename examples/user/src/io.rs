//! What programs say, and the words that they were called with.

use core::fmt::{self, Write};

use crate::sys;

/// Standard output: each write is a system call.
#[derive(Clone, Copy, Debug)]
pub struct Out;

impl Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let taken = sys::write(1, rest).map_err(|_| fmt::Error)?;
            rest = usize::try_from(taken).ok().and_then(|taken| rest.get(taken..)).ok_or(fmt::Error)?;
        }
        Ok(())
    }
}

/// A line that is written at once.
#[derive(Debug)]
pub struct Line {
    bytes: [u8; 128],
    length: usize,
}

impl Line {
    /// Writes `what` and a line end to standard output.
    pub fn say(what: fmt::Arguments<'_>) {
        let mut line = Self { bytes: [0; 128], length: 0 };
        // What is too long is cut.
        let _ = line.write_fmt(what);
        let _ = line.write_str("\n");
        let text = line.bytes.get(..line.length).unwrap_or_default();
        // There is nobody else to tell.
        let _ = sys::write(1, text);
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        let part = text.as_bytes().get(..room.len().min(text.len())).unwrap_or_default();
        room.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
        self.length += part.len();
        Ok(())
    }
}

/// The words that a program was called with, and its variables: strings with a zero byte at the end of each.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    words: &'a [u8],
    variables: &'a [u8],
}

impl<'a> Words<'a> {
    /// Those that stand in these bytes.
    #[must_use]
    pub const fn new(words: &'a [u8], variables: &'a [u8]) -> Self {
        Self { words, variables }
    }

    /// The variables: `NAME=VALUE`.
    pub fn variables(self) -> impl Iterator<Item = &'a str> {
        let mut rest = self.variables;
        core::iter::from_fn(move || take(&mut rest))
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        take(&mut self.words)
    }
}

/// The first string of `rest`, which goes on behind it.
fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let end = rest.iter().position(|byte| *byte == 0)?;
    let (text, behind) = rest.split_at(end);
    *rest = behind.get(1..).unwrap_or_default();
    core::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn words_end_at_zeros() {
        let words = Words::new(b"hello\0\0you\0", b"A=1\0B=\0");
        assert!(words.eq(["hello", "", "you"]));
        assert!(words.variables().eq(["A=1", "B="]));
        assert_eq!(Words::new(b"", b"").count(), 0);
        assert_eq!(Words::new(b"cut", b"A").count(), 0);
    }
}
