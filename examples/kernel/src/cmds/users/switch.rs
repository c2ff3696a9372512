//! `su`, `login`, `exit`: to be somebody else, and oneself again.
//!
//! User 0 becomes anybody, a number without an account too; others are asked for the password of whom they want to be.

use kos_vfs::{Cred, Errno};

use super::super::files::owner::owner;
use super::super::no_arguments;
use super::{failed, usage};
use crate::audit::What;
use crate::cmds;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Login, Next, Session, Streams};
use crate::user::login::Identity;
use crate::user::password::Secret;

/// Who is meant by `su` alone.
const ROOT: &str = "root";

pub(in super::super) fn su<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (who, command) = arguments.split_first().unwrap_or((&ROOT, &[]));
    let found = match command.split_first() {
        None => None,
        Some((name, arguments)) => {
            let unknown = || failed(format_args!("{name}: no such command"));
            Some((cmds::find::<P>(name).ok_or_else(unknown)?, arguments))
        }
    };
    let cred = if who.starts_with(|first: char| first.is_ascii_digit() || first == ':') {
        by_number(session, who)?
    } else if session.ctx().cred.uid == 0 {
        let identity = session.kernel.identity(who).map_err(|why| failed(format_args!("{who}: {why}")))?;
        session.kernel.record(0, What::Su, who, true)?;
        identity.cred
    } else {
        asked(session, What::Su, who, streams)?.cred
    };
    let depth = session.depth();
    become_one(session, cred)?;
    let Some((command, arguments)) = found else { return Ok(Next::Continue) };
    let result = cmds::invoke(session, command, arguments, streams);
    session.leave_to(depth);
    result
}

fn become_one<P: Platform>(session: &mut Session<'_, P>, cred: Cred<'static>) -> Result<(), CommandError> {
    let done = session.become_user(cred);
    if done { Ok(()) } else { Err(failed(format_args!("too many users one after the other"))) }
}

/// A user who need not have an account: for user 0 alone.
fn by_number<P: Platform>(session: &Session<'_, P>, who: &str) -> Result<Cred<'static>, CommandError> {
    let (uid, gid) = owner(who)?;
    let uid = uid.ok_or_else(|| usage(format_args!("no user given")))?;
    let (kernel, asks) = (session.kernel, session.ctx().cred.uid);
    let recorded = kernel.record(asks, What::Su, &who, asks == 0);
    if asks != 0 {
        return Err(failed(format_args!("{}", Errno::EPERM.meaning())));
    }
    recorded?;
    let gid = gid.unwrap_or(uid);
    Ok(if uid == 0 { Cred { gid, ..Cred::ROOT } } else { Cred::user(uid, gid, &[]) })
}

/// Who somebody is, by his password.
fn asked<'k, P: Platform>(
    session: &Session<'k, P>,
    what: What,
    name: &str,
    streams: &mut Streams<'_, 'k, P>,
) -> Result<Identity, CommandError> {
    let mut secret = Secret::new();
    streams.ask("password: ", &mut secret)?;
    Ok(session.kernel.log_in((session.ctx().cred.uid, what), name, &secret)?)
}

pub(in super::super) fn login<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let [name] = arguments else { return Err(usage(format_args!("who?"))) };
    let identity = asked(session, What::Login, name, streams)?;
    become_one(session, identity.cred)?;
    if let Err(why) = session.go_home(&identity) {
        streams.complain(format_args!("login: {}: {why}", identity.home))?;
    }
    Ok(Next::Continue)
}

pub(in super::super) fn exit<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    _: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    no_arguments(arguments)?;
    match session.depth().checked_sub(1) {
        Some(depth) => session.leave_to(depth),
        None if session.login == Login::In => session.login = Login::Out,
        None => return Err(failed(format_args!("one was nobody else before; 'poweroff' ends the machine"))),
    }
    Ok(Next::Continue)
}
