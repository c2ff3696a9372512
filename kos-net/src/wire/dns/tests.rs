use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use proptest::prelude::*;

use super::{
    DnsCode, DnsData, DnsFlags, DnsMessage, DnsName, DnsRecord, DnsType, MAX_NAME, QueryError, emit_query,
};
use crate::wire::{NoRoom, ParseError};

fn query(name: &[u8]) -> Result<Vec<u8>, QueryError> {
    let mut out = [0; 300];
    let length = emit_query(7, name, DnsType::A, Some(1232), &mut out)?;
    Ok(out[..length].to_vec())
}

/// A header with so many answers, the question, the records.
fn answer(records: &[&[u8]]) -> Vec<u8> {
    let mut bytes = query(b"kos.example").unwrap();
    bytes.truncate(29);
    bytes[2..4].copy_from_slice(&[0x81, 0x83]);
    bytes[7] = u8::try_from(records.len()).unwrap();
    bytes[11] = 0;
    bytes.extend(records.concat());
    bytes
}

fn records(bytes: &[u8]) -> Vec<Result<DnsRecord<'_>, ParseError>> {
    DnsMessage::parse(bytes).unwrap().answers().collect()
}

#[test]
fn a_question_stands_as_rfc_1035_draws_it() {
    let bytes = query(b"kos.example.").unwrap();
    let drawn =
        b"\0\x07\x01\0\0\x01\0\0\0\0\0\x01\x03kos\x07example\0\0\x01\0\x01\0\0\x29\x04\xd0\0\0\0\0\0\0";
    assert_eq!(bytes, drawn);
    let message = DnsMessage::parse(&bytes).unwrap();
    let (name, kind, class) = message.question().unwrap();
    assert!(
        name.is(b"KOS.Example") && name.is(b"kos.example.") && !name.is(b"kos.exampl") && !name.is(b"kos")
    );
    assert_eq!((name.to_string().as_str(), kind, class), ("kos.example", DnsType::A, 1));
}

#[test]
fn names_that_cannot_be_asked_for_are_refused() {
    assert_eq!(query(b""), Err(QueryError::BadLabel { length: 0 }));
    assert_eq!(query(b"a..b"), Err(QueryError::BadLabel { length: 0 }));
    assert_eq!(query(&[b'a'; 64]), Err(QueryError::BadLabel { length: 64 }));
    let longest = [[b'a'; 63]; 4].join(&b'.');
    assert_eq!(query(&longest[2..]).map(|bytes| bytes.len()), Ok(12 + MAX_NAME + 4 + 11));
    assert_eq!(query(&longest[1..]), Err(QueryError::NameTooLong { length: 254 }));
    let error = emit_query(7, b"kos.example", DnsType::A, None, &mut [0; 20]);
    assert_eq!(error, Err(QueryError::NoRoom(NoRoom { needed: 24, got: 20 })));
}

#[test]
fn records_of_all_kinds_are_read() {
    let bytes = answer(&[
        b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01b\xc0\x10",
        b"\x01b\xc0\x10\0\x01\0\x01\x80\0\0\0\0\x04\xc0\0\x02\x01",
        b"\xc0\x0c\0\x21\0\x01\0\0\0\x3c\0\x09\0\x01\0\x02\0\x50\x01c\0",
        b"\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\x03\x02hi",
        b"\xc0\x0c\0\x06\0\x01\0\0\0\x3c\0\x16\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05",
        b"\xc0\x0c\x03\xe7\0\x01\0\0\0\x3c\0\x01!",
    ]);
    let message = DnsMessage::parse(&bytes).unwrap();
    assert!(message.header.flags().contains(DnsFlags::RESPONSE | DnsFlags::RECURSION_AVAILABLE));
    assert_eq!((message.header.code(), message.header.operation()), (DnsCode::NO_SUCH_NAME, 0));
    let records: Vec<_> = message.answers().map(Result::unwrap).collect();
    assert!(records[0].name.is(b"kos.example") && records[0].ttl == 60);
    assert!(
        matches!(records[0].data, DnsData::Cname(name) if name == records[1].name && name.is(b"b.example"))
    );
    assert_eq!((records[1].data, records[1].ttl), (DnsData::A(Ipv4Addr::new(192, 0, 2, 1)), 0));
    assert!(
        matches!(records[2].data, DnsData::Srv { priority: 1, weight: 2, port: 80, target } if target.is(b"c"))
    );
    assert_eq!(records[3].data, DnsData::Txt(b"\x02hi"));
    assert_eq!(records[4].data, DnsData::Soa { minimum: 5 });
    assert_eq!((records[5].kind, records[5].data), (DnsType(999), DnsData::Other(b"!")));
}

