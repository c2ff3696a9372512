//! `cat`, `hexdump`, `echo`: bytes of files, and into them.

use core::fmt::Write;

use kos_vfs::{At, How, OpenFlags};

use super::each;
use crate::platform::Platform;
use crate::shell::{CommandResult, Next, Output, Session, Streams};

/// Bytes that are read at a time.
const CHUNK: usize = 1024;
/// Bytes of a line of a dump.
const LINE: usize = 16;

/// Gives the bytes of each operand, or of the input if there is none, to `take`, piece by piece.
fn pieces<'k, P: Platform>(
    name: &str,
    session: &mut Session<'k, P>,
    operands: &[&str],
    streams: &mut Streams<'_, 'k, P>,
    mut take: impl FnMut(&[u8], &mut Streams<'_, 'k, P>) -> core::fmt::Result,
) -> CommandResult {
    if operands.is_empty() {
        let mut buffer = [0; CHUNK];
        loop {
            let count = streams.read(&mut buffer)?;
            let bytes = buffer.get(..count).filter(|bytes| !bytes.is_empty());
            let Some(bytes) = bytes else { return Ok(Next::Continue) };
            take(bytes, streams)?;
        }
    }
    each(name, operands, streams, |path, streams| {
        let how = How::flags(OpenFlags::empty());
        let file = session.call()?.open(At::Cwd, path.as_bytes(), &how)?;
        let mut buffer = [0; CHUNK];
        loop {
            let count = file.read(&mut buffer)?;
            let bytes = buffer.get(..count).filter(|bytes| !bytes.is_empty());
            let Some(bytes) = bytes else { return Ok(()) };
            take(bytes, streams)?;
        }
    })
}

pub(in super::super) fn cat<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    pieces("cat", session, arguments, streams, |bytes, streams| streams.write_bytes(bytes))
}

pub(in super::super) fn hexdump<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let mut dump = Dump::default();
    let result = pieces("hexdump", session, arguments, streams, |bytes, streams| dump.take(bytes, streams));
    dump.end(streams)?;
    result
}

/// Bytes on their way into lines.
#[derive(Default)]
struct Dump {
    line: heapless::Vec<u8, LINE>,
    /// Where the line begins.
    offset: u64,
}

impl Dump {
    fn take(&mut self, bytes: &[u8], out: &mut dyn Write) -> core::fmt::Result {
        for &byte in bytes {
            // There is room: a full line was written.
            let _ = self.line.push(byte);
            if self.line.is_full() {
                self.write(out)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, out: &mut dyn Write) -> core::fmt::Result {
        write!(out, "{:08x} ", self.offset)?;
        for index in 0..LINE {
            let gap = if index == LINE / 2 { "  " } else { " " };
            match self.line.get(index) {
                Some(byte) => write!(out, "{gap}{byte:02x}")?,
                None => write!(out, "{gap}  ")?,
            }
        }
        out.write_str("  |")?;
        for &byte in &self.line {
            let shown = if matches!(byte, b' '..=b'~') { char::from(byte) } else { '.' };
            out.write_char(shown)?;
        }
        writeln!(out, "|")?;
        self.offset += self.line.len() as u64;
        self.line.clear();
        Ok(())
    }

    /// The last line, and how many bytes there were.
    fn end(&mut self, out: &mut dyn Write) -> core::fmt::Result {
        if !self.line.is_empty() {
            self.write(out)?;
        }
        writeln!(out, "{:08x}", self.offset)
    }
}

pub(in super::super) fn echo<'k, P: Platform>(
    _: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (open, words) = match arguments {
        ["-n", words @ ..] => (true, words),
        words => (false, words),
    };
    for (index, word) in words.iter().enumerate() {
        write!(streams, "{}{word}", if index == 0 { "" } else { " " })?;
    }
    if !open {
        writeln!(streams)?;
    }
    Ok(Next::Continue)
}

#[cfg(test)]
mod tests {
    use super::Dump;
    use alloc::string::String;

    #[test]
    fn dumps_have_lines_of_sixteen_bytes() {
        let (mut dump, mut out) = (Dump::default(), String::new());
        dump.take(b"0123456789", &mut out).unwrap();
        dump.take(b"abcdef\n\xff", &mut out).unwrap();
        dump.end(&mut out).unwrap();
        let lines = [
            "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|",
            "00000010  0a ff                                             |..|",
            "00000012",
            "",
        ];
        assert_eq!(out, lines.join("\n"));
    }
}
