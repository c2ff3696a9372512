//! A hosted shell on a terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use rustix::pty::OpenptFlags;

/// A shell on a terminal.
pub(crate) struct Typed {
    terminal: File,
    pub(crate) child: std::process::Child,
    /// What was read and not asked for yet.
    seen: Vec<u8>,
}

impl Typed {
    /// The shell with these arguments.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let ours = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        rustix::pty::grantpt(&ours).unwrap();
        rustix::pty::unlockpt(&ours).unwrap();
        let name = rustix::pty::ptsname(&ours, Vec::new()).unwrap();
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
        let theirs = rustix::fs::open(name, flags, rustix::fs::Mode::empty()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_kos-hosted"));
        command.arg("shell").args(arguments).stdin(theirs.try_clone().unwrap()).stdout(Stdio::from(theirs));
        Self { child: command.spawn().unwrap(), terminal: File::from(ours), seen: Vec::new() }
    }

    /// Says lines, each as the answer to what is expected before it; all that was seen.
    pub(crate) fn talk(&mut self, lines: &[(&str, &str)]) -> String {
        lines.iter().fold(String::new(), |seen, (wanted, said)| {
            let seen = if wanted.is_empty() { seen } else { seen + &self.expect(wanted) };
            self.say(&format!("{said}\r"));
            seen
        })
    }

    /// Types it.
    pub(crate) fn say(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).unwrap();
    }

    /// Everything up to `wanted`.
    pub(crate) fn expect(&mut self, wanted: &str) -> String {
        let mut buffer = [0; 1024];
        loop {
            let place = self.seen.windows(wanted.len()).position(|part| part == wanted.as_bytes());
            if let Some(place) = place {
                let rest = self.seen.split_off(place + wanted.len());
                let seen = core::mem::replace(&mut self.seen, rest);
                return String::from_utf8_lossy(&seen).into_owned();
            }
            let count = self.terminal.read(&mut buffer).unwrap();
            assert_ne!(count, 0, "closed before {wanted:?}: {}", String::from_utf8_lossy(&self.seen));
            self.seen.extend(buffer.iter().take(count));
        }
    }
}

impl Drop for Typed {
    fn drop(&mut self) {
        // One that has ended is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
