//! A naive machine beside the true one: datagrams as lists of bytes that came or did not. Shared by the property test and the fuzz
//! target `reassembly`.

use alloc::vec;
use alloc::vec::Vec;

use super::{
    DatagramKey, Fragment, FragmentError, MAX_PER_SOURCE, MAX_RANGES, Reassembly, ReassemblySlot, TIMEOUT,
};
use crate::time::{Instant, after};
use crate::wire::{FragmentPlace, IpProtocol};

const SLOTS: usize = 6;
const ROOM: usize = 1024;

struct Datagram {
    key: DatagramKey,
    expires: Instant,
    bytes: Vec<Option<u8>>,
    total: Option<usize>,
    protocol: Option<IpProtocol>,
    dead: bool,
}

#[derive(Default)]
struct Model(Vec<Datagram>);

type Whole = (IpProtocol, Vec<u8>);

impl Model {
    fn of(&self, source: core::net::IpAddr) -> usize {
        self.0.iter().filter(|datagram| datagram.key.source == source).count()
    }

    /// The list is in order of age.
    fn make_room(&mut self, key: DatagramKey) {
        let own = self.of(key.source);
        let most = self.0.iter().map(|datagram| self.of(datagram.key.source)).max().unwrap_or(0);
        let victim = if own >= usize::from(MAX_PER_SOURCE) {
            self.0.iter().position(|datagram| datagram.key.source == key.source)
        } else if self.0.len() == SLOTS {
            self.0.iter().position(|datagram| self.of(datagram.key.source) == most)
        } else {
            None
        };
        victim.map(|victim| self.0.remove(victim));
    }

    fn insert(
        &mut self,
        now: Instant,
        key: DatagramKey,
        fragment: Fragment<'_>,
    ) -> Result<Option<Whole>, FragmentError> {
        let (start, length) = (usize::from(fragment.place.offset), fragment.payload.len());
        let end = start + length;
        if fragment.place.is_whole() {
            return Ok(Some((fragment.protocol, fragment.payload.to_vec())));
        }
        if length == 0 || (fragment.place.more && length % 8 != 0) {
            return Err(FragmentError::Unaligned { length });
        }
        if end > ROOM {
            return Err(FragmentError::TooLarge { end, room: ROOM });
        }
        if !self.0.iter().any(|datagram| datagram.key == key) {
            self.make_room(key);
            let (expires, bytes) = (after(now, TIMEOUT), vec![None; ROOM]);
            self.0.push(Datagram { key, expires, bytes, total: None, protocol: None, dead: false });
        }
        let index = self.0.iter().position(|datagram| datagram.key == key).unwrap_or(0);
        let Some(datagram) = self.0.get_mut(index) else { return Err(FragmentError::NoSlots) };
        if !datagram.put(start, fragment)? {
            return Ok(None);
        }
        let done = self.0.remove(index);
        Ok(Some((done.protocol.unwrap_or(fragment.protocol), done.bytes.into_iter().flatten().collect())))
    }
}

impl Datagram {
    fn put(&mut self, start: usize, fragment: Fragment<'_>) -> Result<bool, FragmentError> {
        if self.dead {
            return Err(FragmentError::Dead);
        }
        let end = start + fragment.payload.len();
        let total = if fragment.place.more { self.total } else { Some(end) };
        let place: Vec<Option<u8>> = self.bytes.get(start..end).unwrap_or_default().to_vec();
        let same = place.iter().zip(fragment.payload).all(|(here, new)| *here == Some(*new));
        if same && self.total == total {
            return Ok(false);
        }
        let last = self.bytes.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let beyond = total.is_some_and(|total| end > total || last > total);
        let contradicts = self.total.is_some() && self.total != total;
        if place.iter().any(Option::is_some) || beyond || contradicts {
            self.kill();
            return Err(FragmentError::Overlap);
        }
        for (here, new) in self.bytes.iter_mut().skip(start).zip(fragment.payload) {
            *here = Some(*new);
        }
        if self.ranges() > MAX_RANGES {
            self.kill();
            return Err(FragmentError::TooManyHoles);
        }
        self.total = total;
        if start == 0 {
            self.protocol = Some(fragment.protocol);
        }
        Ok(total.is_some_and(|total| self.bytes.iter().take(total).all(Option::is_some)))
    }

