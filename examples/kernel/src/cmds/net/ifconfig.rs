//! `ifconfig`: the card, its addresses, what it carried; another address.

use core::fmt::Write;

use kos_net::{LinkControl as _, NetDevice as _};

use super::{address, net, network, usage};
use crate::Kernel;
use crate::platform::Platform;
use crate::shell::{CommandResult, Next};
use crate::text::{Bytes, Grouped};

pub(in crate::cmds) fn run<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    let net = net(kernel)?;
    match *arguments {
        [] => return show(kernel, out),
        ["del", place] => {
            let place = address(place)?;
            if !net.with(kernel, |state| state.stack.remove_address(state.interface, place)) {
                return Err(usage(format_args!("{place} is none of ours")));
            }
        }
        [place] => {
            let (place, prefix) = network(place)?;
            net.with(kernel, |state| state.stack.add_address(state.interface, place, prefix))?;
        }
        _ => return Err(usage(format_args!("[ADDRESS/PREFIX | del ADDRESS]"))),
    }
    Ok(Next::Continue)
}

fn show<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> CommandResult {
    net(kernel)?.with(kernel, |state| {
        let (able, link) = (*state.card.capabilities(), if state.card.is_up() { "up" } else { "down" });
        writeln!(out, "eth0  {}  MTU {}  link {link}", state.card.mac(), able.mtu)?;
        for (_, place, prefix) in state.stack.addresses() {
            writeln!(out, "      {} {place}/{prefix}", if place.is_ipv4() { "inet " } else { "inet6" })?;
        }
        let stats = state.stack.stats();
        for (word, frames, bytes) in
            [("in", stats.frames_in, stats.bytes_in), ("out", stats.frames_out, stats.bytes_out)]
        {
            writeln!(out, "      {word:<4} {} frames, {}", Grouped(frames), Bytes(bytes))?;
        }
        if let Some(error) = &state.failed {
            writeln!(out, "      failed: {error}")?;
        }
        Ok(Next::Continue)
    })
}
