//! The commands of the network, and what they share.

pub(super) mod dig;
pub(super) mod firewall;
pub(super) mod http;
pub(super) mod httpd;
pub(super) mod ifconfig;
pub(super) mod ping;
pub(super) mod tables;
pub(super) mod wget;

use core::fmt;
use core::net::IpAddr;

use kos_net::link::InterfaceId;
use kos_net::services::dns::{Answer, DnsError};
use kos_net::wire::dns::DnsType;

use crate::Kernel;
use crate::net::{NameError, Net, State};
use crate::platform::Platform;
use crate::shell::CommandError;
use crate::text::Text;

/// The network, or the word that there is none.
fn net<P: Platform>(kernel: &Kernel<P>) -> Result<&Net<P>, CommandError> {
    kernel.net().ok_or_else(|| failed(format_args!("no network")))
}

fn failed(what: fmt::Arguments<'_>) -> CommandError {
    CommandError::Failed(Text::new(what))
}

fn usage(what: fmt::Arguments<'_>) -> CommandError {
    CommandError::Usage(Text::new(what))
}

/// The interface of the card.
fn card<P: Platform>(state: &State<P>) -> Result<InterfaceId, CommandError> {
    let card = state.card.as_ref().ok_or_else(|| failed(format_args!("no network card")))?;
    Ok(card.interface)
}

/// The address that `word` is, or the first that name servers know for it.
fn host<P: Platform>(kernel: &Kernel<P>, word: &str) -> Result<IpAddr, CommandError> {
    if let Ok(address) = word.trim_matches(['[', ']']).parse() {
        return Ok(address);
    }
    let net = net(kernel)?;
    let first = |answer: Answer| answer.addresses().next();
    match net.look_up(kernel, word, DnsType::A).map(first) {
        Ok(Some(address)) => return Ok(address),
        // It may have an address of the other family.
        Ok(None) | Err(NameError::NoAnswer(DnsError::NoRecords)) => {}
        Err(error) => return Err(failed(format_args!("{word}: {error}"))),
    }
    let found = net.look_up(kernel, word, DnsType::AAAA);
    let found = found.map_err(|error| failed(format_args!("{word}: {error}")))?;
    first(found).ok_or_else(|| failed(format_args!("{word} has no address")))
}

fn address(word: &str) -> Result<IpAddr, CommandError> {
    word.parse().map_err(|_| usage(format_args!("'{word}' is no address")))
}

/// `10.0.2.15/24`: an address, and how many bits of it are those of its link.
fn network(word: &str) -> Result<(IpAddr, u8), CommandError> {
    let wrong = || usage(format_args!("'{word}' is no address with a prefix, as 10.0.2.15/24"));
    let (place, prefix) = word.split_once('/').ok_or_else(wrong)?;
    let (place, prefix): (IpAddr, u8) =
        (place.parse().map_err(|_| wrong())?, prefix.parse().map_err(|_| wrong())?);
    let most = if place.is_ipv4() { 32 } else { 128 };
    (prefix <= most).then_some((place, prefix)).ok_or_else(wrong)
}
