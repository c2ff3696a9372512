//! The checksum of the Internet protocols: [`Checksum`].
//!
//! Source: RFC 1071. The ones' complement sum is the same whichever byte order it is computed in, so words are added as the
//! machine reads them, and only the result is turned.

use core::net::IpAddr;

use super::IpProtocol;

/// Bytes that are added at once.
const STRIDE: usize = 32;
const LANES: usize = STRIDE / 8;

/// A sum in the making. Bytes may come in pieces of any length, odd ones too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum {
    /// Of 16-bit words in the machine's order; below 2^17.
    sum: u32,
    /// Whether the next byte is the second of a word.
    odd: bool,
}

/// Adds up the words of `bytes`, which are in the machine's order, to 16 bits.
fn words(bytes: &[u8]) -> u16 {
    let (strides, rest) = bytes.as_chunks::<STRIDE>();
    let long = if strides.is_empty() { 0 } else { add_strides(strides) };
    let (eights, rest) = rest.as_chunks::<8>();
    let middle = eights.iter().map(|&eight| halves(u64::from_ne_bytes(eight))).sum::<u64>();
    let (pairs, last) = rest.as_chunks::<2>();
    let tail = pairs.iter().map(|&pair| u64::from(u16::from_ne_bytes(pair))).sum::<u64>();
    let last = last.first().map_or(0, |&byte| u64::from(u16::from_ne_bytes([byte, 0])));
    fold(long + middle + tail + last)
}

/// Adds eight bytes at a time, with the carry around the end, in lanes that do not wait for each other.
fn add_strides(strides: &[[u8; STRIDE]]) -> u64 {
    let mut lanes = [0_u64; LANES];
    for stride in strides {
        let (words, _) = stride.as_chunks::<8>();
        for (lane, &word) in lanes.iter_mut().zip(words) {
            let (sum, carry) = lane.overflowing_add(u64::from_ne_bytes(word));
            // After a carry there is room for one.
            *lane = sum.wrapping_add(u64::from(carry));
        }
    }
    // Each lane is folded to 33 bits first, so that the sum of all cannot overflow.
    lanes.iter().map(|&lane| halves(lane)).sum()
}

/// Both halves of eight bytes.
const fn halves(sum: u64) -> u64 {
    (sum >> 32) + (sum & 0xffff_ffff)
}

/// Both words of four bytes.
fn pair(bytes: [u8; 4]) -> u32 {
    let word = u32::from_ne_bytes(bytes);
    (word & 0xffff) + (word >> 16)
}

/// The ones' complement sum of the four words of `sum`.
fn fold(sum: u64) -> u16 {
    let sum = halves(sum);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let [.., high, low] = sum.to_be_bytes();
    u16::from_be_bytes([high, low])
}

impl Checksum {
    /// The sum of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { sum: 0, odd: false }
    }

    /// The sum of the pseudo header that TCP, UDP and ICMPv6 put before their bytes (RFC 9293, 768; RFC 8200 section 8.1).
    /// `length` is that of the upper header with its data.
    #[must_use]
    pub fn of_pseudo_header(from: IpAddr, to: IpAddr, protocol: IpProtocol, length: u32) -> Self {
        let mut sum = pair([0, protocol.0, 0, 0]) + pair(length.to_be_bytes());
        for address in [from, to] {
            sum += match address {
                IpAddr::V4(address) => pair(address.octets()),
                IpAddr::V6(address) => {
                    address.octets().as_chunks::<4>().0.iter().map(|&four| pair(four)).sum()
                }
            };
        }
        Self { sum: (sum >> 16) + (sum & 0xffff), odd: false }
    }

    /// The sum with `bytes` behind what is in it.
    #[must_use]
    pub fn and(self, bytes: &[u8]) -> Self {
        let words = words(bytes);
        let words = if self.odd { words.swap_bytes() } else { words };
        let sum = self.sum + u32::from(words);
        let sum = (sum >> 16) + (sum & 0xffff);
        Self { sum, odd: self.odd != (bytes.len() % 2 == 1) }
    }

    /// What goes into the checksum field, which was zero in the sum.
    #[must_use]
    pub fn finish(self) -> u16 {
        u16::from_be_bytes((!fold(u64::from(self.sum))).to_ne_bytes())
    }

    /// Whether bytes with their checksum among them are whole.
    #[must_use]
    pub fn is_valid(self) -> bool {
        self.finish() == 0
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use proptest::prelude::*;

    use super::Checksum;

    /// RFC 1071, section 4.1, in C.
    fn naive(bytes: &[u8]) -> u16 {
        let mut sum = 0_u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
            sum = (sum >> 16) + (sum & 0xffff);
        }
        !u16::try_from(sum).unwrap()
    }

    #[test]
    fn the_example_of_rfc_1071_sums_up() {
        assert_eq!(Checksum::new().and(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]).finish(), !0xddf2);
    }

    #[test]
    fn carries_of_a_whole_frame_are_kept() {
        let ones = [0xff; 65_536];
        for length in [0, 1, 2, 31, 32, 33, 65_535, 65_536] {
            assert_eq!(Checksum::new().and(&ones[..length]).finish(), naive(&ones[..length]), "{length}");
        }
    }

    proptest! {
        #![proptest_config(crate::testing::config())]
        #[test]
        fn pieces_of_any_length_sum_up_as_the_whole(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            cuts in prop::collection::vec(0_usize..300, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let sum = cuts.windows(2).fold(Checksum::new(), |sum, cut| sum.and(&bytes[cut[0]..cut[1]]));
            prop_assert_eq!(sum.finish(), naive(&bytes));
        }

        #[test]
        fn a_sum_put_in_its_place_is_valid(mut bytes in prop::collection::vec(any::<u8>(), 2..200), bit in any::<usize>()) {
            bytes[..2].fill(0);
            let sum = Checksum::new().and(&bytes).finish();
            bytes[..2].copy_from_slice(&sum.to_be_bytes());
            prop_assert!(Checksum::new().and(&bytes).is_valid());
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!Checksum::new().and(&bytes).is_valid());
        }
    }
}
