//! `roles`: who may what beside what files say.

use core::fmt::Write;

use super::change::name;
use super::{failed, usage};
use crate::audit::What;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next, Session, Streams};
use crate::user::roles::Role;

pub(in super::super) fn run<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    match arguments {
        [] => list(session, streams)?,
        ["grant", role, user] => change(session, role, user, true)?,
        ["revoke", role, user] => change(session, role, user, false)?,
        _ => return Err(usage(format_args!("nothing, or grant or revoke with a role and a user"))),
    }
    Ok(Next::Continue)
}

fn change<P: Platform>(
    session: &Session<'_, P>,
    role: &str,
    user: &str,
    granted: bool,
) -> Result<(), CommandError> {
    let role =
        Role::named(role).ok_or_else(|| failed(format_args!("'{role}' is no role; 'roles' lists them")))?;
    let (kernel, uid, name) = (session.kernel, session.ctx().cred.uid, name(user)?);
    let what = if granted { What::Grant } else { What::Revoke };
    kernel.record(uid, what, &format_args!("{role} {name}"), true)?;
    let changed = kernel.set_role(role, &name, granted);
    let changed = changed.map_err(|why| failed(format_args!("{name}: {why}")))?;
    match changed {
        true => Ok(()),
        false if granted => Err(failed(format_args!("{name} has the role '{role}' already"))),
        false => Err(failed(format_args!("{name} has not the role '{role}'"))),
    }
}

fn list<'k, P: Platform>(
    session: &Session<'k, P>,
    streams: &mut Streams<'_, 'k, P>,
) -> Result<(), CommandError> {
    let all = session.kernel.roles()?;
    for role in Role::ALL {
        write!(streams, "{role:<8}{:<60}", role.summary())?;
        write!(streams, "root")?;
        all.holders(role).iter().try_for_each(|holder| write!(streams, " {holder}"))?;
        writeln!(streams)?;
    }
    Ok(())
}
