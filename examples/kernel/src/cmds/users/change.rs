//! `useradd`, `userdel`, `passwd`: who there is.

use core::fmt::Write;

use super::super::files::owner::owner;
use super::{failed, usage};
use crate::audit::What;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next, Session, Streams};
use crate::text::Text;
use crate::user::accounts;
use crate::user::lines::{self, Name};
use crate::user::password::Secret;
use crate::user::roles::Role;

/// Bytes of a password that somebody may choose for himself; user 0 chooses for others what he likes.
const SHORTEST: usize = 6;

/// The name that a word is.
pub(super) fn name(word: &str) -> Result<Name, CommandError> {
    lines::name(word).map_err(|why| failed(format_args!("{word}: {why}")))
}

pub(in super::super) fn useradd<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (word, ids) = match arguments {
        [name] => (*name, (None, None)),
        [name, ids] => (*name, owner(ids)?),
        _ => return Err(usage(format_args!("one name, and its number if it is to be this one"))),
    };
    let name = name(word)?;
    let home = accounts::home(Text::new(format_args!("/home/{name}")).as_str())?;
    let (kernel, uid) = (session.kernel, session.ctx().cred.uid);
    kernel.record(uid, What::UserAdd, &name, true)?;
    let (uid, made) =
        kernel.add_user(&name, &home, ids).map_err(|why| failed(format_args!("{name}: {why}")))?;
    if !made {
        streams.complain(format_args!("useradd: {home} was there, and stays as it is"))?;
    }
    writeln!(streams, "{name} is user {uid}, and logs in when 'passwd {name}' gave a password")?;
    Ok(Next::Continue)
}

pub(in super::super) fn userdel<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    _: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let [name] = arguments else { return Err(usage(format_args!("one name"))) };
    let (kernel, uid) = (session.kernel, session.ctx().cred.uid);
    kernel.record(uid, What::UserDel, name, true)?;
    kernel.remove_user(name).map_err(|why| failed(format_args!("{name}: {why}")))?;
    Ok(Next::Continue)
}

pub(in super::super) fn passwd<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (kernel, uid) = (session.kernel, session.ctx().cred.uid);
    let (lock, word) = match arguments {
        [] => (false, None),
        ["-l", name] => (true, Some(*name)),
        [name] => (false, Some(*name)),
        _ => return Err(usage(format_args!("one name at most"))),
    };
    let all = kernel.accounts_of_users()?;
    let account = match word {
        Some(name) => all.named(name),
        None => all.numbered(uid),
    };
    let shown = word.unwrap_or("you");
    let account = account.ok_or_else(|| failed(format_args!("{shown}: there is no such user")))?;
    let own = uid != 0 && account.uid == uid && !lock;
    if !own {
        session.require(Role::Users, "passwd")?;
        // Who may make users does not become user 0 by it.
        if account.uid == 0 && uid != 0 {
            return Err(failed(format_args!("{}", kos_vfs::Errno::EPERM.meaning())));
        }
    }
    let name = &account.name;
    if lock {
        kernel.record(uid, What::Passwd, name, true)?;
        kernel.set_password(name, None)?;
        return Ok(Next::Continue);
    }
    let mut secret = Secret::new();
    if own {
        streams.ask("the password until now: ", &mut secret)?;
        kernel.log_in((uid, What::Passwd), name, &secret)?;
    }
    new_password(streams, &mut secret, own)?;
    if !own {
        kernel.record(uid, What::Passwd, name, true)?;
    }
    kernel.set_password(name, Some(&secret))?;
    Ok(Next::Continue)
}

/// Asks for a password; at a terminal, where nobody sees what he types, twice.
fn new_password<P: Platform>(
    streams: &mut Streams<'_, '_, P>,
    secret: &mut Secret,
    own: bool,
) -> Result<(), CommandError> {
    streams.ask("a new password: ", secret)?;
    if secret.is_empty() || own && secret.len() < SHORTEST {
        return Err(failed(format_args!("a password has {SHORTEST} bytes at least")));
    }
    if streams.reads() {
        return Ok(());
    }
    let mut again = Secret::new();
    streams.ask("once more: ", &mut again)?;
    if secret.is(&again) { Ok(()) } else { Err(failed(format_args!("these are two passwords"))) }
}
