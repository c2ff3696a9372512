//! What the client sends: [`DhcpTransmit`].

use core::net::Ipv4Addr;

use crate::wire::dhcp::{DhcpCode, DhcpHeader, DhcpKind, DhcpWriter};
use crate::wire::{MacAddr, NoRoom};

/// What it would like to be told.
const PARAMETERS: [u8; 9] = [
    DhcpCode::SUBNET_MASK.0,
    DhcpCode::ROUTES.0,
    DhcpCode::ROUTERS.0,
    DhcpCode::NAME_SERVERS.0,
    DhcpCode::HOST_NAME.0,
    DhcpCode::MTU.0,
    DhcpCode::TIME_SERVERS.0,
    DhcpCode::RENEWAL_TIME.0,
    DhcpCode::REBINDING_TIME.0,
];
/// The largest message that it takes: what is left of 1500 bytes.
const LARGEST: u16 = 1472;

/// A message to be sent from port 68 to port 67.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DhcpTransmit {
    /// From whom: the address that was lent, else unspecified.
    pub from: Ipv4Addr,
    /// To whom: a server, or all.
    pub to: Ipv4Addr,
    /// How many bytes were written.
    pub length: usize,
}

/// A message in the making.
pub(super) struct Draft<'a> {
    pub(super) kind: DhcpKind,
    pub(super) transaction: u32,
    pub(super) seconds: u16,
    pub(super) mac: MacAddr,
    /// The address that it has.
    pub(super) client: Ipv4Addr,
    /// The address that it would like.
    pub(super) wanted: Option<Ipv4Addr>,
    /// The server that is meant.
    pub(super) server: Option<Ipv4Addr>,
    pub(super) host_name: &'a [u8],
}

impl Draft<'_> {
    pub(super) fn write(&self, out: &mut [u8]) -> Result<usize, NoRoom> {
        let asks = matches!(self.kind, DhcpKind::Discover | DhcpKind::Request);
        let broadcast = asks && self.client.is_unspecified();
        let header = DhcpHeader::of_client(self.transaction, self.seconds, self.mac, self.client, broadcast);
        let mut writer = DhcpWriter::new(out, &header, self.kind)?;
        let [a, b, c, d, e, f] = self.mac.0;
        writer.option(DhcpCode::CLIENT, &[1, a, b, c, d, e, f])?;
        for (code, address) in [(DhcpCode::REQUESTED_ADDRESS, self.wanted), (DhcpCode::SERVER, self.server)] {
            if let Some(address) = address {
                writer.option(code, &address.octets())?;
            }
        }
        if asks {
            writer.option(DhcpCode::PARAMETERS, &PARAMETERS)?;
            writer.option(DhcpCode::MAX_MESSAGE, &LARGEST.to_be_bytes())?;
            if !self.host_name.is_empty() {
                writer.option(DhcpCode::HOST_NAME, self.host_name)?;
            }
        }
        writer.finish()
    }
}
