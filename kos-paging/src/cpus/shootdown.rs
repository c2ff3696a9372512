//! A flush of all who have a space loaded: [`Shootdown`].

use super::TlbContext;
use crate::flush::FlushSet;
use crate::ports::{Stuck, TlbControl, TlbFlush};

/// Flushes the CPUs that have a space loaded, and no others, by the tickets of a [`TlbControl`].
#[derive(Debug)]
pub struct Shootdown<'a, T, const WORDS: usize = 4> {
    tlb: &'a T,
    context: &'a TlbContext<WORDS>,
}

impl<'a, T, const WORDS: usize> Shootdown<'a, T, WORDS> {
    pub(super) const fn new(tlb: &'a T, context: &'a TlbContext<WORDS>) -> Self {
        Self { tlb, context }
    }
}

#[expect(unsafe_code, reason = "a port that can break memory safety")]
// SAFETY: whoever has the space loaded after the request is counted is in the set that `TlbControl` answers for; who loads
// it later drops the space, for its generation has changed (invariant of `TlbContext`).
unsafe impl<T: TlbControl<WORDS>, const WORDS: usize> TlbFlush for Shootdown<'_, T, WORDS> {
    type Error = Stuck<T::Ticket>;

    fn flush(&self, set: &FlushSet) -> Result<(), Self::Error> {
        let (generation, cpus) = self.context.request();
        let set = set.clone().at(generation);
        let ticket = self.tlb.submit(&set, &cpus);
        self.tlb.wait(ticket)
    }
}
