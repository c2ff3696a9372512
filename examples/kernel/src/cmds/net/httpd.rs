//! `httpd`, `dhcp`: pages for others; the address of the card.

use core::fmt::Write;
use core::net::{Ipv6Addr, SocketAddr};

use kos_vfs::{At, Cred, Errno, How as FileHow, OpenFlags};

use super::{failed, net, usage};
use crate::Kernel;
use crate::audit::What;
use crate::cmds::no_arguments;
use crate::glue::entropy::KernelEntropy;
use crate::net::web::{Grant, Token};
use crate::net::{State, web};
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next, Session, Streams};
use crate::threads::{How, Role};
use crate::time::Duration;

const PORT: u16 = 80;
/// The directory that is served to who has the token.
const ROOT: &str = "/www";
/// The word for a token that nobody had before.
const NEW: &str = "new";
/// As whom user 0 serves it, unless he says another: he is nobody's owner.
const NOBODY: u32 = 65_534;
const BACKLOG: u16 = 64;
/// Connections that are served at a time.
const SERVERS: usize = 4;
/// How often somebody who waits for answers looks.
const LOOK: Duration = Duration::from_millis(50);
/// How long a lease is waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// Bytes of the stack of a thread that serves.
const STACK: usize = 96 << 10;

/// What is to be served.
struct Wanted<'a> {
    token: Option<&'a str>,
    user: Option<&'a str>,
    root: &'a str,
    port: u16,
}

/// Starts the server; it goes on in the background.
pub(in crate::cmds) fn httpd<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let number = |word: &str| usage(format_args!("'{word}' is no number"));
    let (mut rest, mut wanted) = (arguments, Wanted { token: None, user: None, root: ROOT, port: PORT });
    loop {
        rest = match *rest {
            ["-n", count] if rest.len() == arguments.len() => {
                return wait(session.kernel, count.parse().map_err(|_| number(count))?);
            }
            ["-t", word, ref rest @ ..] => {
                wanted.token = Some(word);
                rest
            }
            ["-u", who, ref rest @ ..] => {
                wanted.user = Some(who);
                rest
            }
            ["-r", dir, ref rest @ ..] => {
                wanted.root = dir;
                rest
            }
            [port] => {
                wanted.port = port.parse().map_err(|_| number(port))?;
                &[]
            }
            [] => break,
            _ => {
                return Err(usage(format_args!("[-t TOKEN|@FILE|new] [-u USER] [-r DIR] [PORT] | -n COUNT")));
            }
        };
    }
    let grant = wanted.token.map(|word| grant(session, word, &wanted)).transpose()?;
    start(session.kernel, wanted.port, grant.as_ref(), streams)?;
    if let Some(grant) = grant.filter(|_| wanted.token == Some(NEW)) {
        writeln!(streams, "{}", grant.token)?;
    }
    Ok(Next::Continue)
}

/// What is given to who has the token.
fn grant<P: Platform>(
    session: &mut Session<'_, P>,
    word: &str,
    wanted: &Wanted<'_>,
) -> Result<Grant, CommandError> {
    let cred = user(session, wanted.user)?;
    let token = match word.strip_prefix('@') {
        Some(path) => token_of(session, path)?,
        None if word == NEW => Token::make(&mut KernelEntropy::new(session.kernel))?,
        None => Token::given(word).ok_or_else(no_token)?,
    };
    let long = |_| usage(format_args!("the name of DIR is too long"));
    Ok(Grant { token, cred, root: heapless::String::try_from(wanted.root).map_err(long)? })
}

fn no_token() -> CommandError {
    usage(format_args!("a token is 16 to 64 visible characters"))
}

/// The first line of a file, as who starts the server reads it.
fn token_of<P: Platform>(session: &mut Session<'_, P>, path: &str) -> Result<Token, CommandError> {
    let call = session.call()?;
    let file = call.open(At::Cwd, path.as_bytes(), &FileHow::flags(OpenFlags::NONBLOCK))?;
    let (mut bytes, mut length) = ([0; Token::MOST + 2], 0);
    while let count @ 1.. = file.read(bytes.get_mut(length..).unwrap_or_default())? {
        length += count;
    }
    let line = bytes.get(..length).unwrap_or_default().split(|&byte| byte == b'\n').next();
    let word = line.and_then(|line| core::str::from_utf8(line).ok());
    word.and_then(Token::given).ok_or_else(no_token)
}

