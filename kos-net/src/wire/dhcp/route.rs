//! Routes of option 121: [`routes`].
//!
//! Source: RFC 3442.

use core::net::Ipv4Addr;

use crate::wire::ParseError;
use crate::wire::bytes::Reader;

/// A route of option 121.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DhcpRoute {
    /// Where it leads: what stands behind its bits is zero.
    pub network: Ipv4Addr,
    /// How many bits of it count, at most 32.
    pub bits: u8,
    /// The router; unspecified if the network is on the link.
    pub router: Ipv4Addr,
}

/// The routes in the `data` of option 121 (RFC 3442); after the first that is malformed there are no more.
pub fn routes(data: &[u8]) -> impl Iterator<Item = Result<DhcpRoute, ParseError>> + '_ {
    let mut reader = Reader::new(data);
    core::iter::from_fn(move || {
        if reader.is_empty() {
            return None;
        }
        let read = route(&mut reader);
        if read.is_err() {
            reader = Reader::new(&[]);
        }
        Some(read)
    })
}

fn route(reader: &mut Reader<'_>) -> Result<DhcpRoute, ParseError> {
    let bits = reader.byte()?;
    if bits > 32 {
        return Err(ParseError::BadValue { field: "prefix length", found: bits.into() });
    }
    let mut network = [0; 4];
    let significant = reader.take(usize::from(bits).div_ceil(8))?;
    network.iter_mut().zip(significant).for_each(|(to, from)| *to = *from);
    let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
    let network = Ipv4Addr::from_bits(u32::from_be_bytes(network) & mask);
    Ok(DhcpRoute { network, bits, router: Ipv4Addr::from_octets(*reader.get()?) })
}
