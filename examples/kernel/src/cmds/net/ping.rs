//! `ping`: echo requests, one a second, and how long each reply took.

use core::fmt::Write;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kos_net::{ReceiveError, SocketId};

use super::{failed, host, net, usage};
use crate::Kernel;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next};
use crate::text::Text;
use crate::time::{Duration, Instant};

const COUNT: u16 = 4;
const INTERVAL: Duration = Duration::from_secs(1);
/// Bytes of data, as other hosts send.
const DATA: usize = 56;
const MOST: usize = 65_507;

pub(in crate::cmds) fn run<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    let (once, words) = match arguments {
        ["-o", words @ ..] => (true, words),
        words => (false, words),
    };
    let (to, count, size) = match *words {
        [to] => (to, COUNT, DATA),
        [to, count] => (to, number(count)?, DATA),
        [to, count, size] => (to, number(count)?, usize::from(number(size)?)),
        _ => return Err(usage(format_args!("whom?"))),
    };
    if size > MOST {
        return Err(usage(format_args!("a ping carries {MOST} bytes at most")));
    }
    let (net, to) = (net(kernel)?, host(kernel, to)?);
    let any = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = net.with(kernel, |state| state.stack.ping_open(any, &mut state.entropy))?;
    let done = send_all(kernel, socket, to, (count, size, once), out);
    net.with(kernel, |state| state.stack.close(socket));
    let (sent, replies) = done?;
    writeln!(out, "{sent} sent, {replies} received")?;
    if replies == 0 { Err(CommandError::Quiet) } else { Ok(Next::Continue) }
}

fn number(word: &str) -> Result<u16, CommandError> {
    word.parse().map_err(|_| usage(format_args!("'{word}' is no number up to 65535")))
}

/// Sends, waits, and says what came: how often it sent, and how many replies came.
fn send_all<P: Platform>(
    kernel: &Kernel<P>,
    socket: SocketId,
    to: IpAddr,
    (count, size, once): (u16, usize, bool),
    out: &mut dyn Write,
) -> Result<(u16, u16), CommandError> {
    let (net, now) = (net(kernel)?, || kernel.platform().now());
    let mut data = alloc::vec::Vec::new();
    data.try_reserve_exact(size).map_err(|_| failed(format_args!("no memory for {size} bytes")))?;
    data.extend((0..size).map(|index| index.to_le_bytes()[0]));
    let mut replies = 0;
    for sequence in 1..=count {
        let start = now();
        let until = start.checked_add_duration(INTERVAL);
        let sent = net.with(kernel, |state| state.stack.ping_send(socket, to, sequence, &data));
        if let Err(error) = sent {
            writeln!(out, "seq {sequence}: {error}")?;
        }
        let reply = net.wait(kernel, until, |state| {
            loop {
                let reply = state.stack.ping_receive(socket, |from, bytes| {
                    (from.port == sequence).then(|| (from.remote, from.hop_limit, bytes.len(), bytes == data))
                });
                match reply {
                    Ok(Some(reply)) => return Some(Ok(reply)),
                    // An old one.
                    Ok(None) => {}
                    Err(ReceiveError::Empty) => return None,
                    Err(error) => return Some(Err(error)),
                }
            }
        });
        match reply {
            Some(Ok((from, hops, length, whole))) => {
                replies += 1;
                let damaged = if whole { "" } else { ", not what was sent" };
                let took = since(start, now());
                writeln!(
                    out,
                    "{length} bytes from {from}: seq {sequence} hops left {hops} time {took}{damaged}"
                )?;
            }
            Some(Err(error)) => writeln!(out, "seq {sequence}: {error}")?,
            None => writeln!(out, "seq {sequence}: no reply")?,
        }
        if once && replies > 0 {
            return Ok((sequence, replies));
        }
        if sequence < count {
            let _ = kernel.threads.sleep_until(until);
        }
    }
    Ok((count, replies))
}

fn since(start: Instant, end: Instant) -> Text {
    let micros = end.checked_duration_since(start).map_or(0, |took| took.as_micros());
    Text::new(format_args!("{}.{:03} ms", micros / 1000, micros % 1000))
}
