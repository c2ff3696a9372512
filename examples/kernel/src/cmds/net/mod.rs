//! The commands of the network, and what they share.

pub(super) mod httpd;
pub(super) mod ifconfig;
pub(super) mod ping;
pub(super) mod tables;
pub(super) mod wget;

use core::fmt;
use core::net::IpAddr;

use crate::Kernel;
use crate::net::Net;
use crate::platform::Platform;
use crate::shell::CommandError;
use crate::text::Text;

/// The network, or the word that there is none.
fn net<P: Platform>(kernel: &Kernel<P>) -> Result<&Net<P>, CommandError> {
    kernel.net().ok_or_else(|| failed(format_args!("no network card")))
}

fn failed(what: fmt::Arguments<'_>) -> CommandError {
    CommandError::Failed(Text::new(what))
}

fn usage(what: fmt::Arguments<'_>) -> CommandError {
    CommandError::Usage(Text::new(what))
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
