//! The address of the card: leased from whoever lends on its link, by [`Lessee`].

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use kos_net::services::dhcp::{CLIENT_PORT as CLIENT, DhcpClient, DhcpConfig, Lease, SERVER_PORT as SERVER};
use kos_net::services::dns::SERVER_PORT as DNS;
use kos_net::wire::MacAddr;
use kos_net::{BindError, SocketId};

use super::State;
use crate::platform::Platform;
use crate::time::Instant;

/// Bytes of the longest message that the client writes.
const MESSAGE: usize = 576;
const NAME: &[u8] = b"kos";

/// The client of one interface.
pub(crate) struct Lessee {
    client: DhcpClient<'static>,
    socket: SocketId,
    /// What the stack has from it: an address, a router.
    applied: (Option<Ipv4Addr>, Option<IpAddr>),
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
        self.lessee = Some(Lessee { client, socket, applied: (None, None) });
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

    /// Gives the stack what the lease says, and takes what the one before said away.
    fn apply(&mut self, lessee: &mut Lessee) {
        let Some(interface) = self.card.as_ref().map(|card| card.interface) else { return };
        let (address, router) = core::mem::take(&mut lessee.applied);
        if let Some(address) = address {
            self.stack.remove_address(interface, address.into());
        }
        if let Some(router) = router {
            self.stack.remove_gateway(interface, router);
        }
        let Some(lease) = lessee.client.lease() else { return self.set_name_servers([]) };
        if self.stack.add_address(interface, lease.address.into(), lease.prefix).is_ok() {
            lessee.applied.0 = Some(lease.address);
        }
        let everywhere = lease.routes.iter().find(|route| route.bits == 0);
        let router = everywhere.map(|route| IpAddr::V4(route.router));
        // A router that cannot be one is left out.
        lessee.applied.1 = router.filter(|&router| self.stack.set_gateway(interface, router).is_ok());
        self.set_name_servers(lease.name_servers.iter().map(|&server| SocketAddr::new(server.into(), DNS)));
    }
}
