use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use proptest::prelude::*;

use super::{
    Datagram, DatagramKey, Fragment, FragmentError, MAX_RANGES, Reassembly, ReassemblySlot, TIMEOUT, model,
};
use crate::ip::Pieces;
use crate::time::{Duration, Instant, after};
use crate::wire::{FragmentPlace, IpProtocol};

type Machine = Reassembly<Vec<ReassemblySlot>, Vec<u8>>;

const NOW: Instant = Instant::from_ticks(1_000);

fn machine(slots: usize, room: usize) -> Machine {
    Reassembly::new(vec![ReassemblySlot::EMPTY; slots], vec![0xaa; slots * room])
}

fn key(source: u8, identification: u32) -> DatagramKey {
    let destination = IpAddr::from([10, 0, 0, 1]);
    DatagramKey { source: [10, 0, 0, source].into(), destination, identification, protocol: 17 }
}

fn piece(offset: u16, more: bool, payload: &[u8]) -> Fragment<'_> {
    Fragment { place: FragmentPlace { offset, more }, protocol: IpProtocol::UDP, payload }
}

fn put(
    machine: &mut Machine,
    key: DatagramKey,
    fragment: Fragment<'_>,
) -> Result<Option<Vec<u8>>, FragmentError> {
    let done = machine.insert(NOW, key, fragment).map(|done| done.map(|done| done.payload.to_vec()));
    machine.check().unwrap();
    done
}

#[test]
fn the_largest_ping_comes_together_backwards() {
    let payload: Vec<u8> = (0..65_515_u32).map(|at| at.to_be_bytes()[3] ^ at.to_be_bytes()[2]).collect();
    let mut pieces: Vec<_> = Pieces::new(payload.len(), 20, 1500).unwrap().collect();
    let mut machine = machine(2, 65_535);
    let (last, first) = (pieces.remove(0), pieces.split_off(0));
    for (place, bytes) in first.into_iter().rev() {
        let fragment = piece(place.offset, place.more, &payload[bytes]);
        assert_eq!(put(&mut machine, key(1, 7), fragment), Ok(None));
    }
    let done = machine.insert(NOW, key(1, 7), piece(0, true, &payload[last.1]));
    assert_eq!(done, Ok(Some(Datagram { protocol: IpProtocol::UDP, payload: &payload })));
    assert!(machine.is_empty() && machine.poll_at().is_none());
}

/// smoltcp#1116: pieces were cut anywhere; smoltcp#1207: a fragment beyond the limit of holes was noted nowhere, and counted.
#[test]
fn fragments_multiple_of_eight_hole_limit_kept() {
    for (place, bytes) in Pieces::new(4000, 20, 1499).unwrap() {
        assert!(place.offset % 8 == 0 && (bytes.len() % 8 == 0 || !place.more), "{bytes:?}");
    }
    let mut machine = machine(1, 1024);
    let ranges = u16::try_from(MAX_RANGES).unwrap();
    for hole in 0..ranges {
        assert_eq!(put(&mut machine, key(1, 7), piece(hole * 16, true, &[1; 8])), Ok(None));
    }
    assert_eq!(put(&mut machine, key(1, 7), piece(8, true, &[1; 8])), Ok(None), "one hole less");
    assert_eq!(put(&mut machine, key(1, 7), piece(ranges * 16, true, &[1; 8])), Ok(None));
    let one_more = piece(ranges * 16 + 16, false, &[1; 8]);
    assert_eq!(put(&mut machine, key(1, 7), one_more), Err(FragmentError::TooManyHoles));
    for hole in 1..=ranges {
        let filling = put(&mut machine, key(1, 7), piece(hole * 16 - 8, true, &[1; 8]));
        assert_eq!(filling, Err(FragmentError::Dead), "never handed out with bytes missing");
    }
    assert_eq!(
        put(&mut machine, key(1, 8), piece(0, true, &[1; 9])),
        Err(FragmentError::Unaligned { length: 9 })
    );
}

/// RFC 5722; CVE-1999-0015 ("teardrop").
#[test]
fn an_overlap_kills_the_datagram() {
    for second in [
        piece(8, true, &[2; 16]),
        piece(0, true, &[2; 16]),
        piece(0, true, &[1; 24]),
        piece(8, false, &[1; 8]),
    ] {
        let mut machine = machine(2, 64);
        assert_eq!(put(&mut machine, key(1, 7), piece(0, true, &[1; 16])), Ok(None));
        assert_eq!(put(&mut machine, key(1, 7), second), Err(FragmentError::Overlap), "{second:?}");
        let rest = put(&mut machine, key(1, 7), piece(16, false, &[1; 8]));
        assert_eq!(rest, Err(FragmentError::Dead));
        assert_eq!(put(&mut machine, key(2, 7), piece(16, false, &[1; 8])), Ok(None), "others live");
        assert_eq!(machine.expire(after(NOW, TIMEOUT)).unwrap().start, None, "nobody is told");
    }
}

