//! `arp`, `route`, `netstat`: who is on the link, where packets go, what became of those that came.

use core::fmt::Write;

use kos_net::link::neighbour::{Entry, State};

use super::{address, net, usage};
use crate::Kernel;
use crate::cmds::no_arguments;
use crate::platform::Platform;
use crate::shell::{CommandResult, Next};
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
            for (_, place, prefix) in state.stack.addresses() {
                writeln!(out, "{place}/{prefix} is on the link of eth0")?;
            }
            for (_, gateway) in state.stack.gateways() {
                writeln!(out, "the rest is behind {gateway} on eth0")?;
            }
            Ok(Next::Continue)
        }),
        [gateway] => {
            let gateway = address(gateway)?;
            net.with(kernel, |state| state.stack.set_gateway(state.interface, gateway))?;
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
    no_arguments(arguments)?;
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
