//! What an integrator chooses for a whole stack: [`Config`].

use crate::error::ConfigError;
use crate::link::neighbour::NeighbourConfig;

/// Chosen once, for a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How much of what.
    pub limits: Limits,
    /// Of IPv4 and IPv6.
    pub ip: IpConfig,
}

/// How much of what a stack holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of each of the two queues of a socket for datagrams.
    pub datagram_bytes: usize,
}

/// Of IPv4 and IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpConfig {
    /// How many routers a packet may pass.
    pub hop_limit: u8,
    /// Of neighbours.
    pub neighbours: NeighbourConfig,
}

impl Config {
    /// What most hosts take.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            limits: Limits { datagram_bytes: 128 * 1024 },
            ip: IpConfig { hop_limit: 64, neighbours: NeighbourConfig::new() },
        }
    }

    pub(crate) const fn validate(&self) -> Result<(), ConfigError> {
        if self.ip.hop_limit == 0 {
            return Err(ConfigError::NoHops);
        }
        if self.limits.datagram_bytes == 0 {
            return Err(ConfigError::NoDatagramBytes);
        }
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
