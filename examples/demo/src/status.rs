//! What the command answers to the shell that called it.

use std::process::ExitCode;

/// Exit status of `cargo demo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Everything that was asked for succeeded.
    Success = 0,
    /// The kernel ran to its end, and a command or a test failed; it is named on stderr.
    Failed = 1,
    /// The request makes no sense, or this machine cannot meet it.
    Usage = 2,
    /// No verdict from the kernel: it did not build, panicked, died, hung, or its output was cut off or garbled.
    Broken = 3,
    /// No QEMU.
    NoQemu = 4,
    /// Stopped by a signal.
    Interrupted = 130,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}
