//! `dig`: what name servers say of a name; `nameserver`: whom the names are asked of.

use core::fmt::Write;
use core::net::{IpAddr, SocketAddr};

use kos_net::services::dns::SERVER_PORT;
use kos_net::wire::dns::{DnsData, DnsType};

use super::{failed, net, usage};
use crate::Kernel;
use crate::platform::Platform;
use crate::shell::{CommandResult, Next};

const KINDS: [(&str, DnsType); 6] = [
    ("A", DnsType::A),
    ("AAAA", DnsType::AAAA),
    ("CNAME", DnsType::CNAME),
    ("PTR", DnsType::PTR),
    ("SRV", DnsType::SRV),
    ("TXT", DnsType::TXT),
];

pub(in crate::cmds) fn run<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    let (name, kind) = match *arguments {
        [name] => (name, "A"),
        [name, kind] => (name, kind),
        _ => return Err(usage(format_args!("which name?"))),
    };
    let known = KINDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(kind));
    let &(word, kind) = known.ok_or_else(|| usage(format_args!("'{kind}' is not asked for")))?;
    let answer = net(kernel)?.look_up(kernel, name, kind);
    let answer = answer.map_err(|error| failed(format_args!("{name}: {error}")))?;
    for record in answer.records() {
        write!(out, "{name} {} {word} ", answer.ttl)?;
        match record.data {
            DnsData::A(address) => writeln!(out, "{address}")?,
            DnsData::Aaaa(address) => writeln!(out, "{address}")?,
            DnsData::Cname(name) | DnsData::Ptr(name) => writeln!(out, "{name}")?,
            DnsData::Srv { priority, weight, port, target } => {
                writeln!(out, "{priority} {weight} {port} {target}")?;
            }
            data => writeln!(out, "{data:?}")?,
        }
    }
    Ok(Next::Continue)
}

pub(in crate::cmds) fn nameserver<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    let net = net(kernel)?;
    let mut servers = heapless::Vec::<SocketAddr, 3>::new();
    for word in arguments {
        let place = word.parse().ok();
        let place = place.or_else(|| Some(SocketAddr::new(word.parse::<IpAddr>().ok()?, SERVER_PORT)));
        let place = place.ok_or_else(|| usage(format_args!("'{word}' is no address, or ADDRESS:PORT")))?;
        servers.push(place).map_err(|_| usage(format_args!("three at most")))?;
    }
    net.with(kernel, |state| {
        if !servers.is_empty() {
            state.set_name_servers(servers);
        }
        for server in state.name_servers() {
            writeln!(out, "{server}")?;
        }
        Ok(Next::Continue)
    })
}
