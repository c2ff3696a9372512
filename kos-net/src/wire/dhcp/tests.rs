use alloc::vec;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use proptest::prelude::*;

use super::writer::{FIXED, SHORTEST};
use super::{DhcpCode, DhcpHeader, DhcpKind, DhcpMessage, DhcpRoute, DhcpWriter, routes};
use crate::wire::{MacAddr, NoRoom, ParseError};

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

fn header() -> DhcpHeader {
    DhcpHeader::of_client(0xdead_beef, 3, MAC, Ipv4Addr::UNSPECIFIED, true)
}

fn message(header: &DhcpHeader, kind: DhcpKind, options: &[(DhcpCode, &[u8])]) -> Vec<u8> {
    let mut out = vec![0; 1500];
    let mut writer = DhcpWriter::new(&mut out, header, kind).unwrap();
    for (code, data) in options {
        writer.option(*code, data).unwrap();
    }
    let length = writer.finish().unwrap();
    out.truncate(length);
    out
}

#[test]
fn what_was_written_is_read() {
    let bytes = message(&header(), DhcpKind::Discover, &[(DhcpCode::REQUESTED_ADDRESS, &ADDRESS.octets())]);
    assert_eq!(bytes.len(), SHORTEST);
    let read = DhcpMessage::parse(&bytes).unwrap();
    assert_eq!(
        (read.kind, read.header.transaction.get(), read.header.mac()),
        (DhcpKind::Discover, 0xdead_beef, MAC)
    );
    assert!(!read.header.is_reply() && read.header.wants_broadcast());
    assert_eq!(read.address(DhcpCode::REQUESTED_ADDRESS), Some(ADDRESS));
    assert_eq!((read.address(DhcpCode::SERVER), read.number(DhcpCode::LEASE_TIME)), (None, None));

    let answer = DhcpHeader::of_server(read.header, ADDRESS);
    let servers = [1, 1, 1, 1, 8, 8, 8, 8, 9];
    let options: &[(DhcpCode, &[u8])] =
        &[(DhcpCode::LEASE_TIME, &[0, 0, 14, 16]), (DhcpCode::NAME_SERVERS, &servers)];
    let bytes = message(&answer, DhcpKind::Offer, options);
    let read = DhcpMessage::parse(&bytes).unwrap();
    assert!(
        read.header.is_reply() && read.header.yours() == ADDRESS && read.header.client().is_unspecified()
    );
    assert_eq!(read.number(DhcpCode::LEASE_TIME), Some(3600));
    let all: Vec<Ipv4Addr> = read.addresses(DhcpCode::NAME_SERVERS).collect();
    assert_eq!(all, [Ipv4Addr::new(1, 1, 1, 1), Ipv4Addr::new(8, 8, 8, 8)], "half an address is none");
}

#[test]
fn options_go_on_in_the_fields_that_52_names() {
    let mut bytes = message(&header(), DhcpKind::Offer, &[(DhcpCode(52), &[3])]);
    bytes[108..112].copy_from_slice(&[51, 4, 0, 0]); // file
    bytes[112..115].copy_from_slice(&[0, 9, 255]);
    bytes[44..51].copy_from_slice(&[54, 4, 192, 0, 2, 7, 255]); // server name
    let read = DhcpMessage::parse(&bytes).unwrap();
    assert_eq!((read.number(DhcpCode::LEASE_TIME), read.address(DhcpCode::SERVER)), (Some(9), Some(ADDRESS)));
    bytes[245] = 1;
    assert_eq!(DhcpMessage::parse(&bytes).unwrap().address(DhcpCode::SERVER), None, "only the file");
}

/// RFC 3396.
#[test]
fn long_options_come_in_pieces() {
    let long: Vec<u8> = (0..=255).chain(0..=99).collect();
    let bytes = message(&header(), DhcpKind::Ack, &[(DhcpCode::ROUTES, &long), (DhcpCode::HOST_NAME, b"")]);
    let read = DhcpMessage::parse(&bytes).unwrap();
    assert_eq!(read.option(DhcpCode::ROUTES), Some(&long[..255]));
    assert_eq!(read.gather(DhcpCode::ROUTES, &mut [0; 400]), Some(&long[..]));
    assert_eq!(read.gather(DhcpCode::ROUTES, &mut [0; 355]), None);
    assert_eq!(read.gather(DhcpCode::HOST_NAME, &mut []), Some(&[][..]));
    assert_eq!(read.gather(DhcpCode::SERVER, &mut [0; 9]), None);
}

#[test]
fn what_is_no_dhcp_is_refused() {
    let good = message(&header(), DhcpKind::Discover, &[]);
    assert_eq!(DhcpMessage::parse(&good[..239]), Err(ParseError::Truncated { needed: FIXED, got: 239 }));
    for (at, value, field) in
        [(236, 0, "magic"), (1, 6, "hardware type"), (242, 9, "message"), (240, 1, "message")]
    {
        let mut bad = good.clone();
        bad[at] = value;
        let error = DhcpMessage::parse(&bad).unwrap_err();
        assert!(matches!(error, ParseError::BadValue { field: named, .. } if named == field), "{error}");
    }
    let mut cut = good;
    cut[243..245].copy_from_slice(&[12, 200]);
    assert!(matches!(DhcpMessage::parse(&cut), Err(ParseError::Truncated { .. })));
    assert_eq!(
        DhcpWriter::new(&mut [0; 242], &header(), DhcpKind::Discover).map(drop),
        Err(NoRoom { needed: 243, got: 242 })
    );
}

/// The table of RFC 3442.
#[test]
fn routes_are_written_short() {
    let router = [10, 0, 0, 1];
    let data =
        [&[0][..], &router, &[8, 10], &router, &[24, 10, 0, 0], &router, &[25, 10, 229, 0, 255], &router]
            .concat();
    let all: Vec<DhcpRoute> = routes(&data).map(Result::unwrap).collect();
    let route = |network: [u8; 4], bits| DhcpRoute { network: network.into(), bits, router: router.into() };
    let wanted =
        [route([0; 4], 0), route([10, 0, 0, 0], 8), route([10, 0, 0, 0], 24), route([10, 229, 0, 128], 25)];
    assert_eq!(all, wanted);
    for bad in [&[33, 1, 2, 3, 4, 5][..], &[24, 10], &[0, 1, 2, 3]] {
        assert!(matches!(routes(bad).collect::<Vec<_>>()[..], [Err(_)]), "{bad:?}");
    }
}

proptest! {
    #![proptest_config(crate::testing::config())]
    #[test]
    fn any_options_are_read_to_an_end(options in prop::collection::vec(any::<u8>(), 0..300), overload in 0..4_u8) {
        let mut bytes = message(&header(), DhcpKind::Request, &[(DhcpCode(52), &[overload])]);
        bytes.truncate(246);
        bytes[44..236].iter_mut().zip(&options).for_each(|(to, from)| *to = *from);
        bytes.extend(&options);
        if let Ok(read) = DhcpMessage::parse(&bytes) {
            prop_assert!(read.options().map(|option| option.data.len() + 2).sum::<usize>() <= bytes.len());
            let routes = read.option(DhcpCode::ROUTES).map_or(0, |data| routes(data).count());
            prop_assert!(routes <= 255);
        }
    }
}
