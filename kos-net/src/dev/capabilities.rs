//! What a device can do: [`Capabilities`].

/// What the bytes of a frame start with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Medium {
    /// A header of Ethernet, without the frame check sequence behind.
    #[default]
    Ethernet,
    /// A header of IP: TUN devices, tunnels, SLIP. There are no neighbours to ask for.
    Ip,
}

bitflags::bitflags! {
    /// Work that the device takes off the stack. What is not there, the stack does itself.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Offloads: u16 {
        /// It checks sums of TCP and UDP, and says so.
        const CHECKSUM_RX = 1 << 0;
        /// It completes sums of TCP and UDP.
        const CHECKSUM_TX = 1 << 1;
        /// It cuts large segments of TCP over IPv4.
        const GSO_TCP_V4 = 1 << 2;
        /// It cuts large segments of TCP over IPv6.
        const GSO_TCP_V6 = 1 << 3;
    }
}

/// What a device can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// What its frames start with.
    pub medium: Medium,
    /// The most bytes of an IP packet, header included.
    pub mtu: u16,
    /// What it does in place of the stack.
    pub offloads: Offloads,
    /// The most bytes of an IP packet that it cuts into segments.
    pub gso_max: u32,
    /// Whether all that is sent comes back: packets for our own addresses go there.
    pub loopback: bool,
}

impl Capabilities {
    /// A device that does nothing but send and receive.
    #[must_use]
    pub const fn new(medium: Medium, mtu: u16) -> Self {
        Self { medium, mtu, offloads: Offloads::empty(), gso_max: 0, loopback: false }
    }
}
