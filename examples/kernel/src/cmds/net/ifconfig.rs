//! `ifconfig`: the card, its addresses, what it carried; another address.

use core::fmt::{self, Write};

use kos_net::link::InterfaceId;
use kos_net::{LinkControl as _, NetDevice as _};

use super::{address, card, net, network, usage};
use crate::Kernel;
use crate::net::State;
use crate::platform::{NetCard as _, Platform};
use crate::shell::{CommandError, CommandResult, Next};
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
            let removed = net
                .with(kernel, |state| Ok::<_, CommandError>(state.stack.remove_address(card(state)?, place)));
            if !removed? {
                return Err(usage(format_args!("{place} is none of ours")));
            }
        }
        [place] => {
            let (place, prefix) = network(place)?;
            net.with(kernel, |state| {
                let interface = card(state)?;
                state.stack.add_address(interface, place, prefix).map_err(CommandError::from)
            })?;
        }
        _ => return Err(usage(format_args!("[ADDRESS/PREFIX | del ADDRESS]"))),
    }
    Ok(Next::Continue)
}

fn show<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> CommandResult {
    net(kernel)?.with(kernel, |state| {
        writeln!(out, "lo    this host itself")?;
        addresses(state, state.own_interface, out)?;
        if let Some(card) = &state.card {
            let (able, link) = (card.device.capabilities(), if card.device.is_up() { "up" } else { "down" });
            writeln!(out, "eth0  {}  MTU {}  link {link}", card.device.mac(), able.mtu)?;
            addresses(state, card.interface, out)?;
            if card.device.is_starved() {
                writeln!(out, "      no memory to receive into")?;
            }
            if let Some(error) = &card.failed {
                writeln!(out, "      failed: {error}")?;
            }
        }
        let stats = state.stack.stats();
        for (word, frames, bytes) in
            [("in", stats.frames_in, stats.bytes_in), ("out", stats.frames_out, stats.bytes_out)]
        {
            writeln!(out, "all   {word:<4} {} frames, {}", Grouped(frames), Bytes(bytes))?;
        }
        Ok(Next::Continue)
    })
}

fn addresses<P: Platform>(state: &State<P>, interface: InterfaceId, out: &mut dyn Write) -> fmt::Result {
    for (_, place, prefix) in state.stack.addresses().filter(|(on, ..)| *on == interface) {
        writeln!(out, "      {} {place}/{prefix}", if place.is_ipv4() { "inet " } else { "inet6" })?;
    }
    Ok(())
}