#[test]
fn pointers_lead_only_backward() {
    let own = answer(&[b"\xc0\x1d\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01"]);
    assert_eq!(records(&own), [Err(ParseError::BadValue { field: "pointer", found: 29 })]);
    let forward = answer(&[b"\xc0\x1f\x01b\0\0\x01\0\x01\0\0\0\x3c\0\0"]);
    assert_eq!(records(&forward), [Err(ParseError::BadValue { field: "pointer", found: 31 })]);
    // Two pointers that lead to each other: the second leads forward.
    let circle = answer(&[b"\x01a\xc0\x1d\0\x01\0\x01\0\0\0\x3c\0\0"]);
    assert_eq!(records(&circle), [Err(ParseError::BadValue { field: "pointer", found: 29 })]);
}

/// A name may be long by pointing to others again and again; not longer than 255 bytes.
#[test]
fn names_put_together_are_bounded() {
    let mut bytes = answer(&[]);
    bytes[7] = 8;
    let mut before = 12_u16;
    for _ in 0..8 {
        let here = u16::try_from(bytes.len()).unwrap();
        bytes.push(40);
        bytes.extend([b'x'; 40]);
        bytes.extend((0xc000 | before).to_be_bytes());
        bytes.extend(b"\x03\xe7\0\x01\0\0\0\x3c\0\0");
        before = here;
    }
    let records = records(&bytes);
    assert_eq!(records.len(), 6, "13 + 41 * 5 is the longest");
    assert_eq!(records[5], Err(ParseError::BadLength { field: "name", said: 259 }));
}

#[test]
fn lengths_that_do_not_fit_the_data_are_refused() {
    for bad in [
        &b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x05\xc0\0\x02\x01\0"[..],
        b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02",
        b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x03\xc0\x10\0",
        b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x01\xc0\x10",
        b"\x40\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01",
        b"",
    ] {
        let mut bytes = answer(&[bad]);
        assert!(matches!(records(&bytes)[..], [Err(_)]), "{bad:?}");
        bytes[5] = 2;
        assert!(DnsMessage::parse(&bytes).unwrap().question().is_err(), "two questions");
    }
}

#[test]
fn strange_bytes_of_names_are_shown_in_digits() {
    let bytes = query(b"a b\xff").unwrap();
    let (name, ..) = DnsMessage::parse(&bytes).unwrap().question().unwrap();
    assert_eq!(name.to_string(), "a\\032b\\255");
}

proptest! {
    #![proptest_config(crate::testing::config())]
    #[test]
    fn any_name_comes_back(labels in prop::collection::vec("[a-zA-Z0-9_-]{1,20}", 1..8)) {
        let text = labels.join(".");
        let bytes = query(text.as_bytes()).unwrap();
        let (name, ..) = DnsMessage::parse(&bytes).unwrap().question().unwrap();
        prop_assert_eq!(name.to_string(), text.as_str());
        prop_assert!(name.is(text.to_uppercase().as_bytes()));
    }

    #[test]
    fn any_bytes_are_read_to_an_end(mut bytes in prop::collection::vec(any::<u8>(), 0..200), pointers in any::<bool>()) {
        if pointers {
            bytes.iter_mut().step_by(2).for_each(|byte| *byte |= 0xc0);
        }
        for at in 0..bytes.len() {
            if let Ok((name, behind)) = DnsName::read(&bytes, at) {
                prop_assert!(behind <= bytes.len());
                prop_assert!(name.labels().map(|label| label.len() + 1).sum::<usize>() < MAX_NAME);
            }
        }
        if let Ok(message) = DnsMessage::parse(&bytes) {
            prop_assert!(message.records().count() <= bytes.len());
        }
    }
}
