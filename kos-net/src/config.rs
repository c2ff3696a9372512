//! What an integrator chooses for a whole stack: [`Config`].

use crate::error::ConfigError;
use crate::ip::icmp_limit::IcmpLimitConfig;
use crate::link::neighbour::NeighbourConfig;
use crate::tcp::TcpConfig;

/// Chosen once, for a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How much of what.
    pub limits: Limits,
    /// Of IPv4 and IPv6.
    pub ip: IpConfig,
    /// Of connections.
    pub tcp: TcpConfig,
}

/// How much of what a stack holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of each of the two queues of a socket for datagrams.
    pub datagram_bytes: usize,
    /// Bytes of the ring of a connection that is written to. Lent storage has to have rings of that size.
    pub send_bytes: usize,
    /// Bytes of the ring that is read from.
    pub receive_bytes: usize,
}

/// Of IPv4 and IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpConfig {
    /// How many routers a packet may pass.
    pub hop_limit: u8,
    /// How many ICMP errors go out.
    pub icmp_errors: IcmpLimitConfig,
    /// Of neighbours.
    pub neighbours: NeighbourConfig,
}

impl Config {
    /// What most hosts take.
    #[must_use]
    pub fn new() -> Self {
        Self {
            limits: Limits { datagram_bytes: 128 * 1024, send_bytes: 128 * 1024, receive_bytes: 128 * 1024 },
            tcp: TcpConfig::default(),
            ip: IpConfig {
                hop_limit: 64,
                neighbours: NeighbourConfig::new(),
                icmp_errors: IcmpLimitConfig::new(),
            },
        }
    }

    pub(crate) const fn validate(&self) -> Result<(), ConfigError> {
        if self.ip.hop_limit == 0 {
            return Err(ConfigError::NoHops);
        }
        let Limits { datagram_bytes, send_bytes, receive_bytes } = self.limits;
        if datagram_bytes == 0 || send_bytes == 0 || receive_bytes == 0 {
            return Err(ConfigError::NoQueueBytes);
        }
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
