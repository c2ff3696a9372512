//! Who is at the terminal: asked for before there is a prompt, where the command line says `login`.

use core::fmt::Write;

use super::line::{Editor, Event, Line};
use super::tty::Keys;
use super::{AskError, Console, Login, Session};
use crate::Kernel;
use crate::audit::What;
use crate::platform::Platform;
use crate::user::password::Secret;

/// Whether anybody can log in; if nobody can, that is said. Where it cannot be found out somebody may.
pub(super) fn is_possible<P: Platform>(kernel: &Kernel<P>) -> bool {
    let possible = kernel.anybody_has_a_password().unwrap_or(true);
    if !possible {
        // The console takes everything.
        let _ = Console(kernel.platform()).write_str(
            "kos: nobody has a password, so nobody is asked for one: 'passwd root' sets the first\n",
        );
    }
    possible
}

/// Asks for names and passwords until somebody is in; false when the console is closed.
pub(super) fn ask<P: Platform>(keys: &Keys<'_, '_, '_, P>, session: &mut Session<'_, P>) -> bool {
    let mut console = Console(session.kernel.platform());
    loop {
        let Some(name) = name(keys, &mut console) else { return false };
        // The console takes everything.
        let _ = console.write_str("password: ");
        let mut secret = Secret::new();
        let asked = keys.ask(&mut secret);
        let _ = console.write_str("\n");
        match asked {
            Ok(()) => {}
            Err(AskError::Closed) => return false,
            Err(_) => continue,
        }
        // Ctrl-C ends the wait of who failed too often.
        let (entered, _) = keys.run(|| session.kernel.log_in((0, What::Login), &name, &secret));
        match entered {
            Ok(identity) => {
                session.login = Login::In;
                let _ = session
                    .begin_as(&identity)
                    .or_else(|why| writeln!(console, "login: {}: {why}", identity.home));
                return true;
            }
            Err(why) => {
                let _ = writeln!(console, "login: {why}");
            }
        }
    }
}

/// A name; [`None`] when the console is closed.
fn name<P: Platform>(keys: &Keys<'_, '_, '_, P>, console: &mut Console<'_, P>) -> Option<Line> {
    let mut editor = Editor::new("login: ");
    loop {
        // The console takes everything.
        let _ = editor.draw(console);
        let event = loop {
            match editor.feed(keys.next()?, console) {
                Ok(Some(event)) => break event,
                _ => continue,
            }
        };
        let line = editor.take_line();
        if event == Event::Line && !line.is_empty() {
            return Some(line);
        }
    }
}
