//! The log: each line goes to the console at once and into a ring that `dmesg` prints.
//!
//! The ring lives in boot memory, so its storage is lent.

use core::fmt::{self, Write};

use kos_alloc::{Env, Locked};

use crate::Kernel;
use crate::platform::Platform;
use crate::time::Instant;

/// Bytes that are copied while interrupts are masked, at most.
const PIECE: usize = 256;

/// The kept lines of a running kernel.
#[derive(Debug)]
pub struct Log<E: Env> {
    ring: Locked<E, Ring<'static>>,
}

impl<E: Env> Log<E> {
    pub(crate) const fn new(env: E, ring: Ring<'static>) -> Self {
        Self { ring: Locked::new(env, ring) }
    }

    /// Appends a line.
    pub(crate) fn write(&self, line: &[u8]) {
        self.ring.with(|ring| ring.write(line));
    }

    /// Copies what follows position `from`, as much as there is and has room, a few hundred bytes at most; the oldest whole line and
    /// what follows it, if that position is gone. Returns the position behind it, and how many bytes.
    pub(crate) fn read(&self, from: u64, out: &mut [u8]) -> (u64, usize) {
        let room = out.len().min(PIECE);
        let out = out.get_mut(..room).unwrap_or_default();
        self.ring.with(|ring| {
            let from = if from < ring.oldest() { ring.first_line() } else { from };
            ring.read(from, out)
        })
    }

    /// Writes the kept lines to `out`, which is called without the lock.
    ///
    /// # Errors
    /// `out` refused.
    pub fn copy_to(&self, out: &mut dyn Write) -> fmt::Result {
        let mut buffer = [0; 128];
        let mut at = self.ring.with(|ring| ring.first_line());
        loop {
            let (next, count) = self.ring.with(|ring| ring.read(at, &mut buffer));
            let bytes = buffer.get(..count).unwrap_or(&[]);
            let Some(chunk) = bytes.utf8_chunks().next() else { return Ok(()) };
            out.write_str(chunk.valid())?;
            // A character that the buffer cut is read again, a byte that is none is left out.
            let step = if chunk.valid().is_empty() { 1 } else { chunk.valid().len() as u64 };
            at = next - count as u64 + step;
        }
    }
}

impl<P: Platform> Kernel<P> {
    /// A line in the log and on its console, with its time, as the stages of the boot have them; it is cut at 250 bytes.
    pub(crate) fn tell(&self, now: Instant, what: fmt::Arguments<'_>) {
        let micros = now.duration_since_epoch().as_micros();
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        let mut line = heapless::String::<256>::new();
        // Cutting is fine: the end of the line has room.
        let _ = write!(Cut(&mut line), "[{seconds:>5}.{micros:06}] {what}");
        let _ = line.push('\n');
        self.platform().write_log(line.as_bytes());
        self.log.write(line.as_bytes());
    }
}

/// A line that leaves room for its end.
struct Cut<'l>(&'l mut heapless::String<256>);

impl Write for Cut<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = 250_usize.saturating_sub(self.0.len());
        let fits = part.floor_char_boundary(room);
        let kept = part.get(..fits).unwrap_or_default();
        self.0.push_str(kept).map_err(|_| fmt::Error)?;
        if fits < part.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

/// The newest bytes of an endless text, in lent storage.
#[derive(Debug)]
pub struct Ring<'m> {
    storage: &'m mut [u8],
    /// Bytes ever written; the newest stands before `written % capacity`.
    written: u64,
}

impl<'m> Ring<'m> {
    /// A ring without memory: it keeps nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self::new(&mut [])
    }

    /// An empty ring of `storage.len()` bytes.
    #[must_use]
    pub const fn new(storage: &'m mut [u8]) -> Self {
        Self { storage, written: 0 }
    }

    /// Whether it keeps nothing because it has no memory.
    #[must_use]
    pub const fn has_no_memory(&self) -> bool {
        self.storage.is_empty()
    }

    /// Appends bytes; the oldest make room.
    pub fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let at = self.position(self.written);
            if let Some(cell) = self.storage.get_mut(at) {
                *cell = byte;
                self.written += 1;
            }
        }
    }

    /// Position of the oldest byte that is kept.
    const fn oldest(&self) -> u64 {
        self.written.saturating_sub(self.storage.len() as u64)
    }

    /// Position of the oldest byte that can be read from a line's start: 0, or behind the first line end that survived.
    #[must_use]
    pub fn first_line(&self) -> u64 {
        let oldest = self.oldest();
        if oldest == 0 {
            return 0;
        }
        (oldest..self.written).find(|&at| self.byte(at) == Some(b'\n')).map_or(self.written, |at| at + 1)
    }

    /// Copies bytes from position `from` (or from the oldest, if that is gone) into `buffer`; returns the position behind
    /// the last copied byte and how many were copied. So a reader needs no lock while he prints.
    pub fn read(&self, from: u64, buffer: &mut [u8]) -> (u64, usize) {
        let start = from.max(self.oldest());
        let mut at = start;
        for cell in buffer {
            let Some(byte) = self.byte(at) else { break };
            *cell = byte;
            at += 1;
        }
        (at, usize::try_from(at - start).unwrap_or(0))
    }

    fn byte(&self, at: u64) -> Option<u8> {
        if at >= self.written {
            return None;
        }
        self.storage.get(self.position(at)).copied()
    }

    fn position(&self, at: u64) -> usize {
        // A remainder by the length fits where the length does.
        at.checked_rem(self.storage.len() as u64)
            .and_then(|at| usize::try_from(at).ok())
            .unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::Ring;
    use alloc::string::String;

    fn text(ring: &Ring<'_>) -> String {
        let (mut out, mut buffer, mut at) = (String::new(), [0; 3], ring.first_line());
        loop {
            let (next, count) = ring.read(at, &mut buffer);
            if count == 0 {
                return out;
            }
            out.push_str(core::str::from_utf8(&buffer[..count]).unwrap());
            at = next;
        }
    }

    #[test]
    fn short_text_is_kept_whole() {
        let mut storage = [0; 16];
        let mut ring = Ring::new(&mut storage);
        ring.write(b"one\ntwo\n");
        assert_eq!(text(&ring), "one\ntwo\n");
    }

    #[test]
    fn old_lines_leave_whole() {
        let mut storage = [0; 10];
        let mut ring = Ring::new(&mut storage);
        ring.write(b"one\ntwo\nthree\n");
        assert_eq!(text(&ring), "three\n");
    }

    #[test]
    fn a_line_longer_than_the_ring_shows_nothing() {
        let mut storage = [0; 4];
        let mut ring = Ring::new(&mut storage);
        ring.write(b"endless");
        assert_eq!(text(&ring), "");
    }

    #[test]
    fn without_storage_nothing_is_kept() {
        let mut ring = Ring::empty();
        ring.write(b"lost\n");
        assert_eq!((text(&ring), ring.first_line()), (String::new(), 0));
    }
}
