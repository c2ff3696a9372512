//! `cd`, `pwd`: where one stands.

use core::fmt::Write;

use super::names::Shown;
use super::usage;
use crate::cmds::no_arguments;
use crate::platform::Platform;
use crate::shell::{CommandResult, Next, Session, Streams};

pub(in super::super) fn cd<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    _: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let path = match arguments {
        [] => "/",
        [path] => path,
        [_, word, ..] => return Err(usage(format_args!("unexpected '{word}'"))),
    };
    session.enter(path)?;
    Ok(Next::Continue)
}

pub(in super::super) fn pwd<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    no_arguments(arguments)?;
    let view = session.view()?;
    let path = view.path(view.cwd())?;
    writeln!(streams, "{}", Shown(&path))?;
    Ok(Next::Continue)
}
