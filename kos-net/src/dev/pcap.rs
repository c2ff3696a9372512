//! Frames in files that tshark and its like read: [`file_header`], then for each frame [`record_header`] and its bytes.
//!
//! Source: the classic format of libpcap, times in nanoseconds, numbers in the order of the machine that writes.

use super::Medium;
use crate::time::Instant;

const MAGIC_NS: u32 = 0xa1b2_3c4d;
const VERSION: (u16, u16) = (2, 4);
/// The longest frame: an IP packet behind a header of Ethernet.
const LONGEST: u32 = 65_535 + 14;
/// `LINKTYPE_ETHERNET`.
const ETHERNET: u32 = 1;
/// `LINKTYPE_RAW`.
const RAW: u32 = 101;

/// What a file of frames of that medium begins with.
#[must_use]
pub fn file_header(medium: Medium) -> [u8; 24] {
    let kind = match medium {
        Medium::Ethernet => ETHERNET,
        Medium::Ip => RAW,
    };
    let [major, minor] = [VERSION.0, VERSION.1].map(u16::to_ne_bytes);
    let mut header = [0; 24];
    put(
        &mut header,
        &[&MAGIC_NS.to_ne_bytes(), &major, &minor, &[0; 8], &LONGEST.to_ne_bytes(), &kind.to_ne_bytes()],
    );
    header
}

/// What stands before the bytes of a frame that was seen at `now`.
#[must_use]
pub fn record_header(now: Instant, length: usize) -> [u8; 16] {
    let (seconds, rest) = (now.as_ticks() / 1_000_000_000, now.as_ticks() % 1_000_000_000);
    let [seconds, rest] =
        [seconds, rest].map(|number| u32::try_from(number).unwrap_or(u32::MAX).to_ne_bytes());
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes();
    let mut header = [0; 16];
    put(&mut header, &[&seconds, &rest, &length, &length]);
    header
}

fn put(out: &mut [u8], parts: &[&[u8]]) {
    let bytes = parts.iter().copied().flatten();
    out.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
}

#[cfg(test)]
mod tests {
    use super::{file_header, record_header};
    use crate::dev::Medium;
    use crate::time::Instant;

    #[test]
    fn the_headers_are_those_of_libpcap() {
        let words = |bytes: &[u8]| -> alloc::vec::Vec<u32> {
            bytes.chunks(4).map(|word| u32::from_ne_bytes(word.try_into().unwrap())).collect()
        };
        let header = file_header(Medium::Ethernet);
        assert_eq!(header[4..8], [2_u16.to_ne_bytes(), 4_u16.to_ne_bytes()].concat());
        let header = words(&header);
        assert_eq!((header[0], &header[2..]), (0xa1b2_3c4d, &[0, 0, 65_549, 1][..]));
        assert_eq!(words(&file_header(Medium::Ip))[5], 101);
        assert_eq!(words(&record_header(Instant::from_ticks(3_000_000_007), 60)), [3, 7, 60, 60]);
    }
}