/// As whom files and services are served: as who starts it; as another if user 0 says so.
fn user<P: Platform>(session: &Session<'_, P>, who: Option<&str>) -> Result<Cred<'static>, CommandError> {
    let (own, kernel) = (session.ctx().cred, session.kernel);
    match who {
        None if own.uid == 0 => Ok(Cred::user(NOBODY, NOBODY, &[])),
        None => Ok(own),
        Some(who) => {
            let recorded = kernel.record(own.uid, What::Su, &format_args!("{who} for httpd"), own.uid == 0);
            if own.uid != 0 {
                return Err(failed(format_args!("{who}: {}", Errno::EPERM.meaning())));
            }
            recorded?;
            Ok(kernel.identity(who).map_err(|why| failed(format_args!("{who}: {why}")))?.cred)
        }
    }
}

fn start<P: Platform>(
    kernel: &Kernel<P>,
    port: u16,
    grant: Option<&Grant>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let net = net(kernel)?;
    let local = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
    net.with(kernel, |state| {
        if state.web.listener.is_some() {
            return Err(failed(format_args!("it serves already")));
        }
        state.web.listener = Some(state.stack.tcp_listen(local, BACKLOG, &mut state.entropy)?);
        state.web.grant = grant.cloned();
        Ok(())
    })?;
    let door = (How::new("httpd-door"), web::keep as fn(&Kernel<P>, usize));
    let servers =
        core::iter::repeat_with(|| (How::new("httpd").stack(STACK), web::serve as fn(&Kernel<P>, usize)));
    for (how, work) in core::iter::once(door).chain(servers.take(SERVERS)) {
        if let Err(error) = kernel.spawn(how.role(Role::Service), work, 0) {
            stop(kernel);
            return Err(error.into());
        }
    }
    match grant {
        None => writeln!(out, "serving port {port}; files and services are off: no token was given")?,
        Some(Grant { root, cred, .. }) => {
            writeln!(
                out,
                "serving port {port}; {root} and services as uid {} to who has the token",
                cred.uid
            )?;
        }
    }
    Ok(())
}

/// Serves no longer: the threads that do find their listener closed, and end.
fn stop<P: Platform>(kernel: &Kernel<P>) {
    let Some(net) = kernel.net() else { return };
    net.with(kernel, |state| {
        state.web.grant = None;
        if let Some(listener) = state.web.listener.take() {
            state.close(listener);
        }
    });
}

/// Until so many requests were answered, and those who asked have it all.
fn wait<P: Platform>(kernel: &Kernel<P>, count: u64) -> CommandResult {
    let net = net(kernel)?;
    let done = |state: &mut State<P>| {
        let port = state.web.listener.and_then(|listener| state.stack.local_place(listener));
        let port = port.ok_or_else(|| failed(format_args!("nobody serves")))?.port();
        let owes = state.stack.list().any(|one| one.local.port() == port && one.unsent > 0);
        Ok::<_, CommandError>(state.web.answered >= count && !owes)
    };
    while !net.with(kernel, done)? {
        if kernel.is_told_to_end() {
            return Err(CommandError::Quiet);
        }
        let _ = kernel.threads.sleep(LOOK);
    }
    Ok(Next::Continue)
}

/// Waits for an address, and says what came with it.
pub(in crate::cmds) fn dhcp<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    no_arguments(arguments)?;
    let until = kernel.platform().now().checked_add_duration(PATIENCE);
    let lease = net(kernel)?.wait(kernel, until, |state| state.lessee.as_ref()?.lease().cloned());
    let Some(lease) = lease else { return Err(failed(format_args!("nobody lends an address"))) };
    writeln!(out, "{}/{} of {}", lease.address, lease.prefix, lease.server)?;
    for route in &lease.routes {
        writeln!(out, "route {}/{} by {}", route.network, route.bits, route.router)?;
    }
    for server in &lease.name_servers {
        writeln!(out, "names of {server}")?;
    }
    Ok(Next::Continue)
}
