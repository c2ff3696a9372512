//! `httpd`, `dhcp`: pages for others; the address of the card.

use core::fmt::Write;
use core::net::{Ipv6Addr, SocketAddr};

use super::{failed, net, usage};
use crate::Kernel;
use crate::cmds::no_arguments;
use crate::net::{State, web};
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next};
use crate::threads::{How, Role};
use crate::time::Duration;

const PORT: u16 = 80;
const BACKLOG: u16 = 64;
/// Connections that are served at a time.
const SERVERS: usize = 4;
/// How often somebody who waits for answers looks.
const LOOK: Duration = Duration::from_millis(50);
/// How long a lease is waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// Bytes of the stack of a thread that serves.
const STACK: usize = 96 << 10;

/// Starts the server; it goes on in the background.
pub(in crate::cmds) fn httpd<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    let number = |word: &str| usage(format_args!("'{word}' is no number"));
    match *arguments {
        [] => start(kernel, PORT, out),
        [port] => start(kernel, port.parse().map_err(|_| number(port))?, out),
        ["-n", count] => wait(kernel, count.parse().map_err(|_| number(count))?),
        _ => Err(usage(format_args!("[PORT | -n COUNT]"))),
    }
}

fn start<P: Platform>(kernel: &Kernel<P>, port: u16, out: &mut dyn Write) -> CommandResult {
    let net = net(kernel)?;
    let local = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
    net.with(kernel, |state| {
        if state.web.listener.is_some() {
            return Err(failed(format_args!("it serves already")));
        }
        state.web.listener = Some(state.stack.tcp_listen(local, BACKLOG, &mut state.entropy)?);
        Ok(())
    })?;
    for _ in 0..SERVERS {
        let how = How::new("httpd").role(Role::Service).stack(STACK);
        if let Err(error) = kernel.spawn(how, web::serve, 0) {
            stop(kernel);
            return Err(error.into());
        }
    }
    writeln!(out, "serving port {port}")?;
    Ok(Next::Continue)
}

/// Serves no longer: the threads that do find their listener closed, and end.
fn stop<P: Platform>(kernel: &Kernel<P>) {
    let Some(net) = kernel.net() else { return };
    net.with(kernel, |state| {
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
