//! Ethernet II frames with up to two VLAN tags: [`EthernetFrame`].
//!
//! Source: IEEE 802.3 clause 3, 802.1Q clause 9. Lengths of the old 802.3 form (below 0x600) are no type and are refused.

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::bytes::Reader;
use super::{MacAddr, ParseError};

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4.
    pub const IPV4: Self = Self(0x0800);
    /// ARP.
    pub const ARP: Self = Self(0x0806);
    /// A customer's VLAN tag.
    pub const VLAN: Self = Self(0x8100);
    /// IPv6.
    pub const IPV6: Self = Self(0x86dd);
    /// A provider's VLAN tag, outside a customer's.
    pub const SERVICE_VLAN: Self = Self(0x88a8);
    /// The least value that is a type and no length.
    const FIRST: u16 = 0x600;
}

/// The first 14 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct EthernetHeader {
    /// For whom it is.
    pub destination: MacAddr,
    /// Who sent it.
    pub source: MacAddr,
    /// What follows.
    pub ether_type: U16,
}

/// Four bytes between the addresses and the type, seen from behind the type that announces them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct VlanTag {
    /// Priority (3 bits), drop eligible (1), VLAN (12).
    pub control: U16,
    /// What follows.
    pub ether_type: U16,
}

impl VlanTag {
    /// A tag of VLAN `id`, of which 12 bits count, with `priority` from 0 to 7.
    #[must_use]
    pub const fn new(id: u16, priority: u8, ether_type: EtherType) -> Self {
        let control = (priority as u16 & 7) << 13 | id & 0xfff;
        Self { control: U16::new(control), ether_type: U16::new(ether_type.0) }
    }

    /// The VLAN: 0 is none, just a priority; 4095 is not to be used.
    #[must_use]
    pub const fn id(&self) -> u16 {
        self.control.get() & 0xfff
    }

    /// From 0, best effort, to 7.
    #[must_use]
    pub const fn priority(&self) -> u8 {
        (self.control.get() >> 13) as u8
    }
}

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EthernetFrame<'a> {
    /// Addresses.
    pub header: &'a EthernetHeader,
    /// Tags, outermost first.
    pub tags: [Option<&'a VlanTag>; 2],
    /// What the payload is.
    pub ether_type: EtherType,
    /// The rest, with whatever padding is in it.
    pub payload: &'a [u8],
}

impl<'a> EthernetFrame<'a> {
    /// Reads a frame without its frame check sequence. A third tag is left in the payload.
    ///
    /// # Errors
    /// Too short, or a length in place of a type.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(bytes);
        let header: &EthernetHeader = reader.get()?;
        let (mut ether_type, mut tags) = (EtherType(header.ether_type.get()), [None; 2]);
        for slot in &mut tags {
            if !matches!(ether_type, EtherType::VLAN | EtherType::SERVICE_VLAN) {
                break;
            }
            let tag: &VlanTag = reader.get()?;
            *slot = Some(tag);
            ether_type = EtherType(tag.ether_type.get());
        }
        if ether_type.0 < EtherType::FIRST {
            return Err(ParseError::BadValue { field: "ether type", found: ether_type.0.into() });
        }
        Ok(Self { header, tags, ether_type, payload: reader.rest() })
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use zerocopy::IntoBytes as _;
    use zerocopy::network_endian::U16;

    use super::{EtherType, EthernetFrame, EthernetHeader, VlanTag};
    use crate::wire::{MacAddr, ParseError};

    fn frame(ether_type: EtherType, rest: &[&[u8]]) -> Vec<u8> {
        let header = EthernetHeader {
            destination: MacAddr::BROADCAST,
            source: MacAddr([2, 0, 0, 0, 0, 1]),
            ether_type: U16::new(ether_type.0),
        };
        [header.as_bytes(), &rest.concat()].concat()
    }

    #[test]
    fn two_tags_are_taken_off() {
        let outer = VlanTag::new(100, 5, EtherType::VLAN);
        let inner = VlanTag::new(4094, 0, EtherType::ARP);
        let bytes = frame(EtherType::SERVICE_VLAN, &[outer.as_bytes(), inner.as_bytes(), b"arp"]);
        let parsed = EthernetFrame::parse(&bytes).unwrap();
        assert_eq!(
            parsed.tags.map(|tag| tag.map(|tag| (tag.id(), tag.priority()))),
            [Some((100, 5)), Some((4094, 0))]
        );
        assert_eq!((parsed.ether_type, parsed.payload), (EtherType::ARP, &b"arp"[..]));
    }

    #[test]
    fn a_third_tag_is_payload() {
        let tag = VlanTag::new(1, 0, EtherType::VLAN);
        let bytes = frame(EtherType::VLAN, &[tag.as_bytes(), tag.as_bytes(), tag.as_bytes()]);
        let parsed = EthernetFrame::parse(&bytes).unwrap();
        assert_eq!((parsed.ether_type, parsed.payload.len()), (EtherType::VLAN, 4));
    }

    #[test]
    fn what_is_cut_or_no_type_is_refused() {
        let tagged = frame(EtherType::VLAN, &[b"abc"]);
        assert_eq!(EthernetFrame::parse(&tagged), Err(ParseError::Truncated { needed: 18, got: 17 }));
        assert_eq!(EthernetFrame::parse(&tagged[..13]), Err(ParseError::Truncated { needed: 14, got: 13 }));
        let length = frame(EtherType(46), &[]);
        assert_eq!(
            EthernetFrame::parse(&length),
            Err(ParseError::BadValue { field: "ether type", found: 46 })
        );
    }
}
