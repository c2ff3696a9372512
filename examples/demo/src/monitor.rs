//! QEMU's monitor, as text for people: a line in, an answer, a prompt.

use core::time::Duration;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use crate::error::Error;
use crate::process::keep;

/// How it asks for a line.
const PROMPT: &str = "(qemu)";

/// The monitor of a running QEMU.
#[derive(Debug)]
pub struct Monitor(UnixStream);

impl Monitor {
    /// Over its socket.
    pub(crate) const fn new(socket: UnixStream) -> Self {
        Self(socket)
    }

    /// Another hand on the same monitor; both must not ask at once.
    pub(crate) fn share(&self) -> Result<Self, Error> {
        self.0.try_clone().map(Self).map_err(Error::io("share a socket"))
    }

    /// Asks for something, and returns the answer once the prompt is back; what came before is forgotten.
    ///
    /// # Errors
    /// QEMU does not take the line, or is silent for `limit`.
    pub fn ask(&mut self, line: &str, limit: Duration) -> Result<String, Error> {
        let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
        self.forget(&mut buffer).map_err(Error::io("ask QEMU's monitor"))?;
        let timed = self.0.set_read_timeout(Some(limit));
        timed.and_then(|()| writeln!(self.0, "{line}")).map_err(Error::io("ask QEMU's monitor"))?;
        loop {
            let count = self.0.read(&mut buffer).map_err(Error::io("hear QEMU's monitor"))?;
            keep(&mut answer, buffer.get(..count).unwrap_or_default());
            let text = String::from_utf8_lossy(&answer);
            // What was asked comes back first, in the row of the prompt before it.
            if count == 0 || text.contains('\n') && text.trim_end().ends_with(PROMPT) {
                return Ok(text.into_owned());
            }
        }
    }

    /// Reads what is there already: QEMU greets whoever comes.
    fn forget(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.0.set_nonblocking(true)?;
        while matches!(self.0.read(buffer), Ok(1..)) {}
        self.0.set_nonblocking(false)
    }
}
