//! Datagrams that wait, in a ring of lent bytes: [`Queue`].
//!
//! A datagram and the [`Head`] before it lie in one piece, so that it is written and read in place; the end of the ring that one
//! does not fit into is left out. Positions live here, bytes with who calls, who hands over the same ring each time.
//!
//! Invariant: with datagrams, `head` is where the first starts and `tail` is behind the last; `tail <= head` means that they wrap at
//! `wrap`.

use core::net::{IpAddr, Ipv6Addr};

use zerocopy::native_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const HEAD: usize = size_of::<Head>();

/// What is kept of a datagram beside its bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Head {
    remote: [u8; 16],
    local: [u8; 16],
    port: U16,
    length: U16,
    interface: u8,
    hop_limit: u8,
}

/// Where a datagram came from or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The other side.
    pub remote: IpAddr,
    /// Its port; of a ping, the sequence number; of a raw packet, nothing.
    pub port: u16,
    /// Our side. To send: unspecified chooses one.
    pub local: IpAddr,
    /// Received: by which interface. To send: it means nothing.
    pub interface: u8,
    /// Received: how many more routers it might have passed. To send: 0 is the default.
    pub hop_limit: u8,
}

impl Envelope {
    /// For `remote` at `port`; the rest is chosen.
    #[must_use]
    pub const fn to(remote: IpAddr, port: u16) -> Self {
        let local = match remote {
            IpAddr::V4(_) => IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Self { remote, port, local, interface: 0, hop_limit: 0 }
    }
}

fn packed(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// What stands in the bits of an IPv6 address above one of IPv4 (RFC 4291, section 2.5.5.2).
const MAPPED: u128 = 0xffff;

fn unpacked(octets: [u8; 16]) -> IpAddr {
    let mapped = u128::from_be_bytes(octets) >> 32 == MAPPED;
    match octets.last_chunk::<4>() {
        Some(&v4) if mapped => IpAddr::from(v4),
        _ => IpAddr::from(octets),
    }
}

impl Head {
    fn new(envelope: &Envelope, length: u16) -> Self {
        Self {
            remote: packed(envelope.remote),
            local: packed(envelope.local),
            port: U16::new(envelope.port),
            length: U16::new(length),
            interface: envelope.interface,
            hop_limit: envelope.hop_limit,
        }
    }

    fn envelope(&self) -> Envelope {
        Envelope {
            remote: unpacked(self.remote),
            port: self.port.get(),
            local: unpacked(self.local),
            interface: self.interface,
            hop_limit: self.hop_limit,
        }
    }
}

/// The positions of datagrams in a ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queue {
    head: usize,
    tail: usize,
    wrap: usize,
    count: u32,
}

impl Queue {
    /// No datagrams.
    pub(crate) const EMPTY: Self = Self { head: 0, tail: 0, wrap: 0, count: 0 };

    /// How many datagrams there are.
    pub(crate) const fn len(&self) -> u32 {
        self.count
    }

    /// Whether there is none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Where a datagram of up to `length` bytes can be put.
    fn place(&self, ring: usize, length: usize) -> Option<usize> {
        let needed = length.checked_add(HEAD)?;
        if self.count == 0 {
            return (needed <= ring).then_some(0);
        }
        if self.tail <= self.head {
            return (needed <= self.head - self.tail).then_some(self.tail);
        }
        if needed <= ring - self.tail {
            return Some(self.tail);
        }
        (needed <= self.head).then_some(0)
    }

    /// Whether a datagram of `length` bytes has room.
    #[cfg(test)]
    pub(crate) fn has_room(&self, ring: &[u8], length: usize) -> bool {
        self.place(ring.len(), length).is_some()
    }

    /// Appends a datagram of `parts` behind each other; whether there was room.
    pub(crate) fn push(&mut self, ring: &mut [u8], envelope: &Envelope, parts: &[&[u8]]) -> bool {
        let length = parts.iter().map(|part| part.len()).sum();
        let written = self.push_with(ring, envelope, length, |mut room| {
            for part in parts {
                let (here, rest) = room.split_at_mut_checked(part.len()).unwrap_or_default();
                here.copy_from_slice(part);
                room = rest;
            }
            (length, ())
        });
        written.is_some()
    }

    /// Appends a datagram that `fill` writes into room of `length` bytes; it returns how many it used. `None` if there is no room.
    pub(crate) fn push_with<R>(
        &mut self,
        ring: &mut [u8],
        envelope: &Envelope,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> (usize, R),
    ) -> Option<R> {
        u16::try_from(length).ok()?;
        let start = self.place(ring.len(), length)?;
        let (head, room) = ring.get_mut(start..start + HEAD + length)?.split_at_mut_checked(HEAD)?;
        let (used, result) = fill(room);
        let used = used.min(length);
        let used_short = u16::try_from(used).unwrap_or(u16::MAX);
        head.copy_from_slice(Head::new(envelope, used_short).as_bytes());
        if self.count == 0 {
            self.head = 0;
        } else if start == 0 {
            self.wrap = self.tail;
        }
        self.tail = start + HEAD + used;
        self.count += 1;
        Some(result)
    }

    /// The first datagram.
    pub(crate) fn peek<'r>(&self, ring: &'r [u8]) -> Option<(Envelope, &'r [u8])> {
        let (head, rest) = self.first(ring)?;
        Some((head.envelope(), rest.get(..head.length.get().into())?))
    }

    /// What is kept of the first datagram, and the ring behind it.
    fn first<'r>(&self, ring: &'r [u8]) -> Option<(&'r Head, &'r [u8])> {
        if self.count == 0 {
            return None;
        }
        Head::ref_from_prefix(ring.get(self.head..)?).ok()
    }

    /// Takes the first datagram off.
    pub(crate) fn pop(&mut self, ring: &[u8]) {
        let Some((head, _)) = self.first(ring) else { return };
        let wraps = self.tail <= self.head;
        self.head += HEAD + usize::from(head.length.get());
        if wraps && self.head >= self.wrap {
            self.head = 0;
        }
        self.count -= 1;
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::VecDeque;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    use super::{Envelope, Queue};

    proptest! {
        #![proptest_config(crate::testing::config())]
        /// Against a queue of vectors.
        #[test]
        fn datagrams_come_out_as_they_went_in(steps in prop::collection::vec(prop::option::of(0..90_usize), 0..200)) {
            let (mut ring, mut queue, mut model) = ([0; 256], Queue::EMPTY, VecDeque::new());
            for (number, step) in steps.into_iter().enumerate() {
                let port = u16::try_from(number).unwrap();
                match step {
                    Some(length) => {
                        let data: Vec<u8> = (0..length).map(|at| (at + number).to_le_bytes()[0]).collect();
                        let remote = if number % 2 == 0 { [10, 0, 0, 1].into() } else { [7_u16; 8].into() };
                        let envelope = Envelope { hop_limit: 9, interface: 3, ..Envelope::to(remote, port) };
                        let fits = queue.has_room(&ring, length);
                        prop_assert_eq!(queue.push(&mut ring, &envelope, &[&data[..length / 2], &data[length / 2..]]), fits);
                        prop_assert!(fits || !model.is_empty(), "an empty ring takes it");
                        if fits {
                            model.push_back((envelope, data));
                        }
                    }
                    None => {
                        let first = model.pop_front();
                        prop_assert_eq!(queue.peek(&ring).map(|(envelope, data)| (envelope, data.to_vec())), first);
                        queue.pop(&ring);
                    }
                }
                prop_assert_eq!(queue.len() as usize, model.len());
                prop_assert_eq!(queue.is_empty(), model.is_empty());
            }
        }
    }
}
