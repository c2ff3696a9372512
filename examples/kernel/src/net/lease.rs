//! The address of the card: leased from whoever lends on its link, by [`Lessee`].

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use kos_net::services::dhcp::{DhcpClient, DhcpConfig, Lease};
use kos_net::wire::MacAddr;
use kos_net::{BindError, SocketId};

use super::State;
use crate::platform::Platform;
use crate::time::Instant;

const CLIENT: u16 = 68;
const SERVER: u16 = 67;
/// Bytes of the longest message that the client writes.
const MESSAGE: usize = 576;
const NAME: &[u8] = b"kos";

/// The client of one interface.
pub(crate) struct Lessee {
    client: DhcpClient<'static>,
    socket: SocketId,
    /// The address that the stack has from it.
    applied: Option<Ipv4Addr>,
}

impl Lessee {
    /// What is leased now.
    pub(crate) const fn lease(&self) -> Option<&Lease> {
        self.client.lease()
    }

    pub(super) const fn poll_at(&self) -> Option<Instant> {
        self.client.poll_at()
    }
}

impl<P: Platform> State<P> {
    /// Looks for a server from now on.
    pub(super) fn start_leasing(&mut self, now: Instant, mac: MacAddr) -> Result<(), BindError> {
        let local = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), CLIENT);
        let socket = self.stack.udp_bind(local, &mut self.entropy)?;
        let client = DhcpClient::new(now, DhcpConfig { mac, previous: None, host_name: NAME });
        self.lessee = Some(Lessee { client, socket, applied: None });
        Ok(())
    }

    /// Takes what servers said, and says what is due. Whether the lease changed.
    pub(super) fn lease(&mut self, now: Instant) -> bool {
        let Some(mut lessee) = self.lessee.take() else { return false };
        let mut changed = false;
        loop {
            let taken = self.stack.udp_receive(lessee.socket, |_, bytes| {
                // What it does not believe changes nothing.
                let _ = lessee.client.on_message(now, bytes);
            });
            if taken.is_err() {
                break;
            }
        }
        let mut message = [0; MESSAGE];
        while let Ok(Some(due)) = lessee.client.poll(now, &mut self.entropy, &mut message) {
            let to = SocketAddr::new(due.to.into(), SERVER);
            // What was not sent is sent again, later.
            let _ =
                self.stack.udp_send(lessee.socket, Some(to), message.get(..due.length).unwrap_or_default());
        }
        if lessee.client.take_change() {
            self.apply(&mut lessee);
            changed = true;
        }
        self.lessee = Some(lessee);
        changed
    }

    fn apply(&mut self, lessee: &mut Lessee) {
        if let Some(old) = lessee.applied.take() {
            self.stack.remove_address(self.interface, old.into());
        }
        let Some(lease) = lessee.client.lease() else { return };
        if self.stack.add_address(self.interface, lease.address.into(), lease.prefix).is_ok() {
            lessee.applied = Some(lease.address);
        }
        let everywhere = lease.routes.iter().find(|route| route.bits == 0);
        if let Some(route) = everywhere {
            // A router that cannot be one is left out.
            let _ = self.stack.set_gateway(self.interface, IpAddr::V4(route.router));
        }
        self.names.set_servers(lease.name_servers.iter().map(|&server| server.into()));
    }
}
