//! [`LogRing`]: the last that a service has said.

use alloc::vec::Vec;

/// Bytes that are kept.
pub const LOG_BYTES: usize = 2048;

/// The last bytes that were said. Memory is taken once, when it is made.
#[derive(Debug)]
pub struct LogRing {
    bytes: Vec<u8>,
    /// Where the oldest is, once it is full.
    next: usize,
    /// Bytes that are kept no more.
    dropped: u64,
}

impl LogRing {
    /// An empty one; [`None`]: no memory.
    #[must_use]
    pub fn new() -> Option<Self> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(LOG_BYTES).ok()?;
        Some(Self { bytes, next: 0, dropped: 0 })
    }

    /// Keeps bytes; the oldest make room.
    pub fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.bytes.len() < LOG_BYTES {
                self.bytes.push(byte);
                continue;
            }
            if let Some(oldest) = self.bytes.get_mut(self.next) {
                *oldest = byte;
            }
            (self.next, self.dropped) = ((self.next + 1) % LOG_BYTES, self.dropped.saturating_add(1));
        }
    }

    /// What is kept, in two pieces, the older first.
    #[must_use]
    pub fn pieces(&self) -> (&[u8], &[u8]) {
        let (newer, older) = self.bytes.split_at(self.next.min(self.bytes.len()));
        (older, newer)
    }

    /// Bytes that are kept no more.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_last_bytes_are_kept(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..900), 0..8),
        ) {
            let (mut log, mut all) = (LogRing::new().unwrap(), Vec::new());
            for piece in pieces {
                log.push(&piece);
                all.extend_from_slice(&piece);
            }
            let (older, newer) = log.pieces();
            let lost = all.len().saturating_sub(LOG_BYTES);
            prop_assert_eq!([older, newer].concat(), &all[lost..]);
            prop_assert_eq!(log.dropped(), lost as u64);
        }
    }
}
