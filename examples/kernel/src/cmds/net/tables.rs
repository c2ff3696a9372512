//! `arp`, `route`, `netstat`: who is on the link, where packets go, what became of those that came.

use core::fmt::Write;

use kos_net::SocketKind;
use kos_net::link::neighbour::{Entry, State};

use super::{address, card, net, usage};
use crate::Kernel;
use crate::cmds::no_arguments;
use crate::net::State as NetState;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next};
use crate::text::{Grouped, Text};

pub(in crate::cmds) fn arp<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    no_arguments(arguments)?;
    net(kernel)?.with(kernel, |state| {
        for entry in state.stack.neighbours() {
            let place = Text::new(format_args!("{}", entry.hop.address));
            writeln!(out, "{place:<28} {:<17}  {}", mac(entry), word(entry.state))?;
        }
        Ok(Next::Continue)
    })
}

fn mac(entry: &Entry) -> Text {
    match entry.state {
        State::Incomplete | State::Failed { .. } => Text::new(format_args!("-")),
        _ => Text::new(format_args!("{}", entry.mac)),
    }
}

const fn word(state: State) -> &'static str {
    match state {
        State::Incomplete => "incomplete",
        State::Reachable { .. } => "reachable",
        State::Stale => "stale",
        State::Delay => "delay",
        State::Probe => "probe",
        State::Failed { .. } => "failed",
    }
}

pub(in crate::cmds) fn route<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    let net = net(kernel)?;
    match *arguments {
        [] => net.with(kernel, |state| {
            for (on, place, prefix) in state.stack.addresses() {
                let link = if on == state.own_interface { "lo" } else { "eth0" };
                writeln!(out, "{place}/{prefix} is on the link of {link}")?;
            }
            for (_, gateway) in state.stack.gateways() {
                writeln!(out, "the rest is behind {gateway} on eth0")?;
            }
            Ok(Next::Continue)
        }),
        [gateway] => {
            let gateway = address(gateway)?;
            net.with(kernel, |state| {
                let interface = card(state)?;
                state.stack.set_gateway(interface, gateway).map_err(CommandError::from)
            })?;
            Ok(Next::Continue)
        }
        _ => Err(usage(format_args!("[GATEWAY]"))),
    }
}

pub(in crate::cmds) fn netstat<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    match *arguments {
        [] => {}
        ["tcp"] => return net(kernel)?.with(kernel, |state| sockets(state, true, out)),
        ["udp"] => return net(kernel)?.with(kernel, |state| sockets(state, false, out)),
        _ => return Err(usage(format_args!("[tcp | udp]"))),
    }
    let stats = net(kernel)?.with(kernel, |state| state.stack.stats());
    let lost = stats.frames_in.wrapping_sub(stats.accounted());
    for (word, count) in [
        ("received", stats.frames_in),
        ("for sockets", stats.delivered),
        ("for the stack", stats.consumed),
        ("dropped", stats.dropped.total()),
        ("unaccounted", lost),
        ("sent", stats.frames_out),
    ] {
        writeln!(out, "{word:<14} {:>12}", Grouped(count))?;
    }
    for (heading, drops) in [("dropped", stats.dropped), ("not sent", stats.unsent)] {
        for (reason, count) in drops.iter() {
            writeln!(out, "{heading}: {} {reason:?}", Grouped(count))?;
        }
    }
    Ok(Next::Continue)
}

/// The sockets: connections and who waits for them, or those for datagrams.
fn sockets<P: Platform>(state: &NetState<P>, streams: bool, out: &mut dyn Write) -> CommandResult {
    writeln!(out, "{:<12} {:>9} {:>9}  {:<28} peer", "state", "unread", "unsent", "local")?;
    for one in state.stack.list() {
        let word = match one.kind {
            SocketKind::Tcp(state) => Text::new(format_args!("{state:?}")),
            SocketKind::Raw(protocol) => Text::new(format_args!("Raw {}", protocol.0)),
            kind => Text::new(format_args!("{kind:?}")),
        };
        if streams != matches!(one.kind, SocketKind::Tcp(_) | SocketKind::Listener) {
            continue;
        }
        let (local, unread, unsent) =
            (Text::new(format_args!("{}", one.local)), Grouped(one.unread), Grouped(one.unsent));
        write!(out, "{word:<12} {unread:>9} {unsent:>9}  ")?;
        match one.remote {
            Some(peer) => writeln!(out, "{local:<28} {peer}")?,
            None => writeln!(out, "{local}")?,
        }
    }
    Ok(Next::Continue)
}
