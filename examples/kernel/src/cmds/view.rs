//! `view`: memory, run queues and page cache as a picture that moves.

use core::fmt::{self, Write};

use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next, Session, Streams};
use crate::text::Text;
use crate::time::Duration;
use crate::view::{self, Queues};

/// Between two frames, unless told otherwise, and at most; milliseconds.
const PAUSE: u64 = 500;
const LONGEST: u64 = 60_000;
/// Frames at most.
const MOST: u32 = 1_000_000;

/// Moves on a terminal until ctrl-c; elsewhere it is one frame, unless so many are asked for.
pub(super) fn run<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let kernel = session.kernel;
    let (frames, pause) = wanted(arguments)?;
    let moves = streams.is_terminal() && frames != Some(1);
    let frames = frames.unwrap_or(if moves { MOST } else { 1 });
    kernel.watch_pressure()?;
    let mut queues = Queues::default();
    for number in 1..=frames {
        if number > 1 {
            let _ = kernel.threads.sleep(pause);
            if kernel.is_told_to_end() {
                return Err(CommandError::Quiet);
            }
        }
        match moves {
            true => {
                // From the first corner on; what was below the last line goes.
                streams.write_str(if number == 1 { "\x1b[2J\x1b[H" } else { "\x1b[H" })?;
                view::frame(kernel, &mut queues, number, &mut Over(streams))?;
                streams.write_str("\x1b[J")?;
            }
            false => view::frame(kernel, &mut queues, number, streams)?,
        }
    }
    Ok(Next::Continue)
}

/// Lines over other lines: what was behind their ends goes.
struct Over<'a>(&'a mut dyn Write);

impl Write for Over<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive('\n') {
            match piece.strip_suffix('\n') {
                Some(line) => writeln!(self.0, "{line}\x1b[K")?,
                None => self.0.write_str(piece)?,
            }
        }
        Ok(())
    }
}

fn usage(what: fmt::Arguments<'_>) -> CommandError {
    CommandError::Usage(Text::new(what))
}

/// How many frames, and how long between them.
fn wanted(arguments: &[&str]) -> Result<(Option<u32>, Duration), CommandError> {
    let (frames, rest) = match arguments {
        ["-n", count, rest @ ..] => (Some(count.parse().unwrap_or(0)), rest),
        rest => (None, rest),
    };
    if frames.is_some_and(|frames| !(1..=MOST).contains(&frames)) {
        return Err(usage(format_args!("-n 1 to {MOST} frames")));
    }
    let millis = match rest {
        [] => Some(PAUSE),
        [word] => word.parse().ok().filter(|millis| (1..=LONGEST).contains(millis)),
        [_, extra, ..] => return Err(usage(format_args!("unexpected '{extra}'"))),
    };
    let millis = millis.ok_or_else(|| usage(format_args!("1 to {LONGEST} milliseconds")))?;
    Ok((frames, Duration::from_millis(millis)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn a_line_erases_what_was_behind_it() {
        let mut text = String::new();
        write!(Over(&mut text), "a{}\nb\n\nc", 1).unwrap();
        assert_eq!(text, "a1\x1b[K\nb\x1b[K\n\x1b[K\nc");
    }
}