    fn ranges(&self) -> usize {
        let starts = |pair: &[Option<u8>]| matches!(pair, [None, Some(_)]);
        usize::from(self.bytes.first().is_some_and(Option::is_some))
            + self.bytes.windows(2).filter(|pair| starts(pair)).count()
    }

    fn kill(&mut self) {
        (self.dead, self.bytes, self.total) = (true, vec![None; ROOM], None);
    }
}

/// Four bytes a step: which datagram, where, how many bytes, and how; or time goes on.
///
/// # Panics
/// If the two machines do not agree.
pub(crate) fn run(data: &[u8]) {
    let mut machine = Reassembly::new([ReassemblySlot::EMPTY; SLOTS], vec![0xaa; SLOTS * ROOM]);
    let (mut model, mut now) = (Model::default(), Instant::from_ticks(0));
    for step in data.as_chunks().0 {
        let &[who, offset, length, how] = step;
        if who >= 0xf0 {
            now = after(now, crate::time::Duration::from_secs(length.into()));
            expire(&mut machine, &mut model, now);
        } else {
            insert(&mut machine, &mut model, now, [who, offset, length, how]);
        }
        assert_eq!(machine.check(), Ok(()), "after {step:?}");
        assert_eq!(machine.len(), model.0.len());
        assert_eq!(machine.poll_at(), model.0.iter().map(|datagram| datagram.expires).min());
    }
}

type Machine = Reassembly<[ReassemblySlot; SLOTS], Vec<u8>>;

fn expire(machine: &mut Machine, model: &mut Model, now: Instant) {
    let expired = core::iter::from_fn(|| {
        machine.expire(now).map(|expired| (expired.key, expired.start.map(|(_, bytes)| bytes.to_vec())))
    });
    let mut expired: Vec<_> = expired.collect();
    let start = |datagram: &Datagram| datagram.bytes.iter().map_while(|byte| *byte).collect::<Vec<u8>>();
    let over = model.0.extract_if(.., |datagram| datagram.expires <= now);
    let mut wanted: Vec<_> = over
        .map(|datagram| (datagram.key, Some(start(&datagram)).filter(|start| !start.is_empty())))
        .collect();
    expired.sort();
    wanted.sort();
    assert_eq!(expired, wanted);
}

fn insert(machine: &mut Machine, model: &mut Model, now: Instant, [who, offset, length, how]: [u8; 4]) {
    let key = DatagramKey {
        source: [10, 0, 0, who % 5].into(),
        destination: [10, 0, 1, 0].into(),
        identification: u32::from(who / 5 % 8),
        protocol: 17,
    };
    let length = if how & 4 == 0 { usize::from(length % 16) * 8 } else { usize::from(length) };
    let offset = u16::from(offset % 128) * 8;
    // The same place holds the same bytes, unless this one lies.
    let lie = u8::from(how & 0xf0 == 0xf0);
    let payload: Vec<u8> =
        (offset..).take(length).map(|at| (at.to_be_bytes()[1] ^ who).wrapping_add(lie)).collect();
    let fragment = Fragment {
        place: FragmentPlace { offset, more: how & 3 != 0 },
        protocol: IpProtocol(how),
        payload: &payload,
    };
    let done = machine.insert(now, key, fragment);
    let done = done.map(|done| done.map(|done| (done.protocol, done.payload.to_vec())));
    assert_eq!(done, model.insert(now, key, fragment), "{key:?} {:?} {length} bytes", fragment.place);
}
