//! Why a packet goes no further: [`DropReason`]. A packet that is dropped counts under exactly one.

use core::fmt;
use core::fmt::Write as _;

/// Declares the reasons once: the type, their number, their names.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Why a packet goes no further.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum DropReason {
            $($(#[$doc])* $name,)*
        }

        impl DropReason {
            /// All of them, each at the place that it counts under.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What it is called in lists: its name in words.
            const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

impl fmt::Display for DropReason {
    /// Its name in lower case, the words apart: `bad checksum`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, letter) in self.name().char_indices() {
            if place > 0 && letter.is_ascii_uppercase() {
                f.write_char(' ')?;
            }
            f.write_char(letter.to_ascii_lowercase())?;
        }
        Ok(())
    }
}

reasons! {
    /// It is no frame of this link.
    BadFrame,
    /// Its link address is another's.
    OtherStation,
    /// It carries what is not known here.
    UnknownEtherType,
    /// It belongs to a virtual network that is not ours.
    OtherVlan,
    /// It is no ARP, or says what cannot be.
    BadArp,
    /// It is no IP packet, or its headers lead nowhere.
    BadIpHeader,
    /// It carries a route of its own (RFC 7126).
    SourceRoute,
    /// Nobody can have that source (RFC 1122, section 3.2.1.3).
    MartianSource,
    /// It is for another host; nothing is forwarded.
    OtherHost,
    /// It carries what nobody here reads.
    UnknownProtocol,
    /// An option or header of IPv6 that must be known.
    UnknownOption,
    /// A fragment that cannot be one, or that overlaps another.
    BadFragment,
    /// There is no room for another datagram in pieces.
    ReassemblyFull,
    /// A sum over TCP, UDP or ICMP that is wrong.
    BadChecksum,
    /// It is no segment, datagram or message, whatever its sum.
    BadTransport,
    /// It came by multicast or broadcast where that cannot be.
    NotUnicast,
    /// A message of neighbour discovery from beyond the link, or in pieces.
    NotFromLink,
    /// Nobody listens at that port.
    NoSocket,
    /// The queue of the socket is full.
    SocketQueueFull,
    /// It is no answer to anything that was asked.
    Unsolicited,
    /// The reply to it would exceed a limit.
    RateLimited,
    /// The segment lies outside of the window.
    OutOfWindow,
    /// The segment has been seen: all of it came before.
    Duplicate,
    /// Its clock goes backwards (RFC 7323).
    StaleTimestamp,
    /// What it acknowledges was never sent, or long ago.
    BadAcknowledgement,
    /// A SYN or RST that is not exactly right (RFC 5961).
    Challenged,
    /// The segment does not fit the state of its connection.
    BadState,
    /// There is no room for another connection that is half open.
    BacklogFull,
    /// There is no room for what came before its turn.
    OutOfOrderFull,
    /// There is no room for it in the receive buffer.
    ReceiveBufferFull,
    /// Going out: there is no route.
    NoRoute,
    /// Going out: there is no address to send from.
    NoSourceAddress,
    /// Going out: the neighbour does not answer.
    NeighborUnreachable,
    /// Going out: too many wait for that neighbour, or for neighbours at all.
    NeighborQueueFull,
    /// Going out: the device takes no more.
    DeviceFull,
    /// Going out: larger than the path, and not to be cut.
    TooBig,
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::DropReason;

    #[test]
    fn a_reason_is_told_in_words() {
        assert_eq!(DropReason::BadIpHeader.to_string(), "bad ip header");
        assert_eq!(DropReason::Duplicate.to_string(), "duplicate");
    }
}
