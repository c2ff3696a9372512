//! `su`, `exit`, `id`, `umask`: who one is. There are no accounts yet: a user is a number, and user 0 may become any.

use core::fmt::Write;

use kos_vfs::Errno;

use super::owner::{digits, owner};
use super::{failed, some, usage};
use crate::cmds::{self, Run, no_arguments};
use crate::platform::Platform;
use crate::shell::{CommandResult, Next, Session, Streams};

pub(in super::super) fn su<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (user, command) = some(arguments, "user")?.split_first().unwrap_or((&"", &[]));
    let (uid, gid) = owner(user)?;
    let uid = uid.ok_or_else(|| usage(format_args!("no user given")))?;
    if session.ctx().cred.uid != 0 {
        return Err(failed(format_args!("{}", Errno::EPERM.meaning())));
    }
    let found = match command.split_first() {
        None => None,
        Some((name, arguments)) => {
            let unknown = || failed(format_args!("{name}: no such command"));
            Some((cmds::find::<P>(name).ok_or_else(unknown)?, arguments))
        }
    };
    let depth = session.depth();
    if !session.become_user(uid, gid.unwrap_or(uid)) {
        return Err(failed(format_args!("too many users one after the other")));
    }
    let Some((command, arguments)) = found else { return Ok(Next::Continue) };
    let result = match command.run {
        Run::Kernel(run) => run(session.kernel, arguments, streams),
        Run::Session(run) => run(session, arguments, streams),
    };
    session.leave_to(depth);
    result
}

pub(in super::super) fn exit<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    _: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    no_arguments(arguments)?;
    let depth = session.depth().checked_sub(1);
    let depth = depth
        .ok_or_else(|| failed(format_args!("one was nobody else before; 'poweroff' ends the machine")))?;
    session.leave_to(depth);
    Ok(Next::Continue)
}

pub(in super::super) fn id<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    no_arguments(arguments)?;
    let cred = &session.ctx().cred;
    writeln!(streams, "uid={} gid={}", cred.uid, cred.gid)?;
    Ok(Next::Continue)
}

pub(in super::super) fn umask<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    match arguments {
        [] => writeln!(streams, "{:04o}", session.ctx().umask.bits())?,
        [mode] => {
            let mask = digits(mode).filter(|mode| mode.bits() & 0o7000 == 0);
            session.set_umask(mask.ok_or_else(|| usage(format_args!("'{mode}' is no mask such as 022")))?);
        }
        [_, word, ..] => return Err(usage(format_args!("unexpected '{word}'"))),
    }
    Ok(Next::Continue)
}
