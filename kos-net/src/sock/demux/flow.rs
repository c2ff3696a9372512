//! What a connection is found by: [`Flow`], and the secret it is hashed with: [`FlowKey`].

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use siphasher::sip::SipHasher13;

/// Both ends of a connection; of a listener or an unconnected socket only its own, the other unspecified. Flow labels and
/// scopes do not count.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Our address and port.
    pub local: (IpAddr, u16),
    /// Theirs.
    pub remote: (IpAddr, u16),
}

impl Flow {
    /// The flow between two ends.
    #[must_use]
    pub const fn new(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { local: (local.ip(), local.port()), remote: (remote.ip(), remote.port()) }
    }

    /// What waits at `local` for whoever comes.
    #[must_use]
    pub const fn listening(local: SocketAddr) -> Self {
        let anybody = match local {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Self { local: (local.ip(), local.port()), remote: (anybody, 0) }
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [local, remote] = [self.local, self.remote].map(|(ip, port)| SocketAddr::new(ip, port));
        write!(f, "{local} - {remote}")
    }
}

/// The secret under which flows are hashed: SipHash-1-3.
#[derive(Clone, Copy)]
pub struct FlowKey(SipHasher13);

impl FlowKey {
    /// The key of these 16 bytes, which nobody else should know.
    #[must_use]
    pub fn new(secret: [u8; 16]) -> Self {
        Self(SipHasher13::new_with_key(&secret))
    }

    /// The hash of `flow`.
    #[must_use]
    pub fn hash(&self, flow: &Flow) -> u32 {
        let [local, remote] = [flow.local.1, flow.remote.1].map(u16::to_be_bytes);
        let ([a, b], [c, d]) = (local, remote);
        let whole = match (flow.local.0, flow.remote.0) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => {
                let ([e, f, g, h], [i, j, k, l]) = (local.octets(), remote.octets());
                self.0.hash(&[a, b, c, d, e, f, g, h, i, j, k, l])
            }
            (local, remote) => {
                let mut bytes = [0; 36];
                let (ports, addresses) = bytes.split_at_mut(4);
                ports.copy_from_slice(&[a, b, c, d]);
                let octets = [local, remote].map(six).map(|address| address.octets());
                addresses.copy_from_slice(octets.as_flattened());
                self.0.hash(&bytes)
            }
        };
        #[expect(clippy::cast_possible_truncation, reason = "any 32 bits of it are as good")]
        let hash = whole as u32;
        hash
    }
}

const fn six(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

impl fmt::Debug for FlowKey {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlowKey(..)")
    }
}
