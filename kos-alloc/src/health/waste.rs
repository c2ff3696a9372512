//! What size classes and whole frames cost beyond what was asked: internal waste.

use crate::heap::HeapStats;

impl HeapStats {
    /// The share of the live bytes that nobody asked for, `1 - requested / live`, in thousandths; 0 without live blocks.
    #[must_use]
    pub fn waste(&self) -> u32 {
        let unasked = self.live.saturating_sub(self.requested) as u128 * 1000;
        unasked.checked_div(self.live as u128).map_or(0, |share| u32::try_from(share).unwrap_or(1000))
    }
}
