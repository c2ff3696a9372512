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

/// The words that a program was called with: strings with a zero byte at the end of each, the last one empty.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a>(pub &'a [u8]);

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let end = self.0.iter().position(|byte| *byte == 0).filter(|end| *end > 0)?;
        let (word, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        core::str::from_utf8(word).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn words_end_at_the_empty_one() {
        assert!(Words(b"hello\0to\0you\0\0more\0").eq(["hello", "to", "you"]));
        assert_eq!(Words(b"\0").count(), 0);
        assert_eq!(Words(b"cut").count(), 0);
    }
}
