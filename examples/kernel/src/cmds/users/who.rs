//! `id`, `whoami`, `umask`: who one is.

use core::fmt::Write;

use super::super::files::owner::digits;
use super::super::no_arguments;
use super::{failed, usage};
use crate::platform::Platform;
use crate::shell::{CommandResult, Next, Session, Streams};

pub(in super::super) fn id<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let kernel = session.kernel;
    let (accounts, groups) = (kernel.accounts_of_users()?, kernel.groups()?);
    let cred = match arguments {
        [] => session.ctx().cred,
        [name] => kernel.identity(name).map_err(|why| failed(format_args!("{name}: {why}")))?.cred,
        [_, word, ..] => return Err(usage(format_args!("unexpected '{word}'"))),
    };
    write!(streams, "uid={}", cred.uid)?;
    if let Some(account) = accounts.numbered(cred.uid) {
        write!(streams, "({})", account.name)?;
    }
    for (place, gid) in core::iter::once(&cred.gid).chain(cred.groups).enumerate() {
        write!(streams, "{}{gid}", [" gid=", " groups=", ","].get(place.min(2)).unwrap_or(&""))?;
        if let Some(group) = groups.numbered(*gid) {
            write!(streams, "({})", group.name)?;
        }
    }
    writeln!(streams)?;
    Ok(Next::Continue)
}

pub(in super::super) fn whoami<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    no_arguments(arguments)?;
    let uid = session.ctx().cred.uid;
    match session.kernel.accounts_of_users()?.numbered(uid) {
        Some(account) => writeln!(streams, "{}", account.name)?,
        None => writeln!(streams, "{uid}")?,
    }
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
