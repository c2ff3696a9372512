use alloc::vec::Vec;
use core::net::Ipv6Addr;

use super::{
    NdpMessage, NdpOption, NdpOptions, NeighborFlags, PrefixInformation, RouterAdvertisement, RouterFlags,
};
use crate::wire::{Icmpv6Message, MacAddr, ParseError};

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const HERE: Ipv6Addr = Ipv6Addr::LOCALHOST;

fn options(list: &[NdpOption<'_>]) -> Vec<u8> {
    let mut all = Vec::new();
    for option in list {
        let mut out = [0; 128];
        let length = option.emit(&mut out).unwrap();
        all.extend(&out[..length]);
    }
    all
}

#[test]
fn what_was_written_is_read() {
    let prefix = PrefixInformation::new("2001:db8::".parse().unwrap(), 64, 3600, 1800);
    let servers = [HERE.octets(); 2];
    let list = [
        NdpOption::Source(MAC),
        NdpOption::Target(MAC),
        NdpOption::Prefix(&prefix),
        NdpOption::Mtu(1400),
        NdpOption::NameServers { lifetime: 60, servers: &servers },
        NdpOption::Redirected(&[0x60; 40]),
    ];
    let bytes = options(&list);
    let options = NdpOptions::new(&bytes).unwrap();
    assert_eq!(options.iter().collect::<Vec<_>>(), list);
    assert!(prefix.on_link() && prefix.autonomous());
    let router = RouterAdvertisement {
        hop_limit: 64,
        flags: RouterFlags::OTHER,
        lifetime: 1800,
        reachable: 1,
        retransmit: 2,
        options,
    };
    for message in [
        NdpMessage::RouterSolicitation { options },
        NdpMessage::RouterAdvertisement(router),
        NdpMessage::NeighborSolicitation { target: HERE, options: NdpOptions::NONE },
        NdpMessage::NeighborAdvertisement { flags: NeighborFlags::all(), target: HERE, options },
        NdpMessage::Redirect { target: HERE, destination: HERE, options },
    ] {
        let message = Icmpv6Message::Ndp(message);
        let mut out = [0; 512];
        let length = message.emit(HERE, HERE, &mut out).unwrap();
        assert_eq!(Icmpv6Message::parse(&out[..length], HERE, HERE, false), Ok(message));
    }
}

fn parse(kind: u8, code: u8, body: &[u8]) -> Result<(), ParseError> {
    let bytes = [&[kind, code, 0, 0, 0, 0, 0, 0], body].concat();
    Icmpv6Message::parse(&bytes, HERE, HERE, true).map(drop)
}

#[test]
fn messages_with_bad_options_are_refused_whole() {
    let target = HERE.octets();
    assert_eq!(parse(135, 0, &target), Ok(()));
    let empty = ParseError::BadLength { field: "option", said: 0 };
    assert_eq!(parse(135, 0, &[&target[..], &[1, 0, 0, 0, 0, 0, 0, 0]].concat()), Err(empty));
    let cut = parse(135, 0, &[&target[..], &[1, 1, 0, 0, 0, 0, 0]].concat());
    assert!(matches!(cut, Err(ParseError::Truncated { .. })), "{cut:?}");
    assert_eq!(parse(136, 1, &target), Err(ParseError::BadValue { field: "code", found: 1 }));
    assert!(parse(135, 0, &[0xff; 16]).is_err(), "a group has no neighbour");
    assert!(parse(135, 0, &target[..15]).is_err());
}

#[test]
fn options_of_the_wrong_length_are_skipped() {
    let bytes =
        [[1, 2, 0, 0, 0, 0, 0, 0], [0; 8], [3, 1, 64, 0, 0, 0, 0, 0], [5, 1, 0, 0, 0, 0, 5, 220]].concat();
    let options = NdpOptions::new(&bytes).unwrap();
    assert_eq!(
        options.iter().collect::<Vec<_>>(),
        [NdpOption::Other(1), NdpOption::Other(3), NdpOption::Mtu(1500)]
    );
}