#[test]
fn the_end_does_not_move() {
    let mut machine = machine(1, 64);
    assert_eq!(put(&mut machine, key(1, 7), piece(24, false, &[1; 8])), Ok(None));
    assert_eq!(put(&mut machine, key(1, 7), piece(16, false, &[1; 8])), Err(FragmentError::Overlap));
    assert_eq!(put(&mut machine, key(1, 8), piece(24, false, &[1; 8])), Ok(None));
    assert_eq!(put(&mut machine, key(1, 8), piece(32, true, &[1; 8])), Err(FragmentError::Overlap));
    assert_eq!(put(&mut machine, key(1, 9), piece(24, true, &[1; 8])), Ok(None));
    assert_eq!(put(&mut machine, key(1, 9), piece(16, false, &[1; 4])), Err(FragmentError::Overlap));
}

#[test]
fn what_came_twice_is_ignored() {
    let mut machine = machine(1, 64);
    assert_eq!(put(&mut machine, key(1, 7), piece(8, false, &[1; 5])), Ok(None));
    assert_eq!(put(&mut machine, key(1, 7), piece(8, false, &[1; 5])), Ok(None));
    assert_eq!(put(&mut machine, key(1, 7), piece(0, true, &[1; 8])), Ok(Some(vec![1; 13])));
}

/// RFC 6946: whoever forges fragments must not harm those who send whole packets with a fragment header.
#[test]
fn an_atomic_fragment_passes_what_waits() {
    let mut machine = machine(1, 64);
    assert_eq!(put(&mut machine, key(1, 7), piece(8, false, &[1; 8])), Ok(None));
    assert_eq!(put(&mut machine, key(1, 7), piece(0, false, &[2; 3])), Ok(Some(vec![2; 3])));
    assert_eq!(put(&mut machine, key(1, 7), piece(0, true, &[1; 8])), Ok(Some(vec![1; 16])));
}

#[test]
fn who_sends_much_harms_himself() {
    let mut machine = machine(8, 64);
    put(&mut machine, key(2, 0), piece(0, true, &[1; 8])).unwrap();
    for identification in 0..1000 {
        assert_eq!(put(&mut machine, key(1, identification), piece(8, true, &[1; 8])), Ok(None));
    }
    assert_eq!(machine.len(), 5, "four of a source");
    for source in 3..=5 {
        put(&mut machine, key(source, 0), piece(0, true, &[1; 8])).unwrap();
    }
    put(&mut machine, key(6, 0), piece(0, true, &[1; 8])).unwrap();
    for source in 2..=6 {
        assert_eq!(put(&mut machine, key(source, 0), piece(8, false, &[2; 1])).unwrap().unwrap().len(), 9);
    }
    assert_eq!(machine.len(), 3, "the heaviest lost one");
}

#[test]
fn after_a_minute_the_sender_is_told_if_the_start_came() {
    let mut machine = machine(4, 64);
    put(&mut machine, key(1, 1), piece(0, true, &[1; 8])).unwrap();
    put(&mut machine, key(2, 2), piece(8, true, &[1; 8])).unwrap();
    let over = after(NOW, TIMEOUT);
    assert_eq!(machine.poll_at(), Some(over));
    let just_before = over.checked_sub_duration(Duration::from_ticks(1)).unwrap();
    assert_eq!(machine.expire(just_before), None);
    let first = machine.expire(over).unwrap();
    assert_eq!((first.key, first.start), (key(1, 1), Some((IpProtocol::UDP, &[1; 8][..]))));
    assert_eq!(machine.expire(over).unwrap().start, None);
    assert_eq!(machine.expire(over), None);
    assert_eq!(machine.poll_at(), None);
}

#[test]
fn no_room_is_an_error() {
    let mut none = machine(0, 64);
    assert_eq!(
        put(&mut none, key(1, 1), piece(0, true, &[1; 8])),
        Err(FragmentError::TooLarge { end: 8, room: 0 })
    );
    let mut small = machine(1, 64);
    let error = put(&mut small, key(1, 1), piece(64, true, &[1; 8]));
    assert_eq!(error, Err(FragmentError::TooLarge { end: 72, room: 64 }));
    assert_eq!(
        put(&mut small, key(1, 1), piece(65_528, true, &[1; 8])),
        Err(FragmentError::BeyondLargest { end: 65_536 })
    );
    assert!(small.is_empty(), "nothing changed");
}

proptest! {
    #![proptest_config(crate::testing::config())]

    #[test]
    fn a_list_of_bytes_behaves_the_same(data in prop::collection::vec(any::<u8>(), 0..1200)) {
        model::run(&data);
    }

    /// Few datagrams, short pieces in place: most of them come together.
    #[test]
    fn datagrams_come_together_as_they_would_from_a_list(steps in prop::collection::vec((0_u8..4, 0_u8..12, 1_u8..4, 0_u8..8), 0..200)) {
        let data: Vec<u8> = steps.into_iter().flat_map(|(who, offset, length, how)| [who, offset, length, how & !4]).collect();
        model::run(&data);
    }
}
