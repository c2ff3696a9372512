//! When to acknowledge: [`Acks`].
//!
//! At once in the first segments, so that the peer's window opens; then for more than one full segment, or half the window, or
//! after a delay; at once when something is missing, doubled or closed. Source: RFC 5681 section 4.2, RFC 9293 section
//! 3.8.6.3; the quick start is Linux's.

use super::clock::{NEVER, after};
use crate::time::{Duration, Instant};

/// Segments that are acknowledged at once at the start and after a long silence.
const QUICK: u8 = 16;

/// The acknowledgement that is owed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acks {
    /// When it must go; [`NEVER`] if none is owed.
    due: Instant,
    /// Bytes that came since the last.
    bytes: u32,
    /// Segments that are still answered at once.
    quick: u8,
}

impl Acks {
    pub(crate) const fn new() -> Self {
        Self { due: NEVER, bytes: 0, quick: QUICK }
    }

    /// The next segments are answered at once again.
    pub(crate) fn quicken(&mut self) {
        self.quick = QUICK;
    }

    /// `bytes` came in order; a full segment has `full` bytes, and `window` bytes were open.
    pub(crate) fn data(&mut self, now: Instant, bytes: u64, full: u16, window: u64, delay: Duration) {
        self.bytes = self.bytes.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        let much = u64::from(self.bytes) > u64::from(full).min(window / 2);
        if self.quick > 0 || much {
            self.quick = self.quick.saturating_sub(1);
            self.at_once(now);
        } else if self.due == NEVER {
            self.due = after(now, delay);
        }
    }

    /// An acknowledgement must go now.
    pub(crate) fn at_once(&mut self, now: Instant) {
        self.due = now;
    }

    /// A segment with the acknowledgement went.
    pub(crate) fn sent(&mut self) {
        self.due = NEVER;
        self.bytes = 0;
    }

    /// When one must go.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        (self.due != NEVER).then_some(self.due)
    }

    /// Whether one must go now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due <= now
    }
}
