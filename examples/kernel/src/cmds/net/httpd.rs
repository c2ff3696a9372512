//! `httpd`, `dhcp`: pages for others; the address of the card.

use core::fmt::Write;
use core::net::{Ipv6Addr, SocketAddr};

use super::{failed, net, usage};
use crate::Kernel;
use crate::cmds::no_arguments;
use crate::net::web;
use crate::platform::Platform;
use crate::shell::{CommandResult, Next};
use crate::threads::{How, Role};
use crate::time::Duration;

const PORT: u16 = 80;
const BACKLOG: u16 = 64;
/// Connections that are served at a time.
const SERVERS: usize = 4;
/// How long a lease is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

/// Starts the server; it goes on in the background.
pub(in crate::cmds) fn httpd<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    let port = match *arguments {
        [] => PORT,
        [port] => port.parse().map_err(|_| usage(format_args!("'{port}' is no port")))?,
        _ => return Err(usage(format_args!("[PORT]"))),
    };
    let net = net(kernel)?;
    if net.with(kernel, |state| state.web.is_some()) {
        return Err(failed(format_args!("it serves already")));
    }
    let local = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
    net.with(kernel, |state| {
        let listener = state.stack.tcp_listen(local, BACKLOG, &mut state.entropy)?;
        state.web = Some(listener);
        Ok::<_, kos_net::BindError>(())
    })?;
    for _ in 0..SERVERS {
        kernel.spawn(How::new("httpd").role(Role::Service).stack(STACK), web::serve, 0)?;
    }
    writeln!(out, "serving port {port}")?;
    Ok(Next::Continue)
}

/// Bytes of the stack of a thread that serves.
const STACK: usize = 64 << 10;

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
