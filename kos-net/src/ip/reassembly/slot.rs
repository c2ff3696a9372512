//! Room for one datagram that comes in pieces: [`ReassemblySlot`].

use core::net::{IpAddr, Ipv4Addr};

use super::ranges::Ranges;
use crate::time::Instant;
use crate::wire::IpProtocol;

/// Which datagram a fragment is of (RFC 791 section 3.2; RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatagramKey {
    /// Who sent it.
    pub source: IpAddr,
    /// For whom it is.
    pub destination: IpAddr,
    /// Its number.
    pub identification: u32,
    /// What it carries. In IPv4 it tells datagrams apart; in IPv6 it does not, and is 0.
    pub protocol: u8,
}

/// Room for one datagram.
#[derive(Clone, Copy, Debug)]
pub struct ReassemblySlot {
    pub(super) key: DatagramKey,
    pub(super) used: bool,
    /// An overlap was seen: nothing of it is kept, and what still comes is dropped.
    pub(super) dead: bool,
    /// How many datagrams of its source there are.
    pub(super) siblings: u8,
    /// When it is given up.
    pub(super) expires: Instant,
    /// Tells slots of one time apart: the order in which they were taken.
    pub(super) order: u64,
    pub(super) ranges: Ranges,
    /// How long it is, once its last fragment came.
    pub(super) total: Option<u16>,
    /// What its first fragment says it carries.
    pub(super) protocol: Option<IpProtocol>,
}

impl ReassemblySlot {
    /// An empty slot.
    pub const EMPTY: Self = Self {
        key: DatagramKey {
            source: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            destination: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            identification: 0,
            protocol: 0,
        },
        used: false,
        dead: false,
        siblings: 0,
        expires: Instant::from_ticks(0),
        order: 0,
        ranges: Ranges::NONE,
        total: None,
        protocol: None,
    };

    /// Whether every byte came.
    pub(super) fn is_complete(&self) -> bool {
        self.total.is_some_and(|total| matches!(self.ranges.as_slice(), [(0, end)] if *end == total))
    }
}
