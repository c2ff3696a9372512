//! What was counted: [`Stats`].

use core::ops::{Index, IndexMut};

use crate::drop_reason::DropReason;

/// Counters since the start; they wrap. Law: what was received is [`accounted`](Self::accounted) for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Frames that a device handed over.
    pub frames_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Frames that a device took.
    pub frames_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Frames whose data reached a socket.
    pub delivered: u64,
    /// Frames that served the stack itself: answers, acknowledgements, pieces of datagrams.
    pub consumed: u64,
    /// Frames that came and went no further.
    pub dropped: Drops,
    /// Packets that did not go out.
    pub unsent: Drops,
    /// Datagrams that were put together of pieces.
    pub reassembled: u64,
    /// Datagrams of which pieces did not come in time.
    pub reassembly_timeouts: u64,
    /// Pieces that went out.
    pub fragments_out: u64,
    /// Errors of ICMP that went out.
    pub icmp_errors_out: u64,
    /// How often time went backwards.
    pub clock_backwards: u64,
    /// How often there were no random bytes.
    pub entropy_failures: u64,
}

impl Stats {
    /// Frames of which is known what became of them; equal to [`frames_in`](Self::frames_in) between polls.
    #[must_use]
    pub fn accounted(&self) -> u64 {
        self.delivered.wrapping_add(self.consumed).wrapping_add(self.dropped.total())
    }
}

/// One counter for each [`DropReason`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Drops([u64; DropReason::ALL.len()]);

impl Drops {
    /// All of them together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// The reasons that occurred, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> {
        DropReason::ALL.iter().copied().zip(self.0).filter(|(_, count)| *count > 0)
    }

    /// Counts one more.
    pub fn count(&mut self, reason: DropReason) {
        self[reason] = self[reason].wrapping_add(1);
    }
}

impl Default for Drops {
    fn default() -> Self {
        Self([0; DropReason::ALL.len()])
    }
}

impl Index<DropReason> for Drops {
    type Output = u64;

    #[expect(clippy::indexing_slicing, reason = "there is a counter for each reason")]
    fn index(&self, reason: DropReason) -> &u64 {
        &self.0[reason as usize]
    }
}

impl IndexMut<DropReason> for Drops {
    #[expect(clippy::indexing_slicing, reason = "there is a counter for each reason")]
    fn index_mut(&mut self, reason: DropReason) -> &mut u64 {
        &mut self.0[reason as usize]
    }
}

impl core::fmt::Debug for Drops {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
