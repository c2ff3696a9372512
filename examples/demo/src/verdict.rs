//! What a run of QEMU proves.
//!
//! The guest ends QEMU through `isa-debug-exit` with 33 (success), 35 (something failed) or 37 (panic). Everything else,
//! 0 above all, is a guest that did not say how it ended: with `-no-reboot` a triple fault ends QEMU with 0.

use core::error::Error;
use core::fmt;
use std::os::unix::process::ExitStatusExt;

use crate::guest::{Ending, Run};
use crate::ktap::KtapError;
use crate::records::RecordError;

const SUCCESS: i32 = 33;
const FAILED: i32 = 35;
const PANICKED: i32 = 37;
const RESET: i32 = 0;
/// What QEMU itself exits with when it does not like its arguments; it may also abort.
const REFUSED: i32 = 1;

/// How the kernel says that it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All went well.
    Success,
    /// It came to its end, and something failed.
    Failed,
}

/// A run without a verdict from the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// QEMU did not start; holds its words.
    Refused(String),
    /// The kernel panicked; holds the line that says so.
    Died(String),
    /// The machine was reset.
    Reset,
    /// The deadline passed; holds it in milliseconds.
    TimedOut(u128),
    /// The records are garbled or cut off.
    Records(RecordError),
    /// The test report is incomplete.
    Tests(KtapError),
    /// The exit status and the report say different things.
    Contradiction(Exit),
    /// An exit status that means nothing.
    UnknownStatus(i32),
    /// QEMU was ended by this signal.
    Killed(i32),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(words) => write!(f, "QEMU refused to start: {words}"),
            Self::Died(line) => write!(f, "the kernel died: {line}"),
            Self::Reset => f.write_str("the machine was reset: a triple fault, or a reboot"),
            Self::TimedOut(limit) => {
                write!(f, "the kernel did not end within {}.{:03} s", limit / 1000, limit % 1000)
            }
            Self::Records(error) => error.fmt(f),
            Self::Tests(error) => error.fmt(f),
            Self::Contradiction(Exit::Success) => {
                f.write_str("the kernel exited with success, its report names a failure")
            }
            Self::Contradiction(Exit::Failed) => {
                f.write_str("the kernel exited with failure, its report names none")
            }
            Self::UnknownStatus(status) => write!(f, "QEMU exited with status {status}, which means nothing"),
            Self::Killed(signal) => write!(f, "QEMU was ended by signal {signal}"),
        }
    }
}

impl Error for Trouble {}

/// How the kernel ended, of a run whose log is all the kernel's own.
///
/// # Errors
/// It did not say, or it died: a panic in the log tells more than the way QEMU ended.
pub fn exit(run: &Run) -> Result<Exit, Trouble> {
    run.log.death().map_or_else(|| status(run), |line| Err(Trouble::Died(line)))
}

/// How the kernel ended by the exit status alone, for a log in which a user's words stand.
///
/// # Errors
/// It did not say, or it died.
pub fn status(run: &Run) -> Result<Exit, Trouble> {
    let status = match run.ending {
        Ending::TimedOut => return Err(Trouble::TimedOut(run.took.as_millis())),
        Ending::Stopped => return Ok(Exit::Success),
        Ending::Exited(status) => status,
    };
    let refused = run.log.is_empty() && !run.complaints.is_empty();
    let last_words = || run.log.death().unwrap_or_else(|| format!("exit status {PANICKED}"));
    match status.code() {
        Some(REFUSED) | None if refused => Err(Trouble::Refused(run.complaints.clone())),
        Some(SUCCESS) => Ok(Exit::Success),
        Some(FAILED) => Ok(Exit::Failed),
        Some(PANICKED) => Err(Trouble::Died(last_words())),
        Some(RESET) => Err(Trouble::Reset),
        Some(code) => Err(Trouble::UnknownStatus(code)),
        None => Err(Trouble::Killed(status.signal().unwrap_or_default())),
    }
}

/// Holds the exit against what the report says: both must agree.
///
/// # Errors
/// [`Trouble::Contradiction`].
pub fn agree(exit: Exit, reported: Exit) -> Result<Exit, Trouble> {
    if exit == reported { Ok(exit) } else { Err(Trouble::Contradiction(exit)) }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::process::ExitStatus;

    use super::*;
    use crate::log::Log;

    fn run(ending: Ending, text: &str) -> Run {
        let mut log = Log::default();
        log.push(text.as_bytes());
        let (registers, screen, ready, took) = (None, None, None, Duration::from_millis(1500));
        Run { ending, log, complaints: "qemu: no such board".into(), registers, screen, ready, took }
    }

    fn exited(code: i32) -> Ending {
        Ending::Exited(ExitStatus::from_raw(code << 8))
    }

    #[test]
    fn statuses_of_the_guest() {
        let judged = |code, log| exit(&run(exited(code), log));
        assert_eq!(judged(33, "up"), Ok(Exit::Success));
        assert_eq!(judged(35, "up"), Ok(Exit::Failed));
        assert_eq!(judged(37, "up"), Err(Trouble::Died("exit status 37".into())));
        assert_eq!(judged(0, "up"), Err(Trouble::Reset));
        assert_eq!(judged(1, "up"), Err(Trouble::UnknownStatus(1)));
        assert_eq!(judged(1, ""), Err(Trouble::Refused("qemu: no such board".into())));
        assert_eq!(judged(99, "up"), Err(Trouble::UnknownStatus(99)));
        assert_eq!(exit(&run(Ending::Exited(ExitStatus::from_raw(9)), "up")), Err(Trouble::Killed(9)));
        let aborted = exit(&run(Ending::Exited(ExitStatus::from_raw(6)), ""));
        assert_eq!(aborted, Err(Trouble::Refused("qemu: no such board".into())));
        assert_eq!(exit(&run(Ending::TimedOut, "")), Err(Trouble::TimedOut(1500)));
    }

    #[test]
    fn panic_text_outweighs_a_good_status() {
        for ending in [exited(33), exited(35), exited(0), Ending::TimedOut] {
            let judged = exit(&run(ending, "boot\nkernel panic: no\n"));
            assert_eq!(judged, Err(Trouble::Died("kernel panic: no".into())));
        }
    }

    #[test]
    fn words_of_a_user_are_no_panic() {
        let typed = "kos> panicked at\nunknown command\n";
        assert_eq!(status(&run(exited(33), typed)), Ok(Exit::Success));
        assert_eq!(status(&run(exited(37), "")), Err(Trouble::Died("exit status 37".into())));
    }

    #[test]
    fn status_and_report_must_agree() {
        assert_eq!(agree(Exit::Failed, Exit::Failed), Ok(Exit::Failed));
        assert_eq!(agree(Exit::Success, Exit::Failed), Err(Trouble::Contradiction(Exit::Success)));
        assert_eq!(agree(Exit::Failed, Exit::Success), Err(Trouble::Contradiction(Exit::Failed)));
    }
}
