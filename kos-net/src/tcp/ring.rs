//! A ring of bytes in lent storage of any length: [`free`], [`held`], [`write()`].
//!
//! The byte at place `p` of a stream lies at `(p - base) % length`. Where the stream stands is its owner's to know, and so is `base`: who
//! moves it up to the next byte whenever nothing is held writes to the front again, which is in the cache.

use core::ops::Range;

/// The index of place `at`.
fn index(length: usize, base: u64, at: u64) -> usize {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    let at = at.saturating_sub(base);
    if at < length {
        return usize::try_from(at).unwrap_or(0);
    }
    at.checked_rem(length).and_then(|index| usize::try_from(index).ok()).unwrap_or(0)
}

/// How many bytes `range` is, as far as a slice can be long.
pub(crate) fn length(range: &Range<u64>) -> usize {
    usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX)
}

/// The bytes of `range`, in two parts; what is longer than the ring is cut.
pub(crate) fn held<'a>(ring: &'a [u8], base: u64, range: &Range<u64>) -> (&'a [u8], &'a [u8]) {
    let (at, wanted) = (index(ring.len(), base, range.start), length(range).min(ring.len()));
    let first = wanted.min(ring.len().saturating_sub(at));
    let head = ring.get(at..at.saturating_add(first)).unwrap_or_default();
    (head, ring.get(..wanted.saturating_sub(first)).unwrap_or_default())
}

/// The room for `range` up to where the ring turns over: its first part.
pub(crate) fn free<'a>(ring: &'a mut [u8], base: u64, range: &Range<u64>) -> &'a mut [u8] {
    let at = index(ring.len(), base, range.start);
    let end = at.saturating_add(length(range)).min(ring.len());
    ring.get_mut(at..end).unwrap_or_default()
}

/// Puts `bytes` to place `at`.
pub(crate) fn write(ring: &mut [u8], base: u64, at: u64, bytes: &[u8]) {
    let mut rest = bytes;
    let mut place = at;
    while !rest.is_empty() {
        let wanted = u64::try_from(rest.len()).unwrap_or(u64::MAX);
        let room = free(ring, base, &(place..place.saturating_add(wanted)));
        let Some((now, later)) = rest.split_at_checked(room.len()).filter(|(now, _)| !now.is_empty()) else {
            return;
        };
        room.copy_from_slice(now);
        place = place.saturating_add(u64::try_from(now.len()).unwrap_or(u64::MAX));
        rest = later;
    }
}

#[cfg(test)]
mod tests {
    use super::{free, held, write};

    #[test]
    fn bytes_are_found_where_they_were_put_at_any_length() {
        for length in [1, 2, 3, 7, 64] {
            let mut ring = alloc::vec![0; length];
            let text: alloc::vec::Vec<u8> = (0..u8::try_from(length).unwrap()).collect();
            for (base, at) in [(0, 0), (0, 1), (0, 5), (0, 1 << 33), (5, 5), (5, 7), ((1 << 33) - 1, 1 << 33)]
            {
                write(&mut ring, base, at, &text);
                let (head, tail) = held(&ring, base, &(at..at + length as u64));
                assert_eq!([head, tail].concat(), text, "at {at} of {length} from {base}");
                assert_eq!(tail.is_empty(), (at - base) % length as u64 == 0, "the front is at the base");
            }
        }
    }

    #[test]
    fn a_ring_of_no_bytes_takes_nothing() {
        write(&mut [], 0, 7, b"lost");
        assert_eq!(held(&[], 0, &(7..9)), (&[][..], &[][..]));
        assert_eq!(free(&mut [], 0, &(7..9)), &mut []);
    }
}
