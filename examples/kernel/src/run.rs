//! What the kernel does once it is up, by mode: the shell, a script with records, the in-kernel tests.

use core::fmt;

use crate::Kernel;
use crate::command_line::Mode;
use crate::platform::Platform;
use crate::record::{self, Kind};
use crate::selftest;
use crate::shell::script::{Outcome, Sink};
use crate::shell::{self, Status};

/// How the machine is to end; the binary's `main` does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Power off; everything that was asked for succeeded.
    Success,
    /// Power off; something failed, and was named.
    Failed,
    /// Start again.
    Reboot,
}

impl End {
    const fn success_if(good: bool) -> Self {
        if good { Self::Success } else { Self::Failed }
    }
}

/// Runs the mode of the command line.
pub(crate) fn run<P: Platform>(kernel: &Kernel<P>) -> End {
    let line = kernel.command_line();
    match line.mode {
        Mode::Shell => {
            // Who asks for it later is told if there is no thread for it.
            let _ = kernel.watch_pressure();
            kernel.platform().write_log(b"\nType 'help' for the commands, 'poweroff' to leave.\n");
            shell::interactive(kernel)
        }
        Mode::Run => records(kernel, line.exec),
        Mode::Test => End::success_if(selftest::ktap::run(kernel, line.filter, line.sabotage)),
    }
}

/// Runs a script; output and statuses go to the record channel.
fn records<P: Platform>(kernel: &Kernel<P>, text: &str) -> End {
    let Outcome { executed, failed, end } = kernel.script(text, &mut Records(kernel.platform()));
    record::write(kernel.platform(), Kind::End, &[&executed.to_le_bytes()]);
    match end {
        Some(End::Success) | None => End::success_if(failed == 0),
        Some(end) => end,
    }
}

/// The record channel as a sink.
struct Records<'p, P>(&'p P);

impl<P: Platform> Sink for Records<'_, P> {
    fn output(&mut self, bytes: &[u8]) -> fmt::Result {
        record::write(self.0, Kind::Output, &[bytes]);
        Ok(())
    }

    fn status(&mut self, command: &str, status: Status) {
        record::write(self.0, Kind::Status, &[&status.0.to_le_bytes(), command.as_bytes()]);
    }
}
