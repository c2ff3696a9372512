//! The user's terminal during an interactive run: every key goes to the guest, and the terminal is itself again afterwards.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;

use rustix::termios::{OptionalActions, OutputModes, Termios, tcgetattr, tcsetattr};

/// How to leave, for the user.
pub const LEAVE_HINT: &str = "to leave: the command 'poweroff', or ctrl-a and then x";

/// Begins a command to us instead of the guest.
const ESCAPE: u8 = 0x01;

/// What an empty line ends with: the shell's end of input.
const END_OF_INPUT: &[u8] = b"\r\x04";

/// Raw mode until it is dropped.
#[derive(Debug)]
pub struct Raw(Termios);

impl Raw {
    /// Puts the terminal on stdin into raw mode; `None` if stdin is none.
    ///
    /// # Errors
    /// The terminal refuses.
    pub fn enter() -> io::Result<Option<Self>> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(&stdin)?;
        let mut raw = before.clone();
        raw.make_raw();
        // The guest's line ends stay line ends.
        raw.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
        tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        Ok(Some(Self(before)))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that went away needs nothing.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Forwards stdin to the guest on a thread of its own, until its end or the guest's. Returns the flag that is set when the
/// user wants to leave. At the end of input that is no terminal the guest's shell is told so.
pub fn forward(mut guest: UnixStream) -> Arc<AtomicBool> {
    let leave = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&leave);
    thread::spawn(move || {
        let (mut stdin, mut keys) = (io::stdin().lock(), Keys::new(io::stdin().is_terminal()));
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stdin.read(&mut buffer) {
            let (bytes, left) = keys.filter(buffer.get(..count).unwrap_or_default());
            if guest.write_all(&bytes).is_err() {
                return;
            }
            if left {
                flag.store(true, Ordering::Relaxed);
                return;
            }
        }
        // The guest may be gone already.
        let _ = guest.write_all(END_OF_INPUT);
    });
    leave
}

/// Finds our keys among the guest's.
struct Keys {
    /// Whether there are keys of ours at all.
    ours: bool,
    escaped: bool,
}

impl Keys {
    const fn new(ours: bool) -> Self {
        Self { ours, escaped: false }
    }

    /// The bytes for the guest, and whether the user leaves. Ctrl-a twice is one ctrl-a for the guest.
    fn filter(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        if !self.ours {
            return (typed.to_vec(), false);
        }
        let mut bytes = Vec::with_capacity(typed.len());
        for &key in typed {
            match (core::mem::take(&mut self.escaped), key) {
                (false, ESCAPE) => self.escaped = true,
                (true, b'x' | b'X') => return (bytes, true),
                (_, key) => bytes.push(key),
            }
        }
        (bytes, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ctrl_a_x_leaves_even_when_typed_slowly() {
        let mut keys = Keys::new(true);
        assert_eq!(keys.filter(b"free\x01"), (b"free".to_vec(), false));
        assert_eq!(keys.filter(b"xrest"), (Vec::new(), true));
    }

    #[test]
    fn other_keys_reach_the_guest() {
        let mut keys = Keys::new(true);
        assert_eq!(keys.filter(b"\x01\x01x\x03\x01cx"), (b"\x01x\x03cx".to_vec(), false));
    }

    #[test]
    fn piped_input_has_no_keys_of_ours() {
        assert_eq!(Keys::new(false).filter(b"\x01x"), (b"\x01x".to_vec(), false));
    }
}
