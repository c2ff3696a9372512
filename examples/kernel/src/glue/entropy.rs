//! `Entropy` of kos-net: bytes that nobody foresees who does not know the machine's secret.
//!
//! Each 8 bytes are the hash of the cycle counter and a number, keyed by the secret. Source: Aumasson and Bernstein, "SipHash: a
//! fast short-input PRF", 2012: without the key its outputs tell nothing of each other.

use core::hash::Hasher;

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
    /// Keyed by the secret of the machine, by what a device of random numbers gave, and by the moment.
    pub(crate) fn new<P: Platform>(kernel: &Kernel<P>) -> Self {
        let [first, second] = kernel.secret();
        Self { key: [first, second ^ kernel.platform().cycles()], count: 0 }
    }
}

impl Entropy for KernelEntropy {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        for piece in out.chunks_mut(8) {
            self.count = self.count.wrapping_add(1);
            let mut hasher = SipHasher24::new_with_keys(self.key[0], self.key[1]);
            hasher.write_u64(self.count);
            let bytes = hasher.finish().to_le_bytes();
            piece.copy_from_slice(bytes.get(..piece.len()).unwrap_or_default());
        }
        Ok(())
    }
}
