//! The console of an interactive run: standard input byte by byte, standard output at once. The terminal's own line editing is
//! off while a [`Terminal`] lives.

use std::io::{self, Write as _};
use std::sync::Mutex;

use kos_demo_kernel::platform::Input;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::stdio;
use rustix::termios::{OptionalActions, Termios};

/// Standard input and output, raw if they are a terminal.
#[derive(Debug)]
pub struct Terminal {
    /// The settings to put back.
    before: Option<Termios>,
    /// Bytes read but not asked for yet, in reverse.
    pending: Mutex<Vec<u8>>,
}

impl Terminal {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// The terminal refuses its settings.
    pub fn open() -> io::Result<Self> {
        let mut before = None;
        if rustix::termios::isatty(stdio::stdin()) {
            let settings = rustix::termios::tcgetattr(stdio::stdin())?;
            let mut raw = settings.clone();
            raw.make_raw();
            rustix::termios::tcsetattr(stdio::stdin(), OptionalActions::Now, &raw)?;
            before = Some(settings);
        }
        Ok(Self { before, pending: Mutex::new(Vec::new()) })
    }

    /// The next byte of standard input, if there is one now.
    pub fn read(&self) -> Input {
        let Ok(mut pending) = self.pending.lock() else { return Input::Closed };
        if let Some(byte) = pending.pop() {
            return Input::Byte(byte);
        }
        if !wait(Some(Timespec { tv_sec: 0, tv_nsec: 0 })) {
            return Input::Empty;
        }
        let mut buffer = [0; 256];
        match rustix::io::read(stdio::stdin(), &mut buffer) {
            Ok(0) | Err(_) => Input::Closed,
            Ok(count) => {
                pending.extend(buffer.iter().take(count).rev());
                pending.pop().map_or(Input::Empty, Input::Byte)
            }
        }
    }

    /// Sleeps until there is input.
    #[expect(clippy::unused_self, reason = "only who has the terminal open waits for it")]
    pub fn wait(&self) {
        wait(None);
    }

    /// Writes at once; a raw terminal gets a carriage return before each line feed.
    pub fn write(&self, bytes: &[u8]) {
        let mut out = io::stdout().lock();
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let end: &[u8] = if self.before.is_some() { b"\r\n" } else { b"\n" };
            // Nobody is left to tell when standard output is gone.
            let _ = match line.strip_suffix(b"\n") {
                Some(text) => out.write_all(text).and_then(|()| out.write_all(end)),
                None => out.write_all(line),
            };
        }
        let _ = out.flush();
    }
}

/// Waits for input at most `limit`; whether there is some (or its end).
fn wait(limit: Option<Timespec>) -> bool {
    let mut standard_input = [PollFd::from_borrowed_fd(stdio::stdin(), PollFlags::IN)];
    rustix::event::poll(&mut standard_input, limit.as_ref()).is_ok_and(|ready| ready > 0)
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = rustix::termios::tcsetattr(stdio::stdin(), OptionalActions::Now, before);
        }
    }
}
