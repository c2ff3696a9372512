//! `Entropy` of kos-net: bytes that nobody foresees who does not know the machine's secret.
//!
//! Each 8 bytes are the hash of how many came before, under a key that only this source has: the hash of the source's number and the
//! moment, keyed by the secret. Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012: without the key its outputs
//! tell nothing of each other.

use core::hash::Hasher as _;
use core::sync::atomic::Ordering::Relaxed;

use kos_net::{Entropy, EntropyError};
use siphasher::sip::SipHasher24;

use crate::Kernel;
use crate::platform::Platform;

/// The random bytes of one machine.
#[derive(Debug)]
pub(crate) struct KernelEntropy {
    key: [u64; 2],
    count: u64,
}

impl KernelEntropy {
    /// Keyed by the secret of the machine, by what a device of random numbers gave, by the moment, and by a number that no other has:
    /// two CPUs may ask in the same cycle.
    pub(crate) fn new<P: Platform>(kernel: &Kernel<P>) -> Self {
        Self::at(kernel, kernel.platform().cycles())
    }

    /// The same as if it were `moment`.
    pub(crate) fn at<P: Platform>(kernel: &Kernel<P>, moment: u64) -> Self {
        Self::numbered(kernel.secret(), kernel.entropies.fetch_add(1, Relaxed), moment)
    }

    fn numbered(secret: [u64; 2], number: u64, moment: u64) -> Self {
        // A hash of all three: of a sum or an xor, a later moment could make up for the number.
        Self { key: [0, 1].map(|half| hash(secret, &[number, moment, half])), count: 0 }
    }
}

fn hash([first, second]: [u64; 2], words: &[u64]) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(first, second);
    words.iter().for_each(|word| hasher.write_u64(*word));
    hasher.finish()
}

impl Entropy for KernelEntropy {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        for piece in out.chunks_mut(8) {
            self.count = self.count.wrapping_add(1);
            let bytes = hash(self.key, &[self.count]).to_le_bytes();
            piece.copy_from_slice(bytes.get(..piece.len()).unwrap_or_default());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(secret: [u64; 2], number: u64, moment: u64) -> [u8; 13] {
        let mut out = [0; 13];
        KernelEntropy::numbered(secret, number, moment).fill(&mut out).unwrap();
        out
    }

    #[test]
    fn secret_number_and_moment_each_make_other_bytes() {
        let one = bytes([1, 2], 3, 4);
        assert_eq!(one, bytes([1, 2], 3, 4));
        for (secret, number, moment) in
            [([0, 2], 3, 4), ([1, 3], 3, 4), ([1, 2], 2, 4), ([1, 2], 3, 5), ([1, 2], 4, 3)]
        {
            assert_ne!(one, bytes(secret, number, moment), "{secret:?} {number} {moment}");
        }
    }
}
