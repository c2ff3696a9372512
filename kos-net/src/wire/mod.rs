//! Formats on the wire, alone usable: each is read by a `parse` that looks at every length before it uses it, never panics and
//! copies nothing, and written by a constructor or an `emit`.
//!
//! | layer | formats |
//! |---|---|
//! | link | [`EthernetFrame`] with [`VlanTag`]s, [`ArpPacket`], [`MacAddr`] |
//! | IP | [`Ipv4Packet`], [`Ipv6Packet`] with its [`Ipv6Chain`] of extension headers |
//! | control | [`Icmpv4Message`], [`Icmpv6Message`], [`ndp`], [`igmp`], [`mld`] |
//! | transport | [`UdpDatagram`], [`TcpSegment`], [`TcpOptions`], [`SeqNumber`] |
//! | services | [`dhcp`], [`dns`] |
//!
//! Headers are structures of bytes (zerocopy): a reference into the frame is the parsed header, and its bytes are what goes out.
//! What is not for the form to decide (martians, hop limits, state) is left to who reads.

mod arp;
mod bytes;
mod checksum;
pub mod dhcp;
pub mod dns;
mod error;
mod ethernet;
mod groups;
mod icmp;
mod icmpv4;
mod icmpv6;
pub mod igmp;
mod ip;
mod ipv4;
mod ipv6;
mod ipv6_ext;
mod mac;
pub mod mld;
pub mod ndp;
mod seq;
mod tcp;
mod tcp_options;
mod udp;

pub use arp::{ArpOperation, ArpPacket};
pub use checksum::Checksum;
pub use error::{NoRoom, ParseError};
pub use ethernet::{EtherType, EthernetFrame, EthernetHeader, VlanTag};
pub use groups::GroupChange;
pub use icmp::Echo;
pub use icmpv4::{FRAGMENTATION_NEEDED, Icmpv4Message};
pub use icmpv6::Icmpv6Message;
pub use ip::{FragmentPlace, IpProtocol};
pub use ipv4::{Ipv4Header, Ipv4Option, Ipv4Packet};
pub use ipv6::{Ipv6Header, Ipv6Packet};
pub use ipv6_ext::{ChainError, FragmentHeader, Ipv6Chain, MAX_HEADERS, Problem};
pub use mac::MacAddr;
pub use seq::SeqNumber;
pub use tcp::{TcpFields, TcpFlags, TcpHeader, TcpSegment};
pub use tcp_options::{
    MAX_OPTIONS, MAX_SACK_BLOCKS, MAX_WINDOW_SCALE, SackBlock, SackBlocks, TcpOptions, TcpTimestamps,
};
pub use udp::{UdpDatagram, UdpHeader};
