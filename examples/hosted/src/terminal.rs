//! The console of an interactive run: standard input byte by byte, standard output at once. The terminal's own line editing is
//! off while a [`Terminal`] lives. A signal that ends the process gives the terminal back first.

use std::io::{self, Write as _};
use std::sync::Mutex;
use std::thread::{self, JoinHandle};

use kos_demo_kernel::platform::Input;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::stdio;
use rustix::termios::{OptionalActions, Termios};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::emulate_default_handler;

/// Standard input and output, raw if they are a terminal.
#[derive(Debug)]
pub struct Terminal {
    /// Raw mode, if standard input is a terminal.
    raw: Option<Raw>,
    /// Bytes read but not asked for yet, in reverse.
    pending: Mutex<Vec<u8>>,
}

impl Terminal {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// The terminal refuses its settings.
    pub fn open() -> io::Result<Self> {
        let raw = rustix::termios::isatty(stdio::stdin()).then(Raw::enter).transpose()?;
        Ok(Self { raw, pending: Mutex::new(Vec::new()) })
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
            let end: &[u8] = if self.raw.is_some() { b"\r\n" } else { b"\n" };
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

/// Raw mode, until it is dropped or a signal comes that ends the process.
#[derive(Debug)]
struct Raw {
    before: Termios,
    signals: Handle,
    watcher: Option<JoinHandle<()>>,
}

impl Raw {
    fn enter() -> io::Result<Self> {
        let before = rustix::termios::tcgetattr(stdio::stdin())?;
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        let (handle, settings) = (signals.handle(), before.clone());
        let watcher = thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                restore(&settings);
                // Ends the process by that signal, as if nobody had caught it.
                let _ = emulate_default_handler(signal);
            }
        })?;
        let entered = Self { before, signals: handle, watcher: Some(watcher) };
        let mut raw = entered.before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(stdio::stdin(), OptionalActions::Now, &raw)?;
        Ok(entered)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore(&self.before);
        self.signals.close();
        // A watcher that panicked has nothing more to do.
        let _ = self.watcher.take().map(JoinHandle::join);
    }
}

fn restore(settings: &Termios) {
    // A terminal that is gone needs no settings.
    let _ = rustix::termios::tcsetattr(stdio::stdin(), OptionalActions::Now, settings);
}
