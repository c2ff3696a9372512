//! The prompt of Python, which is the module's own: [`run`].
//!
//! Each key goes to the module. It edits the line, echoes it, asks for more of it behind `...`, runs it, prints what an expression gives
//! and what was raised. Ctrl-C at a prompt is a key; while a line runs it is a `KeyboardInterrupt` in it. Ctrl-D ends.
//!
//! The status of `sys.exit` is lost: the module says only that it is to end.
//!
//! Fuel is of a line: each has the whole quota, is interrupted when that is used up, and ends the session if it goes on for more
//! than a tenth of it. Memory is of the session.

use super::program::{self, Program};
use crate::platform::Platform;
use crate::shell::{AskError, CommandError, Session, Status, Streams};
use crate::text::{Grouped, Text};

/// "It is to end", of what a key gives. With which status is not said.
const ENDS: i32 = 0x100;

/// Lets who is at the terminal talk to Python; the status it ends with.
pub(crate) fn run<'k, P: Platform>(
    session: &mut Session<'k, P>,
    program: &Program<'_>,
    streams: &mut Streams<'_, 'k, P>,
) -> Result<u32, CommandError> {
    let mut python = program::begin(session, program, streams)?;
    python.host.at_prompt = true;
    python.run("mp_js_repl_init", &[])?;
    loop {
        let key = match python.host.streams.key() {
            Ok(b'\n') => b'\r',
            Ok(key) => key,
            Err(AskError::Closed) => return Ok(0),
            Err(AskError::Interrupted) => return Ok(Status::INTERRUPTED.0),
            Err(why) => return Err(why.into()),
        };
        python.engine.begin_line(&program.quota)?;
        let ended = python.run("mp_js_repl_process_char", &[i32::from(key)])?;
        if python.engine.is_late() {
            let fuel = Grouped(program.quota.fuel);
            let said = Text::new(format_args!("the line's fuel of {fuel} is used up"));
            python.host.complain(said.as_str().as_bytes())?;
            python.run("mp_js_repl_process_char", &[i32::from(b'\r')])?;
        }
        if ended & ENDS != 0 {
            return Ok(0);
        }
    }
}
